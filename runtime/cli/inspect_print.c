/* What `inspect` found, as tables a person reads or as JSON. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cli/inspect.h"

/* ---- tables ---- */

static int widest_name(const Findings *f, bool types) {
  const Manifest *m = f->net->manifest;
  int widest = types ? 4 : 5;
  for (size_t i = 0; i < m->value_count; i++) {
    int length = (int)strlen(types ? m->values[i].type : m->values[i].name);
    if (f->picked[i] && length > widest) widest = length;
  }
  return widest;
}

static const char *number_text(double value, const char *format, char to[24]) {
  if (isnan(value)) return "-";
  snprintf(to, 24, format, value);
  return to;
}

static double mean_of(double sum, int64_t count) { return count ? sum / (double)count : NAN; }

static double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

static void print_value(const Findings *f, size_t i, int name, int type) {
  const ManifestValue *v = &f->net->manifest->values[i];
  const ValueStats *s = &f->stats->value[i];
  char shape[SHAPE_TEXT], dead[48] = "", cosine[24], branch[24], time[24];
  int64_t none = stats_dead(s);
  if (none) snprintf(dead, sizeof dead, "%lld of %lld", (long long)none, (long long)s->channels);
  double seconds = f->times->value[i];
  cli_print(stdout, "%-*s  %-*s  %-20s %10.4g %10.4g %10.4g %10.4g %6.1f  %12s  %6s  %8s  %8s", name, v->name, type,
            v->type, manifest_shape_text(&v->shape, shape), stats_mean(s), stats_deviation(s),
            s->count > 0 ? s->least : NAN, s->count > 0 ? s->most : NAN, 100 * share(s->zeros, s->count), dead,
            number_text(mean_of(s->cosine, s->cosines), "%.3f", cosine),
            number_text(mean_of(s->branch, s->branches), "%.3f", branch),
            seconds > 0 ? number_text(1e3 * seconds, "%.3f", time) : "");
  if (s->not_finite > 0) cli_print(stdout, "  %.0f numbers are not finite", s->not_finite);
  putchar('\n');
}

static void print_values(const Findings *f) {
  int name = widest_name(f, false), type = widest_name(f, true);
  cli_print(stdout, "%lld samples; forward of one: %.3f ms\n\n", (long long)f->stats->samples, 1e3 * f->times->forward);
  cli_print(stdout, "%-*s  %-*s  %-20s %10s %10s %10s %10s %6s  %12s  %6s  %8s  %8s\n", name, "value", type, "type",
            "output", "mean", "std", "min", "max", "zero %", "dead", "cosine", "|f|/|x|", "ms");
  for (size_t i = 0; i < f->net->manifest->value_count; i++)
    if (f->picked[i]) print_value(f, i, name, type);
}

static void print_frozen(const Manifest *m) {
  int listed = 0;
  int64_t frozen = 0;
  for (size_t i = 0; i < m->layer_count; i++) frozen += m->phases[0].frozen[i] && m->layers[i].parameters;
  if (!frozen) return;
  cli_print(stdout, "\nfrozen, so no gradient is compiled for it (a script without its `freeze` has one):");
  for (size_t i = 0; i < m->layer_count; i++) {
    if (!m->phases[0].frozen[i] || !m->layers[i].parameters) continue;
    if (listed++ == 8) break;
    cli_print(stdout, "%s %s", listed > 1 ? "," : "", m->layers[i].name);
  }
  cli_print(stdout, frozen > 8 ? " and %lld more\n" : "\n", (long long)frozen - 8);
}

static bool is_of_layer(const char *tensor, const char *layer) {
  size_t length = strlen(layer);
  return strncmp(tensor, layer, length) == 0 && tensor[length] == '.' && !strchr(tensor + length + 1, '.');
}

