/* See report.h. The run becomes JSON here, and page.c puts that into report.html, which says what is shown and how.
 * Numbers are printed for people; whoever wants to compute takes --log. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cli/page.h"
#include "runtime/cli/report.h"
#include "runtime/base/error.h"
#include "runtime/base/io.h"

#define MAX_POINTS 4000 /* of a curve; a longer one keeps every second */

/* ---- while the training runs ---- */

static void add(Report *r, ReportCurve curve, double at, double value) {
  if (isnan(value)) return;
  if (r->count[curve] == MAX_POINTS) {
    for (size_t i = 0; i < MAX_POINTS / 2; i++) r->point[curve][i] = r->point[curve][2 * i];
    r->count[curve] = MAX_POINTS / 2;
  }
  if (r->count[curve] == r->room[curve]) {
    size_t room = r->room[curve] ? 2 * r->room[curve] : 64;
    ReportPoint *more = realloc(r->point[curve], room * sizeof *more);
    if (!more) {
      r->failed = true;
      return;
    }
    r->point[curve] = more, r->room[curve] = room;
  }
  r->point[curve][r->count[curve]++] = (ReportPoint){at, value};
}

void report_event(Report *r, const TrainEvent *e) {
  double begun = (double)e->epoch - 1, at = e->total > 0 ? begun + (double)e->done / (double)e->total : begun;
  switch (e->kind) {
  case TRAIN_STEP:
    add(r, REPORT_STEP_LOSS, at, e->loss);
    add(r, REPORT_RATE, at, e->lr);
    break;
  case TRAIN_PAST:
    add(r, REPORT_RATE, begun + 1, e->lr);
    /* fall through */
  case TRAIN_EPOCH:
    add(r, REPORT_LOSS, begun + 1, e->loss), add(r, REPORT_VAL_LOSS, begun + 1, e->val_loss);
    add(r, REPORT_ACCURACY, begun + 1, e->accuracy), add(r, REPORT_VAL_ACCURACY, begun + 1, e->val_accuracy);
    break;
  default: break;
  }
}

void report_free(Report *r) {
  for (int i = 0; i < REPORT_CURVES; i++) free(r->point[i]);
}

/* ---- JSON ---- */

static const char page[] =
#include "report.html.h"
    ;

/* A number that is not there (NaN) or a text that is NULL leaves its name out. */
static void put(json_t *to, const char *name, json_t *value) { json_object_set_new(to, name, value); }
static void put_text(json_t *to, const char *name, const char *text) { put(to, name, json_string_nocheck(text)); }
static void put_number(json_t *to, const char *name, double number) { put(to, name, json_real(number)); }
static void put_count(json_t *to, const char *name, int64_t count) { put(to, name, json_integer(count)); }
static void put_positive(json_t *to, const char *name, double number) {
  if (number > 0) put_number(to, name, number);
}

static json_t *add_object(json_t *list) {
  json_t *object = json_object();
  json_array_append_new(list, object);
  return object;
}

static json_t *put_list(json_t *to, const char *name) {
  json_t *list = json_array();
  put(to, name, list);
  return list;
}

/* ---- charts ---- */

enum { WIDTH = 416, HEIGHT = 212 }; /* of the area that the curves are in; the page leaves room around it */

typedef struct Axis {
  double from, to, step;
} Axis;

/* Ends and ticks at 1, 2 or 5 times a power of ten. */
static Axis nice_axis(double from, double to) {
  if (!(to > from)) from -= from != 0 ? fabs(from) / 2 : 0.5, to = from + (to != 0 ? fabs(to) : 1);
  double rough = (to - from) / 5, power = pow(10, floor(log10(rough))), share = rough / power;
  double step = power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
  return (Axis){floor(from / step + 1e-9) * step, ceil(to / step - 1e-9) * step, step};
}

typedef struct Chart {
  const Report *report;
  Axis x, y;
} Chart;

static void put_x(json_t *to, const Chart *c, double value) {
  put_number(to, "x", (value - c->x.from) / (c->x.to - c->x.from) * WIDTH);
}
static void put_y(json_t *to, const Chart *c, double value) {
  put_number(to, "y", (c->y.to - value) / (c->y.to - c->y.from) * HEIGHT);
}

/* Where the phases begin, as far as the training came. */
static void put_phases(json_t *chart, const Chart *c, const TrainRecipe *train) {
  json_t *list = put_list(chart, "phases");
  int64_t start = 0;
  for (int64_t i = 0; i < train->stage_count && (double)start < c->x.to; start += train->stages[i++].epochs) {
    const StageRecipe *p = &train->stages[i];
    if (!p->name || (p->epochs == 0 && i + 1 < train->stage_count)) continue;
    json_t *phase = add_object(list);
    put_x(phase, c, (double)start);
    put(phase, "first", json_boolean(start == 0));
    put_text(phase, "phase", p->name);
  }
}

