/* Boxes at angles of which a likelier one of their class covers too much, by ProbIoU (arXiv:2106.06072).
 *
 * box: [n] rows of eight float64: where it lies along a line on which classes are apart, x, y, the covariance a, b, c
 *     ([a c; c b]), the logarithm of its determinant, how far it reaches (squared); in the order of the first
 * rank: int32 [n], 0 the likeliest; gone: bytes [n], by rank, 0 before: 1 for those that a likelier one covers
 *
 * Two boxes meet if their places are at most `radius` apart, and the square of their distance at most both reaches
 * together. Of those the one of higher rank goes, if Bhattacharyya's distance B is at most `far`:
 *     B = (a dy^2 + b dx^2 - 2 c dx dy) / (4 det) + ln(det / 4 / sqrt(det1 det2)) / 2,  [a c; c b] the sum of both
 * NaN, of boxes without area, covers nothing. Products are rounded before they are added: the same at every ISA level.
 *
 * Kernel tile: all. */
#ifndef ORIENTED_H
#define ORIENTED_H
#include <math.h>
#include "api.h"
#include "vec.h"

typedef struct { double place, x, y, a, b, c, ln, reach; } oriented_t;

INL double product(double a, double b) { return rounded_double(a * b); }
static int is_near(const oriented_t *p, const oriented_t *q)
{
    const double dx = p->x - q->x, dy = p->y - q->y;
    return product(dx, dx) + product(dy, dy) <= p->reach + q->reach;
}
static double bhattacharyya(const oriented_t *p, const oriented_t *q)
{
    const double dx = p->x - q->x, dy = p->y - q->y, a = p->a + q->a, b = p->b + q->b, c = p->c + q->c;
    const double det = product(a, b) - product(c, c);
    const double apart = product(product(a, dy), dy) + product(product(b, dx), dx) - 2 * product(product(c, dx), dy);
    return apart / (4 * det) + product(.5, log(det / 4) - product(.5, p->ln + q->ln));
}
static void covered(const oriented_t *box, const int32_t *rank, int64_t n, double radius, double far, uint8_t *gone)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n && box[j].place <= box[i].place + radius; j++) {
            const int32_t worse = rank[i] > rank[j] ? rank[i] : rank[j];
            if (!gone[worse] && is_near(box + i, box + j) && bhattacharyya(box + i, box + j) <= far) gone[worse] = 1;
        }
}
#endif
