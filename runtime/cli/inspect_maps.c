/* One picture of one value: a title, the network's input, and the channels as tiles, or bars where the value is a
 * vector. Draws with draw.c. Called by inspect.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cli/draw.h"
#include "runtime/cli/inspect.h"
#include "runtime/base/error.h"

#define MOST_TILES 64
#define MOST_BARS 1024
#define GRID_COLUMNS 8
#define TILE 88   /* pixels of a tile's side, about */
#define INPUT 224 /* and of the input's */
#define MARGIN 12
#define GAP 8
#define CAPTION 14 /* below a tile */
#define TITLE 64

static const Colour paper = {255, 255, 255}, ink = {24, 24, 24}, pale = {110, 110, 110}, line = {200, 200, 200};

bool map_possible(const ManifestValue *v) { return v->shape.rank >= 1 && v->shape.rank <= 3; }

typedef struct Range {
  double low, high;
  int64_t zeros;
} Range;

static Range range_of(const float *at, int64_t count) {
  Range r = {INFINITY, -INFINITY, 0};
  for (int64_t i = 0; i < count; i++) {
    if (!isfinite(at[i])) continue;
    r.low = fmin(r.low, at[i]), r.high = fmax(r.high, at[i]), r.zeros += at[i] == 0;
  }
  if (r.low > r.high) r.low = r.high = 0;
  return r;
}

/* ---- the parts ---- */

static void draw_title(Canvas *c, const Heatmap *p, const char *which) {
  const ManifestValue *v = &p->net->manifest->values[p->value];
  char text[400], shape[SHAPE_TEXT];
  Range r = range_of(p->values, v->shape.count);
  snprintf(text, sizeof text, "%s  %s  %s", v->name, v->type, manifest_shape_text(&v->shape, shape));
  canvas_text(c, MARGIN, MARGIN, text_width(text, 2) <= c->width - 2 * MARGIN ? 2 : 1, ink, text);
  snprintf(text, sizeof text, "%s; values %.4g to %.4g, %.1f%% zeros", which, r.low, r.high,
           100 * (double)r.zeros / (double)v->shape.count);
  canvas_text(c, MARGIN, MARGIN + 24, 1, pale, text);
}

/* What normalisation took away is given back, so that the picture looks as it did. */
static float denormalised(const Manifest *m, int64_t channel, float value) {
  for (size_t i = m->input.step_count; i-- > 0;) {
    const PreprocessStep *s = &m->input.steps[i];
    if (s->op == PREPROCESS_NORMALIZE && channel < s->channels)
      return (float)(value * s->std[channel] + s->mean[channel]);
  }
  return value;
}

static bool input_is_image(const Manifest *m) {
  const ManifestShape *s = &m->input.shape;
  return m->input.kind == INPUT_IMAGE && s->rank == 3 && (s->dim[0] == 1 || s->dim[0] == 3);
}

/* A pixel of the drawing: the mean of those of the input that it stands for. */
static uint8_t brightness(const Heatmap *p, int64_t channel, int64_t row, int64_t col, int shrink, const Range *r) {
  const ManifestShape *s = &p->net->manifest->input.shape;
  const float *at = p->input + channel * s->dim[1] * s->dim[2];
  double sum = 0;
  int64_t count = 0;
  for (int64_t y = row; y < row + shrink && y < s->dim[1]; y++)
    for (int64_t x = col; x < col + shrink && x < s->dim[2]; x++) sum += at[y * s->dim[2] + x], count++;
  double value = denormalised(p->net->manifest, channel, (float)(count ? sum / (double)count : 0));
  bool usual = r->low >= -0.01 && r->high <= 1.01;
  double level = usual ? value : r->high > r->low ? (value - r->low) / (r->high - r->low) : 0;
  return (uint8_t)(255 * fmin(1, fmax(0, level)) + 0.5);
}

static Range input_range(const Heatmap *p) {
  const ManifestShape *s = &p->net->manifest->input.shape;
  int64_t hw = s->count / s->dim[0];
  Range r = {INFINITY, -INFINITY, 0};
  for (int64_t i = 0; i < s->count; i++) {
    float value = denormalised(p->net->manifest, i / hw, p->input[i]);
    r.low = fmin(r.low, value), r.high = fmax(r.high, value);
  }
  return r;
}