static void print_norm(const GradientNorm *g, int width) {
  char ratio[24];
  cli_print(stdout, "%s%-*s  %12.4g  %12.4g  %12s\n", g->tensor ? "  " : "", g->tensor ? width - 2 : width, g->name,
            g->norm, g->weights, number_text(g->weights > 0 ? g->norm / g->weights : NAN, "%.4g", ratio));
}

static void print_gradients(const Findings *f) {
  const Manifest *m = f->net->manifest;
  const Gradients *g = f->gradients;
  if (!f->data) return;
  if (g) {
    int widest = 15;
    for (size_t i = 0; i < g->blocks; i++)
      if ((int)strlen(g->at[i].name) + 2 > widest) widest = (int)strlen(g->at[i].name) + 2;
    cli_print(stdout, "\ngradients: means over %lld batches of %lld samples, loss %.4f\n\n%-*s  %12s  %12s  %12s\n",
              (long long)g->batches, (long long)g->samples, g->loss, widest, "layer or tensor", "|gradient|",
              "|weights|", "ratio");
    for (size_t i = 0; i < g->blocks; i++) {
      if (g->at[i].tensor && strrchr(g->at[i].name, '.')) continue; /* comes after its layer */
      print_norm(&g->at[i], widest);
      for (size_t k = 0; k < g->blocks && !g->at[i].tensor; k++)
        if (g->at[k].tensor && is_of_layer(g->at[k].name, g->at[i].name)) print_norm(&g->at[k], widest);
    }
  }
  print_frozen(m);
}

/* Between quotes where a selector would read something else. */
static const char *quote_of(const char *name) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
  return name[strspn(name, plain)] ? "\"" : "";
}

static void print_suggestions(const Findings *f) {
  const Manifest *m = f->net->manifest;
  if (f->suggestions == 0) {
    cli_print(stdout, "\nno layer or block of this network could be removed without another change\n");
    return;
  }
  cli_print(stdout,
            "\nwhat could be removed, the most dispensable first:\n\n%8s  %6s  %8s  %7s  %10s  %12s %6s  %8s %6s  %s\n",
            "output", "agree", "change", "cosine", "gradient", "parameters", "", "ms", "", "in the script");
  for (int64_t i = 0; i < f->suggestions; i++) {
    const Suggestion *s = &f->suggestion[i];
    char number[32], gradient[24], output[24], agree[24];
    cli_print(stdout, "%8s  %6s  %8.4f  %7.4f  %10s  %12s %5.1f%%  %8.3f %5.1f%%  remove %s%s%s\n",
              number_text(s->output, "%.4f", output), number_text(100 * s->agreement, "%.1f%%", agree), s->change,
              s->cosine, number_text(s->gradient, "%.3g", gradient), text_thousands(s->block->parameters, number),
              100 * share((double)s->block->parameters, (double)m->parameters_total), 1e3 * s->seconds,
              100 * share(s->seconds, f->times->forward), quote_of(s->block->name), s->block->name,
              quote_of(s->block->name));
  }
}

void print_findings(const Findings *f) {
  print_values(f);
  print_gradients(f);
  print_suggestions(f);
}

/* ---- JSON ---- */

static json_t *json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *json_text(const char *text) {
  json_t *string = json_string(text);
  return string ? string : json_string("?"); /* names out of a manifest are UTF-8 */
}

static json_t *json_shape(const ManifestShape *shape) {
  json_t *list = json_array();
  for (int i = 0; i < shape->rank; i++) json_array_append_new(list, json_integer(shape->dim[i]));
  return list;
}

