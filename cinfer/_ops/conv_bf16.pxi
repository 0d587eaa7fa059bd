# Convolution of bfloat16 by vectors (conv_pairs.pxi): register tiles in conv_bf16_tile.h.

cdef extern from "conv_bf16_tile.h" nogil:
    const tile_run tiles_bf16[FORM_LIST_FETCHING][PM]
    const tile_run tiles_bf16_half[FORM_LIST_FETCHING][PM_HALF]


cdef void conv_bf16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    conv_pairs(<const conv_bf16_t *>params, base, scratch, tile, &tiles_bf16[0][0], &tiles_bf16_half[0][0], 0)


if HAS_BF16:
    enter("conv_bf16", fields_of("conv_bf16_t"), sizeof(conv_bf16_t), conv_bf16_run, conv_bf16_scratch)