/* The input as the network sees it; returns its height. */
static int draw_input(Canvas *c, const Heatmap *p, int x, int y) {
  const ManifestShape *s = &p->net->manifest->input.shape;
  int64_t h = s->dim[1], w = s->dim[2];
  MapScale scale = map_scale(h, w, INPUT);
  Range r = input_range(p);
  int height = map_pixels(h, scale), width = map_pixels(w, scale);
  for (int row = 0; row < height; row++)
    for (int col = 0; col < width; col++) {
      int64_t down = (int64_t)(row / scale.zoom) * scale.shrink, right = (int64_t)(col / scale.zoom) * scale.shrink;
      uint8_t level[3];
      for (int k = 0; k < 3; k++) level[k] = k < s->dim[0] ? brightness(p, k, down, right, scale.shrink, &r) : level[0];
      canvas_fill(c, x + col, y + row, 1, 1, (Colour){level[0], level[1], level[2]});
    }
  return height;
}

/* The last part of a text that fits: of a path, the file's name. */
static const char *fitting_end(const char *text, int width) {
  const char *slash = strrchr(text, '/');
  if (slash && slash[1]) text = slash + 1;
  while (*text && text_width(text, 1) > width) text++;
  return text;
}

static void draw_scale(Canvas *c, int x, int y, const char *low, const char *high) {
  for (int i = 0; i < INPUT; i++) canvas_fill(c, x + i, y, 1, 12, map_colour((double)i / (INPUT - 1)));
  canvas_text(c, x, y + 16, 1, pale, low);
  canvas_text(c, x + INPUT - text_width(high, 1), y + 16, 1, pale, high);
}

/* The column on the left: input, its name, what the colours mean. */
static void draw_left(Canvas *c, const Heatmap *p, bool colours) {
  int y = TITLE;
  if (p->input && input_is_image(p->net->manifest)) {
    y += draw_input(c, p, MARGIN, y) + 6;
    canvas_text(c, MARGIN, y, 1, ink, fitting_end(p->file, INPUT));
    y += 24;
  } else {
    canvas_text(c, MARGIN, y, 1, ink, fitting_end(p->file, INPUT));
    y += 24;
  }
  if (!colours) return;
  draw_scale(c, MARGIN, y, "least", "greatest");
  canvas_text(c, MARGIN, y + 30, 1, pale, "of each channel by itself");
}

/* ---- tiles ---- */

typedef struct Grid {
  int64_t channels, h, w, shown;
  int columns, rows, cell_w, cell_h;
  MapScale scale;
} Grid;

static Grid grid_of(const ManifestShape *s) {
  Grid g = {.channels = s->rank == 3 ? s->dim[0] : 1};
  g.h = s->dim[s->rank - 2], g.w = s->dim[s->rank - 1];
  g.shown = g.channels < MOST_TILES ? g.channels : MOST_TILES;
  g.scale = map_scale(g.h, g.w, g.shown > 4 ? TILE : g.shown > 1 ? 2 * TILE : 5 * TILE);
  if (g.shown > 4 && g.scale.zoom == 1 && g.scale.shrink == 2 && g.h <= 128 && g.w <= 128) g.scale.shrink = 1;
  g.columns = g.shown < GRID_COLUMNS ? (int)g.shown : GRID_COLUMNS;
  g.rows = (int)((g.shown + g.columns - 1) / g.columns);
  g.cell_w = map_pixels(g.w, g.scale), g.cell_h = map_pixels(g.h, g.scale) + CAPTION;
  return g;
}

/* "12", and its range where there is room. */
static void tile_caption(const Grid *g, int64_t channel, const Range *r, char *to, size_t size) {
  char range[64];
  if (r->low == r->high) snprintf(range, sizeof range, "all %.2g", r->low);
  else snprintf(range, sizeof range, "%.2g..%.2g", r->low, r->high);
  snprintf(to, size, "%lld: %s", (long long)channel, range);
  if (text_width(to, 1) > g->cell_w) snprintf(to, size, "%lld", (long long)channel);
}

