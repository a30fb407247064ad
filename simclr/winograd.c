/* 3×3 convolutions of padding 1 and stride 1 or 2 by Winograd's method, forwards and backwards, for winograd.py.

   A 2×2 tile of outputs is made from a 4×4 tile of inputs with 16 products instead of 36 (stride 2: from 5×5 with 25):
       y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A                       Lavin & Gray 2016, arXiv:1509.09308, eq. 8 and 11
   so with many channels there is a product of matrices, tiles × inputs by inputs × outputs, at each of those points.
   The derivatives are made of the same parts:
       dd = B [(G g Gᵀ) ⊙ (A dy Aᵀ)] Bᵀ                     summed where tiles overlap
       dg = Gᵀ [(A dy Aᵀ) ⊙ (Bᵀ d B)] G                     summed over tiles

   Stride 1 is their F(2, 3). For stride 2, outputs need every other input twice, in a filter of two weights (F(2, 2), three
   products for two outputs), and those between once, in a filter of one (two products): five points in all.

   All arrays are float32 and laid out as torch's channels_last: images (N, H, W, channels), weights (outputs, 3, 3, inputs).
   Channels are multiples of 16. TILES tiles at a time keep all that is worked on in a core's own cache. */

#include <string.h>

typedef float vector __attribute__((vector_size(32)));
typedef float unaligned __attribute__((vector_size(32), aligned(4), may_alias));

#define LOAD(from) ((vector)*(const unaligned *)(from))
#define STORE(to) (*(unaligned *)(to))
#define INLINE static inline __attribute__((always_inline))

enum {
    WIDE = 8,        /* floats in a vector */
    MOST = 5,        /* points along a tile's side */
    TILES = 30,      /* a multiple of ROWS whose rows, of 16 · 2^n floats, do not all fall on the same sets of the cache */
    ROWS = 6,        /* 6 × 16 sums fill 12 of 16 registers */
    COLUMNS = 16,    /* of a product */
    STEPS = 4,       /* rows of a product that sums over tiles */
    CHANNELS = 4096, /* at most; see winograd.py */
};

/* What winograd.py says too, which allots the room; a test compares them. */
const long winograd_tiles = TILES, winograd_columns = COLUMNS, winograd_channels = CHANNELS;

static const float ZEROS[CHANNELS];

/* Of a convolution: how many images, of what size, with how many channels before and after it. Functions are given the stride
   beside it, as a constant for which the compiler unrolls their loops. */
typedef struct {
    long images, height, width, inputs, outputs, stride;
} shape;

/* The transforms along one side of a tile. */
typedef void transform(int stride, const vector *x, vector *y);

INLINE void b_transposed(int stride, const vector *d, vector *y)
{
    y[0] = d[0] - d[2];
    if (stride == 1) {
        y[1] = d[1] + d[2];
        y[2] = d[2] - d[1];
        y[3] = d[1] - d[3];
    } else {
        y[1] = d[2];
        y[2] = d[2] - d[4];
        y[3] = d[1];
        y[4] = d[3];
    }
}

/* For stride 2 alone: with stride 1 the way back is another convolution, with the weights turned round, which is faster. */
INLINE void b(int stride, const vector *m, vector *y)
{
    (void)stride;
    y[0] = m[0];
    y[1] = m[3];
    y[2] = m[1] + m[2] - m[0];
    y[3] = m[4];
    y[4] = -m[2];
}

INLINE void a_transposed(int stride, const vector *m, vector *y)
{
    if (stride == 1) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    } else {
        y[0] = m[0] + m[1] + m[3];
        y[1] = m[1] - m[2] + m[4];
    }
}

INLINE void a(int stride, const vector *g, vector *y)
{
    y[0] = g[0];
    y[1] = g[0] + g[1];
    if (stride == 1) {
        y[2] = g[0] - g[1];
        y[3] = -g[1];
    } else {
        y[2] = -g[1];
        y[3] = g[0];
        y[4] = g[1];
    }
}

INLINE void g(int stride, const vector *w, vector *y)
{
    y[0] = w[0];
    if (stride == 1) {
        y[1] = 0.5f * (w[0] + w[1] + w[2]);
        y[2] = 0.5f * (w[0] - w[1] + w[2]);
        y[3] = w[2];
    } else {
        y[1] = w[0] + w[2];
        y[2] = w[2];
        y[3] = w[1];
        y[4] = w[1];
    }
}

INLINE void g_transposed(int stride, const vector *s, vector *y)
{
    if (stride == 1) {
        y[0] = s[0] + 0.5f * (s[1] + s[2]);
        y[1] = 0.5f * (s[1] - s[2]);
        y[2] = 0.5f * (s[1] + s[2]) + s[3];
    } else {
        y[0] = s[0] + s[1];
        y[1] = s[3] + s[4];
        y[2] = s[1] + s[2];
    }
}