static json_t *json_value(const Findings *f, size_t i) {
  const ManifestValue *v = &f->net->manifest->values[i];
  const ValueStats *s = &f->stats->value[i];
  json_t *json = json_object();
  json_object_set_new(json, "name", json_text(v->name));
  json_object_set_new(json, "type", json_text(v->type));
  json_object_set_new(json, "shape", json_shape(&v->shape));
  json_object_set_new(json, "mean", json_number(stats_mean(s)));
  json_object_set_new(json, "std", json_number(stats_deviation(s)));
  json_object_set_new(json, "min", json_number(s->least));
  json_object_set_new(json, "max", json_number(s->most));
  json_object_set_new(json, "zero", json_number(share(s->zeros, s->count)));
  json_object_set_new(json, "dead_channels", json_integer(stats_dead(s)));
  json_object_set_new(json, "not_finite", json_integer((json_int_t)s->not_finite));
  json_object_set_new(json, "cosine", json_number(mean_of(s->cosine, s->cosines)));
  json_object_set_new(json, "branch", json_number(mean_of(s->branch, s->branches)));
  json_object_set_new(json, "ms", json_number(1e3 * f->times->value[i]));
  return json;
}

static json_t *json_gradients(const Gradients *g) {
  if (!g) return json_null();
  json_t *json = json_object(), *list = json_array();
  for (size_t i = 0; i < g->count; i++) {
    if (!g->at[i].count) continue;
    json_t *one = json_object();
    json_object_set_new(one, "name", json_text(g->at[i].name));
    json_object_set_new(one, "kind", json_string(g->at[i].tensor ? "tensor" : g->at[i].block ? "block" : "layer"));
    json_object_set_new(one, "gradient", json_number(g->at[i].norm));
    json_object_set_new(one, "weights", json_number(g->at[i].weights));
    json_array_append_new(list, one);
  }
  json_object_set_new(json, "batches", json_integer(g->batches));
  json_object_set_new(json, "samples", json_integer(g->samples));
  json_object_set_new(json, "loss", json_number(g->loss));
  json_object_set_new(json, "norms", list);
  return json;
}

static json_t *json_suggestions(const Findings *f) {
  json_t *list = json_array();
  for (int64_t i = 0; i < f->suggestions; i++) {
    const Suggestion *s = &f->suggestion[i];
    char line[600];
    const char *quote = quote_of(s->block->name);
    snprintf(line, sizeof line, "remove %s%s%s", quote, s->block->name, quote);
    json_t *one = json_object();
    json_object_set_new(one, "line", json_text(line));
    json_object_set_new(one, "type", json_text(s->block->type));
    json_object_set_new(one, "score", json_number(s->score));
    json_object_set_new(one, "output", json_number(s->output));
    json_object_set_new(one, "agreement", json_number(s->agreement));
    json_object_set_new(one, "change", json_number(s->change));
    json_object_set_new(one, "cosine", json_number(s->cosine));
    json_object_set_new(one, "gradient", json_number(s->gradient));
    json_object_set_new(one, "parameters", json_integer(s->block->parameters));
    json_object_set_new(one, "ms", json_number(1e3 * s->seconds));
    json_array_append_new(list, one);
  }
  return list;
}

int print_findings_json(const Findings *f) {
  json_t *json = json_object(), *values = json_array(), *frozen = json_array();
  const Manifest *m = f->net->manifest;
  for (size_t i = 0; i < m->value_count; i++)
    if (f->picked[i]) json_array_append_new(values, json_value(f, i));
  for (size_t i = 0; i < m->layer_count; i++)
    if (m->phases[0].frozen[i] && m->layers[i].parameters) json_array_append_new(frozen, json_text(m->layers[i].name));
  json_object_set_new(json, "samples", json_integer(f->stats->samples));
  json_object_set_new(json, "forward_ms", json_number(1e3 * f->times->forward));
  json_object_set_new(json, "values", values);
  json_object_set_new(json, "gradients", json_gradients(f->gradients));
  json_object_set_new(json, "frozen", frozen);
  json_object_set_new(json, "suggestions", json_suggestions(f));
  char *text = json_dumps(json, JSON_PRESERVE_ORDER | JSON_INDENT(1));
  json_decref(json);
  if (!text) return -1;
  puts(text);
  free(text);
  return 0;
}
