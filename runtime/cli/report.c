/* The HTML of report.h. Numbers are printed for people; whoever wants to compute takes --log. Every text that comes
 * from a script or a data set is escaped. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- HTML ---- */

static void escape(FILE *out, const char *text) {
  for (; *text; text++) {
    const char *entity = *text == '<'   ? "&lt;"
                         : *text == '>' ? "&gt;"
                         : *text == '&' ? "&amp;"
                         : *text == '"' ? "&quot;"
                                        : NULL;
    if (entity) fputs(entity, out);
    else if ((unsigned char)*text >= ' ') fputc(*text, out);
  }
}

static const char style[] =
    ":root{--ink:#1b1f24;--paper:#fff;--line:#d0d7de;--faint:#6e7781;--a:#0969da;--b:#bc4c00;--bar:#b6d4fe}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--line:#30363d;--faint:#8b949e;--a:#58a6ff;-"
    "-b:#f0883e;"
    "--bar:#1f4b82}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1000px;margin:2em "
    "auto;padding:0 1em}"
    "h1{font-size:1.5em;margin:0}h2{font-size:1.1em;margin:1.6em 0 .4em}p.sub{color:var(--faint);margin:.2em 0 1em}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:1em}"
    "svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:var(--faint)}"
    ".grid{stroke:var(--line);stroke-width:1}.phase{stroke:var(--faint);stroke-dasharray:4 3}"
    ".a,.b,.s{fill:none;stroke-width:2}.a{stroke:var(--a)}.b{stroke:var(--b)}.s{stroke:var(--a);stroke-width:1;opacity:"
    ".35}"
    "circle.a{fill:var(--a)}circle.b{fill:var(--b)}"
    "table{border-collapse:collapse}td,th{padding:.25em .8em .25em 0;text-align:left;border-bottom:1px solid "
    "var(--line);"
    "vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".bar{background:var(--bar);height:.8em;border-radius:2px}.tiles{display:flex;flex-wrap:wrap;gap:2em}"
    ".tiles b{display:block;font-size:1.6em}.tiles span{color:var(--faint)}"
    "td.m{text-align:center;min-width:2.2em;padding:.2em .3em}.scroll{overflow-x:auto}";

/* ---- charts ---- */

enum { WIDTH = 480, HEIGHT = 260, LEFT = 52, RIGHT = 12, TOP = 14, BOTTOM = 34 };

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

static double place(const Axis *axis, double value, double begin, double end) {
  return begin + (value - axis->from) / (axis->to - axis->from) * (end - begin);
}

typedef struct Chart {
  const Report *report;
  const ManifestTrain *train;
  FILE *out;
  Axis x, y;
} Chart;

static void range_of(const Report *r, ReportCurve curve, double *least, double *most) {
  for (size_t i = 0; i < r->count[curve]; i++) {
    *least = fmin(*least, r->point[curve][i].value);
    *most = fmax(*most, r->point[curve][i].value);
  }
}

/* Where the phases begin, as far as the training came. */
static void draw_phases(const Chart *c) {
  int64_t start = 0;
  for (size_t i = 0; i < c->train->phase_count && (double)start < c->x.to; start += c->train->phases[i++].epochs) {
    const ManifestPhase *p = &c->train->phases[i];
    double x = place(&c->x, (double)start, LEFT, WIDTH - RIGHT);
    if (!p->name || (p->epochs == 0 && i + 1 < c->train->phase_count)) continue;
    if (start) fprintf(c->out, "<line class=phase x1=%.1f x2=%.1f y1=%d y2=%d />", x, x, TOP, HEIGHT - BOTTOM);
    fprintf(c->out, "<text x=%.1f y=%d>", x + 2, TOP - 4);
    escape(c->out, p->name);
    fputs("</text>", c->out);
  }
}