/* T x Tᵀ in place, from ``given`` × ``given`` to ``made`` × ``made``. */
INLINE void both_ways(transform *along, int stride, int given, int made, vector x[MOST][MOST])
{
    vector line[MOST], changed[MOST];
#pragma GCC unroll 5
    for (int j = 0; j < given; j++) {
#pragma GCC unroll 5
        for (int i = 0; i < given; i++)
            line[i] = x[i][j];
        along(stride, line, changed);
#pragma GCC unroll 5
        for (int i = 0; i < made; i++)
            x[i][j] = changed[i];
    }
#pragma GCC unroll 5
    for (int i = 0; i < made; i++) {
        along(stride, x[i], changed);
#pragma GCC unroll 5
        for (int j = 0; j < made; j++)
            x[i][j] = changed[j];
    }
}

INLINE int side(int stride)
{
    return stride + 3;
}

INLINE long tiles_across(const shape *s)
{
    return (s->width + 2 * s->stride - 1) / (2 * s->stride);
}

INLINE long tiles_each(const shape *s)
{
    return (s->height + 2 * s->stride - 1) / (2 * s->stride) * tiles_across(s);
}

/* Where the ``size`` × ``size`` pixels of a tile are, from ``row`` and ``column`` of an image on; ``outside`` where it has none. */
INLINE void find(
    float *image, long row, long column, long height, long width, long channels, int size, float *outside, float *found[MOST][MOST])
{
    for (long i = row; i < row + size; i++)
        for (long j = column; j < column + size; j++) {
            int inside = i >= 0 && i < height && j >= 0 && j < width;
            found[i - row][j - column] = inside ? image + (i * width + j) * channels : outside;
        }
}

INLINE void find_inputs(
    const shape *s, int stride, const float *images, long tile, const float *outside, float *found[MOST][MOST])
{
    long image = tile / tiles_each(s), within = tile % tiles_each(s);
    long row = 2 * stride * (within / tiles_across(s)) - 1, column = 2 * stride * (within % tiles_across(s)) - 1;
    float *begin = (float *)images + image * s->height * s->width * s->inputs;
    find(begin, row, column, s->height, s->width, s->inputs, side(stride), (float *)outside, found);
}

INLINE void find_outputs(
    const shape *s, int stride, const float *images, long tile, const float *outside, float *found[MOST][MOST])
{
    long image = tile / tiles_each(s), within = tile % tiles_each(s);
    long row = 2 * (within / tiles_across(s)), column = 2 * (within % tiles_across(s));
    long height = (s->height + stride - 1) / stride, width = (s->width + stride - 1) / stride;
    float *begin = (float *)images + image * height * width * s->outputs;
    find(begin, row, column, height, width, s->outputs, 2, (float *)outside, found);
}

/* Pixels, transformed, to the points of a tile: point p at out + p · step. */
INLINE void spread(transform *along, int stride, int size, float *from[MOST][MOST], long channels, float *out, long step)
{
    for (long c = 0; c < channels; c += WIDE) {
        vector x[MOST][MOST];
#pragma GCC unroll 5
        for (int i = 0; i < size; i++)
#pragma GCC unroll 5
            for (int j = 0; j < size; j++)
                x[i][j] = LOAD(from[i][j] + c);
        both_ways(along, stride, size, side(stride), x);
#pragma GCC unroll 5
        for (int i = 0; i < side(stride); i++)
#pragma GCC unroll 5
            for (int j = 0; j < side(stride); j++)
                STORE(out + (side(stride) * i + j) * step + c) = x[i][j];
    }
}

/* The points of a tile, transformed, to pixels, or added to them. */
INLINE void gather(
    transform *along, int stride, int size, int add, const float *points, long step, long channels, float *to[MOST][MOST])
{
    for (long c = 0; c < channels; c += WIDE) {
        vector x[MOST][MOST];
#pragma GCC unroll 5
        for (int i = 0; i < side(stride); i++)
#pragma GCC unroll 5
            for (int j = 0; j < side(stride); j++)
                x[i][j] = LOAD(points + (side(stride) * i + j) * step + c);
        both_ways(along, stride, side(stride), size, x);
#pragma GCC unroll 5
        for (int i = 0; i < size; i++)
#pragma GCC unroll 5
            for (int j = 0; j < size; j++) {
                float *pixel = to[i][j] + c;
                STORE(pixel) = add ? (vector)(LOAD(pixel) + x[i][j]) : x[i][j];
            }
    }
}

/* Weights (outputs, 3, 3, inputs) at the points, as product() reads them: (points, columns / COLUMNS, rows, COLUMNS), where the
   rows are inputs and the columns outputs, or the other way round for the way back. */
