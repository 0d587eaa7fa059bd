# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The kernels of bfloat16 alone, for ISA levels that have instructions for their products and nothing else, as
kernels_bytes.pyx has those of bytes."""
include "entries.pxi"
include "multiply.pxi"
include "bf16.pxi"
include "pack_bf16.pxi"
include "conv_pairs.pxi"
include "gemm_pairs.pxi"
include "conv_bf16.pxi"
include "gemm_bf16.pxi"
include "attention_params.pxi"
include "attention_bf16.pxi"

cdef table_t the_table                  # zeroed: what is not set is as the level below has it
the_table.bf16_rate = RATE_OF_BF16
the_table.kernels = n_entries
the_table.kernel = entries

def table():
    return PyCapsule_New(&the_table, "cinfer.table", NULL)
