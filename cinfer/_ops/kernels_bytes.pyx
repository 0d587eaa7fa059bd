# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The kernels of bytes and of int16 alone, for ISA levels that have instructions for these and nothing else. setup.py
builds this file once per such level as _kernels_LEVEL; the executor lays its table over that of the level below: what
has the same name here is taken, and so is what is said here of the packed forms."""
include "entries.pxi"
include "requantise.pxi"
include "conv_u8.pxi"
include "winograd_u8.pxi"
include "depthwise_u8.pxi"
include "gemm_u8.pxi"
include "elementwise_u8.pxi"
include "multiply.pxi"
include "bf16.pxi"
include "conv_pairs.pxi"
include "gemm_pairs.pxi"
include "s16.pxi"

cdef table_t the_table                  # zeroed: what is not set is as the level below has it
the_table.panel_u8 = panel_u8
the_table.room_u8 = room_u8
the_table.dot_group = DOT_GROUP
the_table.s16_rate = RATE_OF_S16
the_table.kernels = n_entries
the_table.kernel = entries

def table():
    return PyCapsule_New(&the_table, "cinfer.table", NULL)
