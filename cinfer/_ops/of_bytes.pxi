# The kernels of bytes that levels have whose instructions are for bytes alone.
include "entries.pxi"
include "requantise.pxi"
include "conv_u8.pxi"
include "winograd_u8.pxi"
include "depthwise_u8.pxi"
include "gemm_u8.pxi"
include "elementwise_u8.pxi"

cdef table_t the_table                  # zeroed: what is not set is as the level below has it
the_table.panel_u8 = panel_u8
the_table.room_u8 = room_u8
the_table.runs_u8 = runs_u8
the_table.dot_group = DOT_GROUP
