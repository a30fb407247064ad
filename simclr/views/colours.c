/* Colour jitter of whole views for colours.py, which does the same in torch where this is not compiled.

   Every view goes through its own order of steps while it stays in a core's nearest cache. Views are float32, (N, channels,
   pixels), in [0, 1] before and after every step; channels are 1 or 3. */

#include <math.h>

enum { BRIGHTNESS, CONTRAST, SATURATION, HUE, STEPS }; /* as in parameters.py */

/* ITU-R 601-2 luma with torchvision's digits. */
static const float RED = 0.2989f, GREEN = 0.587f, BLUE = 0.114f;

static inline float clamped(float x)
{
    x = x > 0 ? x : 0;
    return x < 1 ? x : 1;
}

/* factor · x + share, clamped. */
static void scale(float *x, long count, float factor, float share)
{
    for (long i = 0; i < count; i++)
        x[i] = clamped(factor * x[i] + share);
}

static float mean(const float *x, long count)
{
    enum { LANES = 16 };
    float sums[LANES] = {0};
    long i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            sums[lane] += x[i + lane];
    double sum = 0;
    for (; i < count; i++)
        sum += x[i];
    for (int lane = 0; lane < LANES; lane++)
        sum += sums[lane];
    return (float)(sum / count);
}

static void change_contrast(float *view, long channels, long pixels, float factor)
{
    float grey = mean(view, pixels);
    if (channels == 3)
        grey = RED * grey + GREEN * mean(view + pixels, pixels) + BLUE * mean(view + 2 * pixels, pixels);
    scale(view, channels * pixels, factor, (1 - factor) * grey);
}

static void change_saturation(float *restrict red, float *restrict green, float *restrict blue, long pixels, float factor)
{
    for (long i = 0; i < pixels; i++) {
        float luma = (1 - factor) * (RED * red[i] + GREEN * green[i] + BLUE * blue[i]);
        red[i] = clamped(factor * red[i] + luma);
        green[i] = clamped(factor * green[i] + luma);
        blue[i] = clamped(factor * blue[i] + luma);
    }
}

/* How far a place on the circle is from ``centre``, in sixths from one to two. */
static inline float away(float place, float centre)
{
    float x = fabsf(place - centre) * 6;
    x = x > 1 ? x : 1;
    return x < 2 ? x : 2;
}

/* See turn_hue in colours.py. */
static void turn_hue(float *restrict red, float *restrict green, float *restrict blue, long pixels, float turn)
{
    for (long i = 0; i < pixels; i++) {
        float r = red[i], g = green[i], b = blue[i];
        float least = r < g ? r : g, most = r > g ? r : g;
        least = least < b ? least : b;
        most = most > b ? most : b;
        float chroma = most - least;
        /* Where there is no colour, any place on the circle will do. */
        chroma = chroma > 1e-12f ? chroma : 1e-12f;
        float sixths = copysignf((g + b - r - least) / chroma + 1, g - b);
        float place = 1 + turn + sixths * (1 / 6.f);
        place -= floorf(place);
        red[i] = least - chroma + chroma * away(place, 1 / 2.f);
        green[i] = least + 2 * chroma - chroma * away(place, 1 / 3.f);
        blue[i] = least + 2 * chroma - chroma * away(place, 2 / 3.f);
    }
}

/* Those of ``count`` views that are ``chosen``, in place; order (count, STEPS), the others (count,). */
void jitter_colours(
    float *views, long count, long channels, long pixels, const unsigned char *chosen, const long *order,
    const float *brightness, const float *contrast, const float *saturation, const float *hue)
{
    for (long n = 0; n < count; n++) {
        if (!chosen[n])
            continue;
        float *view = views + n * channels * pixels;
        for (int step = 0; step < STEPS; step++)
            switch (order[n * STEPS + step]) {
            case BRIGHTNESS:
                scale(view, channels * pixels, brightness[n], 0);
                break;
            case CONTRAST:
                change_contrast(view, channels, pixels, contrast[n]);
                break;
            case SATURATION:
                if (channels == 3)
                    change_saturation(view, view + pixels, view + 2 * pixels, pixels, saturation[n]);
                break;
            case HUE:
                if (channels == 3 && hue[n] != 0)
                    turn_hue(view, view + pixels, view + 2 * pixels, pixels, hue[n]);
                break;
            }
    }
}
