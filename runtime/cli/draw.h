/* Drawing for the pictures of `inspect`: a canvas of RGB pixels, text, colours for numbers, and PNG. Whatever lies
 * outside the canvas is not drawn. */
#ifndef SURGERY_DRAW_H
#define SURGERY_DRAW_H
#include "runtime/surgery.h"

typedef struct Canvas {
  int width, height;
  uint8_t *pixels; /* height × width × RGB */
} Canvas;
typedef struct Colour {
  uint8_t r, g, b;
} Colour;

int canvas_new(Canvas *canvas, int width, int height, Colour background, surgery_error *err);
void canvas_free(Canvas *canvas);
void canvas_fill(Canvas *canvas, int x, int y, int width, int height, Colour colour);
/* ASCII, in letters of 5 × 7 dots each `scale` pixels wide; another byte is drawn as a box (one for a whole UTF-8
 * character). */
void canvas_text(Canvas *canvas, int x, int y, int scale, Colour colour, const char *text);
int text_width(const char *text, int scale);
#define TEXT_HEIGHT 7
/* 0 … 1 → dark violet, blue, green, yellow: even steps for the eye, and for a printer without colours. */
Colour map_colour(double value);
/* (h, w) values from `low` to `high`, each as a square of `zoom` pixels, or the mean of `shrink` × `shrink` as one
 * pixel. */
typedef struct MapScale {
  int zoom, shrink; /* one of them is 1 */
} MapScale;
MapScale map_scale(int64_t h, int64_t w, int wanted); /* so that the longer side has about `wanted` pixels */
int map_pixels(int64_t side, MapScale scale);
void canvas_map(Canvas *canvas, int x, int y, const float *values, int64_t h, int64_t w, MapScale scale, double low,
                double high);
/* The whole file or none. */
int canvas_write(const Canvas *canvas, const char *path, surgery_error *err);
#endif
