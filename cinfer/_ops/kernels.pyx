# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""All kernels of one ISA level. setup.py builds this file once per level under the names _kernels_LEVEL;
`table()` hands the functions to the executor as a capsule. Each family is a .pxi file: parameters, drivers,
and its entries in the table."""
include "entries.pxi"

cdef extern from "elementwise.h" nogil:
    const char *binary_names

include "limits.pxi"
include "multiply.pxi"
include "conv.pxi"
include "conv_few.pxi"
include "matmul.pxi"
include "bf16.pxi"
include "pack_bf16.pxi"
include "conv_pairs.pxi"
include "gemm_pairs.pxi"
include "conv_bf16.pxi"
include "gemm_bf16.pxi"
include "s16.pxi"
include "gemv.pxi"
include "winograd.pxi"
include "requantise.pxi"
include "conv_u8.pxi"
include "winograd_u8.pxi"
include "depthwise.pxi"
include "depthwise_u8.pxi"
include "gemm_u8.pxi"
include "pooling.pxi"
include "resize.pxi"
include "elementwise.pxi"
include "layout.pxi"
include "layout_u8.pxi"
include "dynamic_quantize.pxi"
include "elementwise_u8.pxi"
include "pooling_u8.pxi"
include "resize_u8.pxi"
include "softmax.pxi"
include "double.pxi"
include "attention_params.pxi"
include "attention.pxi"
include "attention_bf16.pxi"
include "normalization.pxi"
include "reduce.pxi"
include "fold.pxi"
include "cast.pxi"
include "arithmetic.pxi"
include "choose.pxi"
include "indexed.pxi"
include "onehot.pxi"
include "nonzero.pxi"
include "order.pxi"
include "scan.pxi"
include "detection.pxi"
include "recurrent.pxi"
include "roi.pxi"
include "resample.pxi"
include "grid_sample.pxi"
include "picture.pxi"
include "bilinear.pxi"
include "oriented.pxi"

cdef table_t the_table
the_table.vw = VW
the_table.conv_oc = OCT
the_table.conv_half = HALF
the_table.gemm_n = OCT
the_table.unary = unary_names
the_table.binary = binary_names
the_table.arithmetic = arithmetic_names
the_table.elements = element_names
the_table.fma = fma
the_table.panel_u8 = panel_u8
the_table.room_u8 = room_u8
the_table.runs_u8 = runs_u8
the_table.dot_group = DOT_GROUP
the_table.bf16_rate = RATE_OF_BF16
the_table.s16_rate = S16_RATE
the_table.kernels = n_entries
the_table.kernel = entries

def table():
    return PyCapsule_New(&the_table, "cinfer.table", NULL)
