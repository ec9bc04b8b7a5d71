/* `surgeryc zoo`: the built-in networks, each built and measured here: input, output, size, work, stages, and
 * whose design it is. */
#include "compiler/driver/show/show.h"
#include "compiler/model/model.h"
#include "compiler/ops/shape.h"
#include "compiler/weights/weights.h"

typedef struct ZooModel {
  const char *name, *from, *file;
  Script script;
} ZooModel;

static bool measure(Session *s, const char *name, ZooModel *out) {
  Expr *call = arena_new(s->arena, Expr);
  *call = (Expr){.kind = EXPR_NAME, .text = name, .span = SPAN_NONE};
  Graph *g = build_donor(s, zoo_scope(s), call, SPAN_NONE);
  if (!g || !infer_shapes(s, g)) return false;
  *out = (ZooModel){name, "", weights_usual_file(s, name), {.graph = g}};
  return true;
}

static const char *stages_text(Session *s, const Graph *g) {
  const char *text = "";
  for (size_t i = 0; i < g->stages.count; i++)
    text = arena_printf(s->arena, "%s%s%s", text, i ? ", " : "", g->stages.at[i].name);
  return text;
}

static void model_row(Session *s, Table *table, const ZooModel *m) {
  const Graph *g = m->script.graph;
  table_row(table, PAINT_NONE, m->name, shape_text(s->arena, &g->input.shape),
            shape_text(s->arena, &value_at(g, g->outputs.at[0].value)->shape),
            grouped(s->arena, module_totals(g, 0, true).all),
            arena_printf(s->arena, "%.3f", network_flops(s, &m->script) * 1e-9), stages_text(s, g), m->from);
}

static json_t *model_json(Session *s, const ZooModel *m) {
  const Graph *g = m->script.graph;
  const Shape *out = &value_at(g, g->outputs.at[0].value)->shape;
  json_t *stages = json_array();
  for (size_t i = 0; i < g->stages.count; i++) json_array_append_new(stages, json_string(g->stages.at[i].name));
  return json_pack("{s:s, s:o, s:o, s:I, s:f, s:o, s:s, s:o}", "name", m->name, "input",
                   shape_json(g->input.shape.rank, g->input.shape.dim), "output", shape_json(out->rank, out->dim),
                   "parameters", (json_int_t)module_totals(g, 0, true).all, "gflop",
                   network_flops(s, &m->script) * 1e-9, "stages", stages, "from", m->from, "weights",
                   name_json(s->arena, m->file));
}

ExitStatus command_zoo(Session *s, const Options *o) {
  Table table = {.arena = s->arena, .columns = 7, .right = 1u << 3 | 1u << 4};
  table_row(&table, PAINT_HEAD, "model", "input", "output", "parameters", "GFLOP", "stages", "from");
  json_t *models = json_array();
  size_t count;
  const char *const *names = zoo_models(s, &count);
  for (size_t i = 0; i < count; i++) {
    ZooModel m;
    if (!measure(s, names[i], &m)) continue; /* reported below: a bug */
    const char *origin = zoo_origin(s, names[i]);
    m.from = origin ? origin : "";
    if (o->json) json_array_append_new(models, model_json(s, &m));
    else model_row(s, &table, &m);
  }
  report(s, o);
  if (!may_go_on(s, o)) return EXIT_BUG;
  if (o->json) print_json(models);
  else table_print(&table, stdout, use_color(o, 1)), json_decref(models);
  return EXIT_DONE;
}