static void draw_grid(const Chart *c) {
  double bottom = HEIGHT - BOTTOM, right = WIDTH - RIGHT;
  for (int i = 0; c->y.from + i * c->y.step <= c->y.to + c->y.step / 2; i++) {
    double value = c->y.from + i * c->y.step, y = place(&c->y, value, bottom, TOP);
    fprintf(c->out, "<line class=grid x1=%d x2=%g y1=%.1f y2=%.1f /><text x=%d y=%.1f text-anchor=end>%g</text>", LEFT,
            right, y, y, LEFT - 6, y + 4, fabs(value) < c->y.step / 1e6 ? 0 : value);
  }
  for (int i = 0; c->x.from + i * c->x.step <= c->x.to + c->x.step / 2; i++) {
    double value = c->x.from + i * c->x.step, x = place(&c->x, value, LEFT, right);
    fprintf(c->out, "<text x=%.1f y=%g text-anchor=middle>%g</text>", x, bottom + 16, value);
  }
  fprintf(c->out, "<text x=%g y=%d text-anchor=end>epochs</text>", right, HEIGHT - 3);
  draw_phases(c);
}

static void draw_curve(const Chart *c, ReportCurve curve, const char *class, bool dots) {
  const ReportPoint *p = c->report->point[curve];
  size_t count = c->report->count[curve];
  if (count == 0) return;
  fprintf(c->out, "<polyline class=%s points=\"", class);
  for (size_t i = 0; i < count; i++)
    fprintf(c->out, "%.1f,%.1f ", place(&c->x, p[i].at, LEFT, WIDTH - RIGHT),
            place(&c->y, p[i].value, HEIGHT - BOTTOM, TOP));
  fputs("\" />", c->out);
  for (size_t i = 0; i < count && dots && count <= 60; i++)
    fprintf(c->out, "<circle class=%s r=2.5 cx=%.1f cy=%.1f><title>epoch %g: %.5g</title></circle>", class,
            place(&c->x, p[i].at, LEFT, WIDTH - RIGHT), place(&c->y, p[i].value, HEIGHT - BOTTOM, TOP), p[i].at,
            p[i].value);
}

/* steps: the curve of single steps, faint, or REPORT_CURVES; a, b: those of epochs, or REPORT_CURVES. */
static void draw_chart(const Report *r, const ManifestTrain *train, FILE *out, const char *title, ReportCurve steps,
                       ReportCurve a, ReportCurve b) {
  const ReportCurve curves[] = {steps, a, b};
  double least = INFINITY, most = -INFINITY, first = INFINITY, last = 0;
  for (int i = 0; i < 3; i++) {
    if (curves[i] == REPORT_CURVES || r->count[curves[i]] == 0) continue;
    range_of(r, curves[i], &least, &most);
    double begin = r->point[curves[i]][0].at; /* an epoch's point stands at its end */
    first = fmin(first, curves[i] == steps ? floor(begin) : begin - 1);
    last = fmax(last, r->point[curves[i]][r->count[curves[i]] - 1].at);
  }
  if (!(most >= least)) return;
  if (a == REPORT_ACCURACY) most = 1;
  if (least > 0 && least < most / 2) least = 0;
  Chart c = {r, train, out, nice_axis(first, last), nice_axis(least, most)};
  if (c.x.step < 1) c.x.step = 1;
  c.x.from = ceil(first / c.x.step) * c.x.step == first ? first : floor(first), c.x.to = last;
  fprintf(out, "<figure style=\"margin:0\"><h2>%s</h2><svg viewBox=\"0 0 %d %d\" role=img aria-label=\"%s\">", title,
          WIDTH, HEIGHT, title);
  draw_grid(&c);
  if (steps != REPORT_CURVES) draw_curve(&c, steps, a == REPORT_CURVES ? "a" : "s", false);
  if (a != REPORT_CURVES) draw_curve(&c, a, "a", true);
  if (b != REPORT_CURVES) draw_curve(&c, b, "b", true);
  if (b != REPORT_CURVES && r->count[b])
    fprintf(out,
            "<circle class=a r=4 cx=%d cy=%d /><text x=%d y=%d>training</text><circle class=b r=4 cx=%d cy=%d /><text "
            "x=%d y=%d>"
            "validation</text>",
            LEFT + 4, HEIGHT - 7, LEFT + 12, HEIGHT - 3, LEFT + 74, HEIGHT - 7, LEFT + 82, HEIGHT - 3);
  fputs("</svg></figure>\n", out);
}

/* ---- tables ---- */