INLINE void spread_weights(const shape *s, int stride, int back, const float *weights, float *out)
{
    long rows = back ? s->outputs : s->inputs, columns = back ? s->inputs : s->outputs;
    for (long column = 0; column < columns; column += WIDE)
        for (long row = 0; row < rows; row++) {
            vector x[MOST][MOST];
            for (int tap = 0; tap < 9; tap++) {
                int taken = back && stride == 1 ? 8 - tap : tap;
                if (back)
                    x[tap / 3][tap % 3] = LOAD(weights + (row * 9 + taken) * s->inputs + column);
                else
                    for (int lane = 0; lane < WIDE; lane++)
                        x[tap / 3][tap % 3][lane] = weights[((column + lane) * 9 + taken) * s->inputs + row];
            }
            both_ways(g, stride, 3, side(stride), x);
            float *to = out + (column / COLUMNS * rows + row) * COLUMNS + column % COLUMNS;
            for (int point = 0; point < side(stride) * side(stride); point++)
                STORE(to + point * rows * columns) = x[point / side(stride)][point % side(stride)];
        }
}

/* ``rows`` × COLUMNS sums over ``terms``: rows (terms) by a matrix (terms, COLUMNS). */
INLINE void product(int rows, const float *row, long terms, const float *matrix, float *out, long columns)
{
    vector sums[ROWS][2];
    for (int r = 0; r < rows; r++)
        sums[r][0] = sums[r][1] = (vector){0};
    for (long t = 0; t < terms; t++) {
        vector left = LOAD(matrix + t * COLUMNS), right = LOAD(matrix + t * COLUMNS + WIDE);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            sums[r][0] += row[r * terms + t] * left;
            sums[r][1] += row[r * terms + t] * right;
        }
    }
    for (int r = 0; r < rows; r++) {
        STORE(out + r * columns) = sums[r][0];
        STORE(out + r * columns + WIDE) = sums[r][1];
    }
}

/* At every point, ``tiles`` rows by the weights there. */
static void products(int points, long tiles, const float *rows, long terms, const float *weights, float *out, long columns)
{
    for (long point = 0; point < points; point++)
        for (long column = 0; column < columns; column += COLUMNS) {
            const float *from = rows + point * TILES * terms, *matrix = weights + (point * columns + column) * terms;
            float *to = out + point * TILES * columns + column;
            long t = 0;
            for (; t + ROWS <= tiles; t += ROWS)
                product(ROWS, from + t * terms, terms, matrix, to + t * columns, columns);
            for (; t < tiles; t++)
                product(1, from + t * terms, terms, matrix, to + t * columns, columns);
        }
}

/* Add STEPS × COLUMNS sums over ``tiles`` to ``out`` (outputs, inputs). */
INLINE void product_over_tiles(const float *gradients, long outputs, const float *values, long inputs, long tiles, float *out)
{
    vector sums[STEPS][2];
    for (int r = 0; r < STEPS; r++) {
        sums[r][0] = LOAD(out + r * inputs);
        sums[r][1] = LOAD(out + r * inputs + WIDE);
    }
    for (long t = 0; t < tiles; t++) {
        vector left = LOAD(values + t * inputs), right = LOAD(values + t * inputs + WIDE);
#pragma GCC unroll 4
        for (int r = 0; r < STEPS; r++) {
            sums[r][0] += gradients[t * outputs + r] * left;
            sums[r][1] += gradients[t * outputs + r] * right;
        }
    }
    for (int r = 0; r < STEPS; r++) {
        STORE(out + r * inputs) = sums[r][0];
        STORE(out + r * inputs + WIDE) = sums[r][1];
    }
}

INLINE long at_most(long number, long most)
{
    return number < most ? number : most;
}

INLINE void convolve(const shape *s, int stride, const float *from, const float *weights, float *to, float *room)
{
    int points = side(stride) * side(stride);
    float *made = room + points * TILES * s->inputs, outside[CHANNELS];
    float *pixels[MOST][MOST];
    for (long first = 0, all = s->images * tiles_each(s); first < all; first += TILES) {
        long tiles = at_most(all - first, TILES);
        for (long t = 0; t < tiles; t++) {
            find_inputs(s, stride, from, first + t, ZEROS, pixels);
            spread(b_transposed, stride, side(stride), pixels, s->inputs, room + t * s->inputs, TILES * s->inputs);
        }
        products(points, tiles, room, s->inputs, weights, made, s->outputs);
        for (long t = 0; t < tiles; t++) {
            find_outputs(s, stride, to, first + t, outside, pixels);
            gather(a_transposed, stride, 2, 0, made + t * s->outputs, TILES * s->outputs, s->outputs, pixels);
        }
    }
}

