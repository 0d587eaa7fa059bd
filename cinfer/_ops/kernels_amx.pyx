# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Convolutions and products of bytes and of bfloat16 in AMX tiles, and beside them products of bytes by vectors, for
sums of few terms; such convolutions are left to the level below. setup.py builds this file as _kernels_amx; the
executor lays its table over that of the level below, as kernels_bytes.pyx has it."""
include "entries.pxi"
include "requantise.pxi"
include "conv_u8.pxi"
include "conv_u8_amx.pxi"
include "gemm_u8.pxi"
include "bf16.pxi"
include "pack_bf16.pxi"
include "bf16_amx.pxi"
include "attention_params.pxi"
include "attention_bf16.pxi"

cdef table_t the_table                  # zeroed: what is not set is as the level below has it
the_table.panel_u8 = panel_u8
the_table.room_u8 = room_u8
the_table.runs_u8 = runs_u8
the_table.dot_group = DEEP
the_table.bf16_rate = RATE_OF_BF16
the_table.bf16_group = GROUP_OF_BF16
the_table.kernels = n_entries
the_table.kernel = entries

def table():
    return PyCapsule_New(&the_table, "cinfer.table", NULL)