static void row(FILE *out, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void row(FILE *out, const char *key, const char *format, ...) {
  char text[1200];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  fprintf(out, "<tr><th>%s</th><td>", key);
  escape(out, text);
  fputs("</td></tr>\n", out);
}

static void put_stage(FILE *out, const ReportFacts *f, const ManifestPhase *p) {
  fprintf(out, "<tr><th>%s</th><td>", p->name ? "phase" : "training");
  if (p->name) escape(out, p->name), fputs(": ", out);
  fprintf(out, "%s(lr=%g", optimizer_type_name(p->optimizer.type),
          f->options->lr >= 0 && !p->own_lr ? f->options->lr : p->optimizer.lr);
  if (p->optimizer.momentum > 0) fprintf(out, ", momentum=%g", p->optimizer.momentum);
  if (p->optimizer.weight_decay > 0) fprintf(out, ", weight_decay=%g", p->optimizer.weight_decay);
  fputs(")", out);
  if (p->schedule.type != SCHEDULE_TYPE_NONE) fprintf(out, "; schedule %s", schedule_type_name(p->schedule.type));
  fprintf(out, "; batch %lld; %lld epochs", (long long)(f->options->batch ? f->options->batch : p->batch),
          (long long)(p->name ? p->epochs : f->options->epochs));
  for (size_t i = 0; i < p->augment_count; i++)
    fprintf(out, "%s%s", i ? ", " : "; augment ", augment_op_name(p->augment[i].op));
  fputs("</td></tr>\n", out);
}

static void put_extras(FILE *out, const ManifestTrain *t) {
  if (t->label_smoothing > 0) row(out, "label smoothing", "%g", t->label_smoothing);
  if (t->clip_norm > 0) row(out, "clip_norm", "%g", t->clip_norm);
  if (t->accumulate > 1) row(out, "accumulate", "%lld batches", (long long)t->accumulate);
  if (t->mixup > 0) row(out, "mixup", "%g", t->mixup);
  if (t->ema > 0) row(out, "ema", "%g", t->ema);
  if (t->patience > 0)
    row(out, "early_stop", "after %lld epochs without a better %s", (long long)t->patience,
        t->watch_accuracy ? "accuracy" : "loss");
}

static void put_settings(FILE *out, const ReportFacts *f) {
  const Manifest *m = f->manifest;
  char shape[SHAPE_TEXT], frozen[32], trained[32];
  fputs("<h2>Settings</h2><table>", out);
  row(out, "script", "%s", m->script ? m->script : m->name);
  row(out, "input", "%s", manifest_shape_text(&m->input.shape, shape));
  row(out, "parameters", "%s trained, %s frozen", text_thousands(m->parameters_trainable, trained),
      text_thousands(m->parameters_frozen, frozen));
  row(out, "loss", "%s", loss_type_name(m->train.loss));
  for (size_t i = 0; i < m->train.phase_count; i++) put_stage(out, f, &m->train.phases[i]);
  put_extras(out, &m->train);
  row(out, "seed", "%llu%s", (unsigned long long)f->options->seed, f->options->shuffle ? "" : ", not shuffled");
  row(out, "training set", "%s: %lld samples (%s)", f->train->path, (long long)f->train->count, f->train->format);
  if (f->val) row(out, "validation set", "%s: %lld samples", f->val->path, (long long)f->val->count);
  if (f->result->broken) row(out, "left out", "%lld samples that could not be used", (long long)f->result->broken);
  row(out, "weights", "%s", f->weights);
  row(out, "compiled", "by surgeryc %s for %s; %d threads", m->compiler ? m->compiler : "", f->cpu, surgery_threads());
  fputs("</table>\n", out);
}

static void tile(FILE *out, const char *what, const char *format, double value) {
  if (isnan(value)) return;
  fputs("<div><b>", out);
  fprintf(out, format, value);
  fprintf(out, "</b><span>%s</span></div>", what);
}

static void put_tiles(FILE *out, const TrainResult *r) {
  fputs("<div class=tiles>", out);
  tile(out, "training loss", "%.4f", r->loss);
  tile(out, "training accuracy", "%.1f %%", 100 * r->accuracy);
  tile(out, "validation loss", "%.4f", r->val_loss);
  tile(out, "validation accuracy", "%.1f %%", 100 * r->val_accuracy);
  for (int i = 0; i < 2; i++)
    if (r->val.name[i]) tile(out, i ? r->val.name[1] : r->val.name[0], "%.4f", r->val.value[i]);
  tile(out, "epochs", "%.0f", (double)r->epochs);
  tile(out, "steps", "%.0f", (double)r->steps);
  fputs("</div>\n", out);
}

static void put_classes(FILE *out, const ReportFacts *f) {
  const Metrics *m = f->metrics;
  const Dataset *set = f->val ? f->val : f->train;
  char number[24];
  if (!m || !m->classes) return;
  fprintf(out,
          "<h2>Classes, on the %s set</h2><table><tr><th>class</th><th class=n>right</th><th class=n>of</th>"
          "<th class=n>share</th><th style=\"width:180px\"></th></tr>\n",
          f->val ? "validation" : "training");
  for (int64_t c = 0; c < m->classes; c++) {
    if (!m->seen[c]) continue;
    double share = (double)m->right[c] / (double)m->seen[c];
    fputs("<tr><td>", out);
    escape(out, cli_label(f->manifest, set, c, number));
    fprintf(out,
            "</td><td class=n>%lld</td><td class=n>%lld</td><td class=n>%.1f %%</td><td><div class=bar "
            "style=\"width:%.1f%%\">"
            "</div></td></tr>\n",
            (long long)m->right[c], (long long)m->seen[c], 100 * share, 100 * share);
  }
  fputs("</table>\n", out);
}

#define WIDEST_MATRIX 25

static void put_confusion(FILE *out, const ReportFacts *f) {
  const Metrics *m = f->metrics;
  const Dataset *set = f->val ? f->val : f->train;
  char number[24];
  if (!m || !m->confusion || m->classes > WIDEST_MATRIX) return;
  fputs("<h2>Confusion (rows: true, columns: predicted)</h2><div class=scroll><table><tr><td></td>", out);
  for (int64_t c = 0; c < m->classes; c++) {
    fputs("<td class=m>", out);
    escape(out, cli_label(f->manifest, set, c, number));
    fputs("</td>", out);
  }
  fputs("</tr>\n", out);
  for (int64_t t = 0; t < m->classes; t++) {
    fputs("<tr><td>", out);
    escape(out, cli_label(f->manifest, set, t, number));
    fputs("</td>", out);
    for (int64_t c = 0; c < m->classes; c++) {
      int64_t count = m->confusion[t * m->classes + c];
      double share = m->seen[t] ? (double)count / (double)m->seen[t] : 0;
      fprintf(out, "<td class=m style=\"background:color-mix(in srgb,var(--%s) %.0f%%,transparent)\">%lld</td>",
              t == c ? "a" : "b", 70 * sqrt(share), (long long)count);
    }
    fputs("</tr>\n", out);
  }
  fputs("</table></div>\n", out);
}

static void put_all(const Report *r, const ReportFacts *f, FILE *out) {
  fputs("<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>",
        out);
  escape(out, f->manifest->name);
  fprintf(out, ": training</title><style>%s</style>\n<h1>", style);
  escape(out, f->manifest->name);
  fprintf(out, ": training</h1><p class=sub>%s</p>\n", f->result->interrupted ? "interrupted" : "done");
  put_tiles(out, f->result);
  fputs("<div class=charts>\n", out);
  draw_chart(r, &f->manifest->train, out, "Loss", REPORT_STEP_LOSS, REPORT_LOSS, REPORT_VAL_LOSS);
  draw_chart(r, &f->manifest->train, out, "Accuracy", REPORT_CURVES, REPORT_ACCURACY, REPORT_VAL_ACCURACY);
  draw_chart(r, &f->manifest->train, out, "Learning rate", REPORT_RATE, REPORT_CURVES, REPORT_CURVES);
  fputs("</div>\n", out);
  put_classes(out, f);
  put_confusion(out, f);
  put_settings(out, f);
  fputs("</html>\n", out);
}

int report_write(const Report *r, const ReportFacts *f, const char *path, surgery_error *err) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (out) put_all(r, f, out);
  bool bad = r->failed || !out || ferror(out) != 0;
  if (out && fclose(out) != 0) bad = true;
  int status = bad ? sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for the report", path)
                   : sg_write_file(path, text, size, err);
  free(text);
  return status;
}
