/* What a vector set has no instruction of its own for, of products and of how floats are rounded to bfloat16. */
#ifndef PRODUCTS_H
#define PRODUCTS_H
#ifndef HAS_QUADS
# define HAS_QUADS 0
#endif
#ifndef QUADS_SATURATE
# define QUADS_SATURATE 0
#endif
#ifndef QUADS_LESS_128
# define QUADS_LESS_128 0
#endif
#ifndef S16_RATE
# define S16_RATE 0
#endif
#ifndef HAS_DOT_PAIRS
INL vi dot_pairs(vi a, vi x, vi w)
{
    vu sum = (vu)a + (vu)mul_pairs(x, w);
    KEEP(sum);                          /* GCC 12 would move it to the stack and back */
    return (vi)sum;
}
#endif
#ifndef KG                              /* what multiplies pairs is what there is */
# define KG 2
typedef vi w_s16, x_s16;
INL w_s16 ld_w_s16(const int16_t *w) { return ldi(w); }
INL x_s16 bc_x_s16(const int16_t *x) { return bci(x); }
INL vu dot_s16(vu a, w_s16 w, x_s16 x) { return (vu)dot_pairs((vi)a, x, w); }
#endif

#ifndef BF16_RATE
# define BF16_RATE 0
INL vi bc_pair(const void *p) { return bci(p); }
INL vf dot_bf16(vf a, vi x, vi w)
{
    a += (vf)((vu)x << 16) * (vf)((vu)w << 16);
    return a + (vf)((vu)x & 0xffff0000u) * (vf)((vu)w & 0xffff0000u);
}
#endif
#ifndef ROUNDS_BF16
INL vi to_bf16(vf x)                    /* in the upper half of each lane, anything in the lower one */
{
    const vu u = (vu)x;
    return (vi)pick(nan_of(x), (vf)(u | 0x400000u), (vf)(u + 0x7fffu + (u >> 16 & 1u)));
}
INL void st_bf16(uint16_t *y, const vf *x)
{
    vi v[NV];
    FOR(i, NV) v[i] = to_bf16(x[i]);
    st_upper(y, v);
}
INL vi pairs_bf16(vf low, vf high) { return (vi)((vu)to_bf16(low) >> 16 | ((vu)to_bf16(high) & 0xffff0000u)); }
#endif
#endif
