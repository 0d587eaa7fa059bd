/* What executor and kernels agree on, whatever ISA level a kernel module was built for: plain C types.
 *
 * A kernel is a function over *tiles*: run(params, base, scratch, tile) computes tile number `tile` of its
 * output and nothing else; tiles are independent, may run in any order on any thread, and each sum is formed
 * inside one tile in a fixed order, so the bits do not depend on the number of threads. All arguments are
 * checked before (plan/): a kernel cannot fail. What it reads may be what it does not take, an index beyond its
 * axis: then it touches nothing there, says so by `refuse`, and goes on.
 *
 * A kernel's parameters are a struct of 8-byte fields, declared once: in Cython, of which setup.py lists the fields
 * (entries.pxi), or here with PARAMS where functions of C take it. The planner in Python fills it by name through that
 * description.
 *
 * Tensors are named by buf_t: bytes from a base pointer that the executor binds for each run, so that plans
 * are immutable and shared by threads. Base 0 is the null pointer: there `off` is an absolute address
 * (weights), {0, 0} means absent; base 1 is the arena, further ones are the inputs and outputs of the run. */
#ifndef CINFER_API_H
#define CINFER_API_H
#include <stddef.h>
#include <stdint.h>

typedef struct { int64_t base, off; } buf_t;
typedef void (*tile_fn)(const void *params, char *const *base, char *scratch, int64_t tile);
typedef int64_t (*scratch_fn)(const void *params, char *const *base);
typedef struct { int64_t bytes, tiles, parts; } packed_t;
typedef packed_t (*packed_fn)(const void *params, char *const *base);
typedef struct {
    const char *name, *fields;
    size_t size;
    tile_fn run;
    scratch_fn scratch;                 /* bytes that a thread needs for these parameters; NULL: none */
    packed_fn packed;                   /* of one that packs weights: how much it writes, for parameters without y; of
                                         * how many parts of int8 the weights are, which `parts` then says, or 0 */
    tile_fn *below;                     /* NULL, or where the executor writes the run of the kernel of this name of the
                                         * level below, to which this one leaves some parameters */
} kernel_t;
typedef struct {
    int vw;                             /* floats in a vector */
    int conv_oc;                        /* output channels in a register tile of a convolution */
    int conv_half;                      /* and in a narrow one */
    int gemm_n;                         /* columns in a register tile of a matrix product */
    const char *unary;                  /* names of the unary operators, in order of their codes */
    const char *binary;
    const char *arithmetic;
    const char *elements;               /* names of the element types, in order of their codes */
    double (*fma)(long n);              /* n rounds of independent multiply-adds: returns the flops done */
    int64_t (*panel_u8)(int64_t k);     /* words of a packed panel of a product of bytes (gemm_u8.h), */
    int64_t (*room_u8)(int64_t k);      /* and the least bytes of scratch that it takes */
    int (*runs_u8)(int64_t ic, int64_t kw, int64_t dw);     /* whether conv_u8 takes plain memory (conv_u8.pxi) */
    int dot_group;                      /* bytes of x that one step multiplies for each sum (dot_u8.h) */
    int kernels;
    const kernel_t *kernel;
    int bf16_rate;                      /* products of bfloat16 in the time of one of float32; 0: emulated */
    int bf16_group;                     /* neighbours of k of one step, for each sum (pairs.h); 0: a pair */
    double s16_rate;                    /* products of int16 in the time of one of float32; 0: no more */
} table_t;

/* PARAMS(conv_t, CONV_FIELDS) with  #define CONV_FIELDS(B, I, F, A) B(x) I(ic) F(alpha) A(dims, 6)
 * B a buffer, I an integer, F a float, A an array of integers. */
#define FIELD_B_(n) buf_t n;
#define FIELD_I_(n) int64_t n;
#define FIELD_F_(n) double n;
#define FIELD_A_(n, len) int64_t n[len];
#define NAME_B_(n) "B:" #n " "
#define NAME_I_(n) "I:" #n " "
#define NAME_F_(n) "F:" #n " "
#define NAME_A_(n, len) "A" #len ":" #n " "
#define PARAMS(type, FIELDS) \
    typedef struct { FIELDS(FIELD_B_, FIELD_I_, FIELD_F_, FIELD_A_) } type; \
    static const char type##_fields[] __attribute__((unused)) = FIELDS(NAME_B_, NAME_I_, NAME_F_, NAME_A_);

/* In integers: from null + off != null a compiler may conclude that the base is not null, and base 0 is. */
static inline void *at(char *const *base, buf_t b)
{
    return (void *)((uintptr_t)base[b.base] + (uintptr_t)b.off);
}

/* The run ends behind this step, and NumPy does the node instead (`refuses=` of the step), or says what is wrong.
 * params: the kernel's own. The word for it is before the bases. */
static inline void refuse(char *const *base, const void *params)
{
    __atomic_store_n((const void **)base[-1], params, __ATOMIC_RELAXED);
}
#endif