static int draw_tiles(const Heatmap *p, Canvas *c, surgery_error *err) {
  Grid g = grid_of(&p->net->manifest->values[p->value].shape);
  int left = MARGIN + INPUT + 2 * GAP, least = TITLE + INPUT + 80, width = left + g.columns * (g.cell_w + GAP) + MARGIN;
  int height = TITLE + g.rows * (g.cell_h + GAP) + MARGIN;
  if (width < 640) width = 640; /* for the title */
  if (canvas_new(c, width, height > least ? height : least, paper, err)) return -1;
  char text[120];
  if (g.channels > g.shown)
    snprintf(text, sizeof text, "channels 0 to %lld of %lld", (long long)g.shown - 1, (long long)g.channels);
  else snprintf(text, sizeof text, g.channels == 1 ? "one map" : "all %lld channels", (long long)g.channels);
  draw_title(c, p, text);
  draw_left(c, p, true);
  for (int64_t i = 0; i < g.shown; i++) {
    const float *values = p->values + i * g.h * g.w;
    Range r = range_of(values, g.h * g.w);
    int x = left + (int)(i % g.columns) * (g.cell_w + GAP), y = TITLE + (int)(i / g.columns) * (g.cell_h + GAP);
    canvas_map(c, x, y, values, g.h, g.w, g.scale, r.low, r.high);
    tile_caption(&g, i, &r, text, sizeof text);
    canvas_text(c, x, y + g.cell_h - CAPTION + 3, 1, r.low == r.high ? pale : ink, text);
  }
  return 0;
}

/* ---- bars ---- */

typedef struct Bars {
  int64_t count, shown;
  int width, step, left, top, height; /* of one bar, from bar to bar; of the field */
  double low, high;
} Bars;

static int bar_y(const Bars *b, double value) {
  return b->top + (int)((b->high - value) / (b->high - b->low) * b->height + 0.5);
}

static const char *name_of(const surgery_net *net, const ManifestValue *v, int64_t index, char to[24]) {
  const Manifest *m = net->manifest;
  bool output =
      m->output_count == 1 && v->shape.count == m->outputs[0].shape.count && v == &m->values[m->value_count - 1];
  if (output) return cli_label(&net->classes, NULL, index, to);
  snprintf(to, 24, "%lld", (long long)index);
  return to;
}

/* "largest: 310 (12.4), 309 (8.81), …" below the title. */
static void draw_largest(Canvas *c, const Heatmap *p, const Bars *b) {
  const ManifestValue *v = &p->net->manifest->values[p->value];
  char text[400], number[24];
  size_t used = (size_t)snprintf(text, sizeof text, "largest:");
  double last = INFINITY;
  int64_t last_at = -1;
  for (int k = 0; k < 5 && k < b->count && used < 320; k++) {
    int64_t best = -1;
    for (int64_t i = 0; i < b->count; i++) {
      double value = p->values[i];
      bool later = value < last || (value == last && i > last_at);
      if (later && (best < 0 || value > p->values[best])) best = i;
    }
    if (best < 0) break;
    used += (size_t)snprintf(text + used, sizeof text - used, "%s %.40s (%.4g)", k ? "," : "",
                             name_of(p->net, v, best, number), (double)p->values[best]);
    last = p->values[best], last_at = best;
  }
  canvas_text(c, MARGIN, MARGIN + 36, 1, pale, text);
}

static void draw_axis(Canvas *c, const Bars *b, double value, Colour colour) {
  char text[32];
  int y = bar_y(b, value);
  snprintf(text, sizeof text, "%.3g", value);
  canvas_fill(c, b->left, y, (int)b->shown * b->step, 1, colour);
  canvas_text(c, b->left - GAP - text_width(text, 1), y - 3, 1, pale, text);
}

