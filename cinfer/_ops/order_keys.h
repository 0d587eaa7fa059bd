/* The loops of order.h for keys of BITS, 32 or 64, by which its names end; included once for each. */
#define KEYED_(name, bits) name##bits
#define KEYED(name, bits) KEYED_(name, bits)
#define K(name) KEYED(name, BITS)
#define KEY KEYED_TYPE(BITS)
#define KEYED_TYPE(bits) KEYED(KEYED(int, bits), _t)
#define ENTRY KEYED(K(entry), _t)
#define KEY_MIN KEYED(KEYED(INT, BITS), _MIN)
#define KEY_MAX KEYED(KEYED(INT, BITS), _MAX)

/* The bits of a number -> an integer in the order that the numbers have, 0 for both zeros; of NaN, nothing */
INL KEY K(number_key)(KEY v)
{
    const KEY sign = v >> (BITS - 1);
    return (v ^ (sign & KEY_MAX)) - sign;
}

/* n <= PIECE elements -> keys t */
static __attribute__((noinline)) void K(to_keys)(const keys_t *f, const char *x, int64_t xs, int64_t n, KEY *t)
{
    KEY raw[PIECE], wide[PIECE];
    stage_fn first = widen[f->element];
    const KEY *b = beside(x, xs, raw, n, element_size[f->element]), flip = (KEY)f->flip;
    if (first) { first(b, wide, n, NULL); b = wide; }
    if (element_wide[f->element] == W_i32 || element_wide[f->element] == W_i64) {
        for (int64_t i = 0; i < n; i++) t[i] = b[i] ^ flip;
        return;
    }
    const KEY nan = f->nan_last ? KEY_MIN : KEY_MAX, infinity = BITS == 32 ? 0x7f800000 : (KEY)0x7ff0000000000000;
    for (int64_t i = 0; i < n; i++) {
        KEY v = b[i], key = K(number_key)(v) ^ flip;
        t[i] = (v & KEY_MAX) > infinity ? nan : key;
    }
}

/* The place of the largest in one row, or in each of `width` columns side by side. */
static int64_t K(extreme_row)(const keys_t *f, const char *x, int64_t rs, int64_t n, int last)
{
    KEY t[PIECE], best = KEY_MIN;
    int64_t at = 0;
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < PIECE ? n - i : PIECE;
        K(to_keys)(f, x + i * rs * element_size[f->element], rs, m, t);
        KEY top = KEY_MIN;
        for (int64_t k = 0; k < m; k++) top = t[k] > top ? t[k] : top;
        if (last ? top < best : i && top <= best) continue;
        best = top;
        at = last ? m - 1 : 0;
        while (t[at] != top) at += last ? -1 : 1;
        at += i;
    }
    return at;
}
static void K(extreme_columns)(const keys_t *f, const char *x, int64_t rs, int64_t n, int64_t width, int last,
                               int64_t *y, int64_t ys)
{
    KEY t[PIECE], best[PIECE], at[PIECE];
    int size = element_size[f->element];
    const KEY tie = last ? 1 : 0;
    for (int64_t m; width > 0; width -= m, x += m * size, y += m * ys) {
        m = width < PIECE ? width : PIECE;
        K(to_keys)(f, x, 1, m, best);
        memset(at, 0, m * sizeof *at);
        for (int64_t i = 1; i < n; i++) {
            const KEY here = (KEY)i;
            K(to_keys)(f, x + i * rs * size, 1, m, t);
            for (int64_t k = 0; k < m; k++) {
                KEY better = (t[k] > best[k]) | ((t[k] == best[k]) & tie);
                best[k] = better ? t[k] : best[k];
                at[k] = better ? here : at[k];
            }
        }
        for (int64_t k = 0; k < m; k++) y[k * ys] = at[k];
    }
}

/* The k first: a heap whose root is the last of them. sift: e to its place at or below `at` */
static void K(sift)(ENTRY *heap, int64_t k, int64_t at, ENTRY e)
{
    int64_t child = 2 * at + 1;
    for (; child + 1 < k; child = 2 * at + 1) {
        ENTRY left = heap[child], right = heap[child + 1];
        const int second = K(below)(right, left);
        ENTRY least = second ? right : left;
        child += second;                /* no branch: nobody can predict it */
        if (!K(below)(least, e)) break;
        heap[at] = least;
        at = child;
    }
    if (child + 1 == k && K(below)(heap[child], e)) { heap[at] = heap[child]; at = child; }
    heap[at] = e;
}
static void K(top_row)(const keys_t *f, const char *x, int64_t rs, int64_t n, int64_t k, void *scratch, char *v,
                       int64_t *places, int64_t ks)
{
    enum { SOME = 64 };
    ENTRY *heap = scratch;
    KEY t[PIECE];
    int size = element_size[f->element];
    int64_t held = 0;
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < PIECE ? n - i : PIECE;
        K(to_keys)(f, x + i * rs * size, rs, m, t);
        int64_t j = 0;
        for (; j < m && held < k; j++) heap[held++] = K(entry)(t[j], i + j);
        if (i + j == k) for (int64_t h = k / 2 - 1; h >= 0; h--) K(sift)(heap, k, h, heap[h]);
        for (int64_t end; j < m; j = end) {
            end = m - j < SOME ? m : j + SOME;
            KEY root = K(key)(heap[0]), top = KEY_MIN;
            for (int64_t h = j; h < end; h++) top = t[h] > top ? t[h] : top;
            if (top <= root) continue;
            for (int64_t h = j; h < end; h++)
                if (t[h] > K(key)(heap[0])) K(sift)(heap, k, 0, K(entry)(t[h], i + h));
        }
    }
    for (int64_t h = k - 1; h > 0; h--) {
        ENTRY least = heap[0];
        K(sift)(heap, h, 0, heap[h]);
        heap[h] = least;
    }
    for (int64_t h = 0; h < k; h++) {
        int64_t place = K(place)(heap[h]);
        memcpy(v + h * ks * size, x + place * rs * size, size);
        places[h * ks] = place;
    }
}
#undef KEYED_
#undef KEYED
#undef K
#undef KEY
#undef KEYED_TYPE
#undef ENTRY
#undef KEY_MIN
#undef KEY_MAX