/* Of stride 2. */
static void convolve_back(const shape *s, const float *gradients, const float *weights, float *to, float *room)
{
    int points = side(2) * side(2);
    float *made = room + points * TILES * s->outputs, outside[CHANNELS] = {0};
    float *pixels[MOST][MOST];
    memset(to, 0, sizeof(float) * s->images * s->height * s->width * s->inputs);
    for (long first = 0, all = s->images * tiles_each(s); first < all; first += TILES) {
        long tiles = at_most(all - first, TILES);
        for (long t = 0; t < tiles; t++) {
            find_outputs(s, 2, gradients, first + t, ZEROS, pixels);
            spread(a, 2, 2, pixels, s->outputs, room + t * s->outputs, TILES * s->outputs);
        }
        products(points, tiles, room, s->outputs, weights, made, s->inputs);
        for (long t = 0; t < tiles; t++) {
            find_inputs(s, 2, to, first + t, outside, pixels);
            gather(b, 2, side(2), 1, made + t * s->inputs, TILES * s->inputs, s->inputs, pixels);
        }
    }
}

INLINE void differentiate(const shape *s, int stride, const float *from, const float *gradients, float *weights, float *room)
{
    int points = side(stride) * side(stride);
    float *spread_gradients = room + points * TILES * s->inputs, *sums = spread_gradients + points * TILES * s->outputs;
    long matrix = s->outputs * s->inputs;
    float *pixels[MOST][MOST];
    memset(sums, 0, sizeof(float) * points * matrix);
    for (long first = 0, all = s->images * tiles_each(s); first < all; first += TILES) {
        long tiles = at_most(all - first, TILES);
        for (long t = 0; t < tiles; t++) {
            find_inputs(s, stride, from, first + t, ZEROS, pixels);
            spread(b_transposed, stride, side(stride), pixels, s->inputs, room + t * s->inputs, TILES * s->inputs);
            find_outputs(s, stride, gradients, first + t, ZEROS, pixels);
            spread(a, stride, 2, pixels, s->outputs, spread_gradients + t * s->outputs, TILES * s->outputs);
        }
        for (long point = 0; point < points; point++)
            for (long k = 0; k < s->outputs; k += STEPS)
                for (long c = 0; c < s->inputs; c += COLUMNS)
                    product_over_tiles(
                        spread_gradients + point * TILES * s->outputs + k, s->outputs, room + point * TILES * s->inputs + c,
                        s->inputs, tiles, sums + point * matrix + k * s->inputs + c);
    }
    for (long k = 0; k < s->outputs; k++)
        for (long c = 0; c < s->inputs; c += WIDE) {
            vector x[MOST][MOST];
            for (int point = 0; point < points; point++)
                x[point / side(stride)][point % side(stride)] = LOAD(sums + point * matrix + k * s->inputs + c);
            both_ways(g_transposed, stride, side(stride), 3, x);
            for (int tap = 0; tap < 9; tap++)
                STORE(weights + (k * 9 + tap) * s->inputs + c) = x[tap / 3][tap % 3];
        }
}

/* What winograd.py calls. Let p be 16 points for stride 1 and 25 for stride 2. */

/* Weights (outputs, 3, 3, inputs) to p · outputs · inputs floats, for winograd_convolve or, ``back``, winograd_convolve_back. */
void winograd_weights(const shape *s, long back, const float *weights, float *out)
{
    if (s->stride == 1)
        back ? spread_weights(s, 1, 1, weights, out) : spread_weights(s, 1, 0, weights, out);
    else
        back ? spread_weights(s, 2, 1, weights, out) : spread_weights(s, 2, 0, weights, out);
}

/* From inputs to outputs; ``room`` for p · TILES · (inputs + outputs). */
void winograd_convolve(const shape *s, const float *from, const float *weights, float *to, float *room)
{
    s->stride == 1 ? convolve(s, 1, from, weights, to, room) : convolve(s, 2, from, weights, to, room);
}

/* From gradients of the outputs to those of the inputs; ``room`` for as much. */
void winograd_convolve_back(const shape *s, const float *gradients, const float *weights, float *to, float *room)
{
    if (s->stride == 1) {
        shape back = *s;
        back.inputs = s->outputs;
        back.outputs = s->inputs;
        convolve(&back, 1, gradients, weights, to, room);
    } else
        convolve_back(s, gradients, weights, to, room);
}

/* From inputs and gradients of the outputs to those of the weights; ``room`` for p · outputs · inputs more. */
void winograd_differentiate(const shape *s, const float *from, const float *gradients, float *weights, float *room)
{
    s->stride == 1 ? differentiate(s, 1, from, gradients, weights, room) : differentiate(s, 2, from, gradients, weights, room);
}