static void put_ticks(json_t *chart, const char *name, const Chart *c, const Axis *axis,
                      void (*put_place)(json_t *, const Chart *, double)) {
  json_t *list = put_list(chart, name);
  for (int i = 0; axis->from + i * axis->step <= axis->to + axis->step / 2; i++) {
    double value = axis->from + i * axis->step;
    json_t *tick = add_object(list);
    put_place(tick, c, value);
    put_number(tick, "value", fabs(value) < axis->step / 1e6 ? 0 : value);
  }
}

static void add_curve(json_t *curves, const Chart *c, ReportCurve curve, const char *class, bool dots) {
  size_t count = curve == REPORT_CURVES ? 0 : c->report->count[curve];
  if (count == 0) return;
  json_t *object = add_object(curves), *points = put_list(object, "points");
  put_text(object, "class", class);
  for (size_t i = 0; i < count; i++) {
    const ReportPoint *p = &c->report->point[curve][i];
    json_t *point = add_object(points);
    put_x(point, c, p->at), put_y(point, c, p->value);
    put_number(point, "at", p->at), put_number(point, "value", p->value);
  }
  if (dots && count <= 60) put(object, "dots", json_incref(points));
}

/* steps: the curve of single steps, faint, or REPORT_CURVES; a, b: those of epochs, or REPORT_CURVES. */
static void add_chart(json_t *charts, const Report *r, const TrainRecipe *train, const char *title, ReportCurve steps,
                      ReportCurve a, ReportCurve b) {
  const ReportCurve curves[] = {steps, a, b};
  double least = INFINITY, most = -INFINITY, first = INFINITY, last = 0;
  for (int i = 0; i < 3; i++) {
    size_t count = curves[i] == REPORT_CURVES ? 0 : r->count[curves[i]];
    if (count == 0) continue;
    const ReportPoint *p = r->point[curves[i]];
    for (size_t k = 0; k < count; k++) least = fmin(least, p[k].value), most = fmax(most, p[k].value);
    first = fmin(first, curves[i] == steps ? floor(p[0].at) : p[0].at - 1); /* an epoch's point is at its end */
    last = fmax(last, p[count - 1].at);
  }
  if (!(most >= least)) return;
  if (a == REPORT_ACCURACY) most = 1;
  if (least > 0 && least < most / 2) least = 0;
  Chart c = {r, nice_axis(first, last), nice_axis(least, most)};
  if (c.x.step < 1) c.x.step = 1;
  c.x.from = ceil(first / c.x.step) * c.x.step == first ? first : floor(first), c.x.to = last;
  json_t *chart = add_object(charts), *list = put_list(chart, "curves");
  put_text(chart, "title", title);
  put_count(chart, "width", WIDTH), put_count(chart, "height", HEIGHT);
  put_ticks(chart, "ticks_x", &c, &c.x, put_x);
  put_ticks(chart, "ticks_y", &c, &c.y, put_y);
  put_phases(chart, &c, train);
  add_curve(list, &c, steps, a == REPORT_CURVES ? "a" : "s", false);
  add_curve(list, &c, a, "a", true);
  add_curve(list, &c, b, "b", true);
  put(chart, "legend", json_boolean(b != REPORT_CURVES && r->count[b]));
}

/* ---- tables ---- */

static void add_stage(json_t *stages, const ReportFacts *f, const StageRecipe *p) {
  json_t *stage = add_object(stages);
  put_text(stage, "phase", p->name);
  put_text(stage, "optimizer", optimizer_name(&p->optimizer));
  put_number(stage, "lr", f->options->lr >= 0 && !p->own_lr ? f->options->lr : p->optimizer.lr);
  put_positive(stage, "momentum", train_number(optimizer_rows, &p->optimizer, "momentum", 0));
  put_positive(stage, "weight_decay", train_number(optimizer_rows, &p->optimizer, "weight_decay", 0));
  if (p->schedule.kind) put_text(stage, "schedule", schedule_name(&p->schedule));
  put_count(stage, "batch", f->options->batch ? f->options->batch : p->batch);
  put_count(stage, "epochs", p->name ? p->epochs : f->options->epochs);
  char augment[512] = "";
  size_t used = 0;
  for (int64_t i = 0; i < p->augment.count && used < sizeof augment; i++)
    used +=
        (size_t)snprintf(augment + used, sizeof augment - used, "%s%s", i ? ", " : "", augment_name(&p->augment.at[i]));
  if (*augment) put_text(stage, "augment", augment);
}

static void put_extras(json_t *to, const TrainRecipe *t) {
  put_positive(to, "label_smoothing", train_number(loss_rows, &t->loss, "label_smoothing", 0));
  put_positive(to, "clip_norm", t->clip_norm);
  if (t->accumulate > 1) put_count(to, "accumulate", t->accumulate);
  put_positive(to, "mixup", t->mixup);
  put_positive(to, "ema", t->ema);
  if (t->early_stop.patience > 0) put_count(to, "patience", t->early_stop.patience);
  put_text(to, "watched", t->early_stop.monitor ? "accuracy" : "loss");
}