/* Numbers below the axis: each, or as many as have room. */
static void draw_numbers(Canvas *c, const Heatmap *p, const Bars *b) {
  static const int64_t every[] = {1, 5, 10, 50, 100, 500};
  size_t k = 0;
  char number[24];
  while (k < 5 && every[k] * b->step < 40) k++;
  for (int64_t i = 0; i < b->shown; i += every[k]) {
    char text[40];
    const char *name = every[k] == 1 ? name_of(p->net, &p->net->manifest->values[p->value], i, number) : NULL;
    if (name) snprintf(text, sizeof text, "%.*s", b->step / 6, name);
    else snprintf(text, sizeof text, "%lld", (long long)i);
    canvas_fill(c, b->left + (int)i * b->step, b->top + b->height + 2, 1, 4, line);
    canvas_text(c, b->left + (int)i * b->step, b->top + b->height + 9, 1, pale, text);
  }
}

static int draw_bars(const Heatmap *p, Canvas *c, surgery_error *err) {
  const ManifestValue *v = &p->net->manifest->values[p->value];
  Bars b = {.count = v->shape.count, .left = MARGIN + INPUT + 2 * GAP + 56, .top = TITLE + GAP, .height = 260};
  b.shown = b.count < MOST_BARS ? b.count : MOST_BARS;
  b.step = b.shown < 20 ? 48 : b.shown < 100 ? 10 : b.shown < 300 ? 4 : b.shown < 600 ? 2 : 1;
  b.width = b.step > 3 ? b.step - 2 : b.step;
  Range r = range_of(p->values, b.count);
  b.low = fmin(0, r.low), b.high = fmax(0, r.high);
  if (b.low == b.high) b.high = 1;
  int width = b.left + (int)b.shown * b.step + MARGIN;
  if (canvas_new(c, width > 760 ? width : 760, b.top + b.height + 48, paper, err)) return -1;
  char text[120];
  snprintf(text, sizeof text, b.count > b.shown ? "numbers 0 to %lld of %lld" : "numbers 0 to %lld",
           (long long)b.shown - 1, (long long)b.count);
  draw_title(c, p, text);
  draw_largest(c, p, &b);
  draw_left(c, p, false);
  if (b.high > 0) draw_axis(c, &b, b.high, line);
  if (b.low < 0) draw_axis(c, &b, b.low, line);
  for (int64_t i = 0; i < b.shown; i++) {
    double value = isfinite(p->values[i]) ? p->values[i] : 0;
    int top = bar_y(&b, fmax(0, value)), bottom = bar_y(&b, fmin(0, value));
    canvas_fill(c, b.left + (int)i * b.step, top, b.width, bottom - top + 1, map_colour(value >= 0 ? 0.5 : 0.12));
  }
  draw_axis(c, &b, 0, pale);
  draw_numbers(c, p, &b);
  return 0;
}

int heatmap_write(const Heatmap *p, const char *path, surgery_error *err) {
  const ManifestShape *s = &p->net->manifest->values[p->value].shape;
  Canvas canvas = {0};
  bool vector = s->rank == 1 || (s->rank == 3 && s->dim[1] * s->dim[2] == 1);
  int status = vector ? draw_bars(p, &canvas, err) : draw_tiles(p, &canvas, err);
  if (status == 0) status = canvas_write(&canvas, path, err);
  canvas_free(&canvas);
  return status;
}

/* ---- which values ---- */

static bool same_size(const ManifestShape *a, const ManifestShape *b) {
  return a->rank == 3 && b->rank == 3 && a->dim[1] == b->dim[1] && a->dim[2] == b->dim[2];
}

void map_choice(const surgery_net *net, bool *picked) {
  const Manifest *m = net->manifest;
  bool convolution = false;
  for (size_t i = 0; i < m->value_count; i++) {
    const ManifestValue *v = &m->values[i];
    bool first = strcmp(v->type, "Conv2d") == 0 && !convolution;
    convolution |= first;
    bool last = v->shape.rank == 3 && v->shape.dim[1] * v->shape.dim[2] > 1;
    for (size_t k = i + 1; k < m->value_count && last; k++) last = !same_size(&v->shape, &m->values[k].shape);
    picked[i] = first || last || i + 1 == m->value_count;
  }
}
