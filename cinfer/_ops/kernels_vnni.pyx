# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The kernels of bytes, as kernels_bytes.pyx has them, and of int16, for ISA levels whose instructions are for both."""
include "of_bytes.pxi"
include "multiply.pxi"
include "bf16.pxi"
include "conv_pairs.pxi"
include "gemm_pairs.pxi"
include "s16.pxi"

the_table.s16_rate = S16_RATE
the_table.kernels = n_entries
the_table.kernel = entries

def table():
    return PyCapsule_New(&the_table, "cinfer.table", NULL)