static void put_settings(json_t *to, const ReportFacts *f) {
  const Manifest *m = f->manifest;
  char shape[SHAPE_TEXT], frozen[32], trained[32], seed[24];
  put_text(to, "script", m->script ? m->script : m->name);
  put_text(to, "input", manifest_shape_text(&m->input.shape, shape));
  put_text(to, "trained", text_thousands(m->parameters_trainable, trained));
  put_text(to, "frozen", text_thousands(m->parameters_frozen, frozen));
  put_text(to, "loss", loss_name(&m->train->loss));
  json_t *stages = put_list(to, "stages");
  for (int64_t i = 0; i < m->train->stage_count; i++) add_stage(stages, f, &m->train->stages[i]);
  put_extras(to, m->train);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)f->options->seed);
  put_text(to, "seed", seed);
  put(to, "shuffled", json_boolean(f->options->shuffle));
  put_text(to, "train_path", f->train->path);
  put_text(to, "train_format", f->train->format);
  put_count(to, "train_count", f->train->count);
  if (f->val) put_text(to, "val_path", f->val->path), put_count(to, "val_count", f->val->count);
  if (f->result->broken) put_count(to, "left_out", f->result->broken);
  put_text(to, "weights", f->weights);
  put_text(to, "compiler", m->compiler ? m->compiler : "");
  put_text(to, "cpu", f->cpu);
  put_count(to, "threads", surgery_threads());
}

static void put_results(json_t *to, const TrainResult *r) {
  put(to, "interrupted", json_boolean(r->interrupted));
  put_number(to, "train_loss", r->loss);
  put_number(to, "train_accuracy", 100 * r->accuracy);
  put_number(to, "val_loss", r->val_loss);
  put_number(to, "val_accuracy", 100 * r->val_accuracy);
  json_t *metrics = put_list(to, "metrics");
  for (int i = 0; i < 2; i++) {
    if (!r->val.name[i] || isnan(r->val.value[i])) continue;
    json_t *metric = add_object(metrics);
    put_text(metric, "metric", r->val.name[i]);
    put_number(metric, "value", r->val.value[i]);
  }
  put_number(to, "epochs", (double)r->epochs);
  put_number(to, "steps", (double)r->steps);
}

static void put_classes(json_t *to, const ReportFacts *f) {
  const Metrics *m = f->metrics;
  char number[24];
  json_t *classes = json_object(), *rows = put_list(classes, "rows");
  put(to, "classes", classes);
  put_text(classes, "set", f->val ? "validation" : "training");
  for (int64_t c = 0; c < m->classes; c++) {
    if (!m->seen[c]) continue;
    json_t *row = add_object(rows);
    put_text(row, "class", cli_label(f->classes, f->val ? f->val : f->train, c, number));
    put_count(row, "right", m->right[c]);
    put_count(row, "seen", m->seen[c]);
    put_number(row, "percent", 100 * ((double)m->right[c] / (double)m->seen[c]));
  }
}

#define WIDEST_MATRIX 25

static void put_confusion(json_t *to, const ReportFacts *f) {
  const Metrics *m = f->metrics;
  const Dataset *set = f->val ? f->val : f->train;
  char number[24];
  json_t *confusion = json_object(), *columns = put_list(confusion, "columns"), *rows = put_list(confusion, "rows");
  put(to, "confusion", confusion);
  for (int64_t t = 0; t < m->classes; t++) {
    const char *label = cli_label(f->classes, set, t, number);
    json_array_append_new(columns, json_string_nocheck(label));
    json_t *row = add_object(rows), *cells = put_list(row, "cells");
    put_text(row, "class", label);
    for (int64_t c = 0; c < m->classes; c++) {
      int64_t count = m->confusion[t * m->classes + c];
      json_t *cell = add_object(cells);
      put_text(cell, "colour", t == c ? "a" : "b");
      put_number(cell, "percent", 70 * sqrt(m->seen[t] ? (double)count / (double)m->seen[t] : 0));
      put_count(cell, "count", count);
    }
  }
}

static json_t *run_values(const Report *r, const ReportFacts *f) {
  json_t *run = json_object(), *charts = put_list(run, "charts");
  const TrainRecipe *train = f->manifest->train;
  put_text(run, "network", f->manifest->name);
  put_results(run, f->result);
  add_chart(charts, r, train, "Loss", REPORT_STEP_LOSS, REPORT_LOSS, REPORT_VAL_LOSS);
  add_chart(charts, r, train, "Accuracy", REPORT_CURVES, REPORT_ACCURACY, REPORT_VAL_ACCURACY);
  add_chart(charts, r, train, "Learning rate", REPORT_RATE, REPORT_CURVES, REPORT_CURVES);
  if (f->metrics && f->metrics->classes) put_classes(run, f);
  if (f->metrics && f->metrics->confusion && f->metrics->classes <= WIDEST_MATRIX) put_confusion(run, f);
  put_settings(run, f);
  return run;
}

int report_write(const Report *r, const ReportFacts *f, const char *path, surgery_error *err) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  json_t *run = run_values(r, f);
  if (out) page_fill(out, page, run);
  json_decref(run);
  bool bad = r->failed || !out || ferror(out) != 0;
  if (out && fclose(out) != 0) bad = true;
  int status = bad ? sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for the report", path)
                   : sg_write_file(path, text, size, err);
  free(text);
  return status;
}
