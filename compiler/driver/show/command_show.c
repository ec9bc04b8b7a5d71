/* `surgeryc show`: a network as a table in forward order, its containers with their subtotals above their
 * layers, or another form of it (--tree, --json, --graph); or the tensors of a weight file. */
#include "compiler/driver/show/show.h"

enum { DEEPEST_CONTAINER = 2 }; /* layer1 and layer1.0; what is deeper shows in --tree */

typedef struct Showing {
  Session *s;
  const Graph *g;
  Table *table;
  bool *seen; /* by ModuleId: its row has been written */
} Showing;

static int module_depth(const Graph *g, ModuleId module) {
  int depth = 0;
  for (ModuleId m = module; m > 0; m = module_at(g, m)->parent) depth++;
  return depth;
}

static const char *indented(Arena *arena, int depth, const char *name) {
  return arena_printf(arena, "%*s%s", 2 * depth, "", name);
}

/* The containers that the next layer is in, outermost first, each once. */
static void container_rows(Showing *v, ModuleId module) {
  const Graph *g = v->g;
  if (module <= 0) return;
  container_rows(v, module_at(g, module)->parent);
  const Module *m = module_at(g, module);
  int depth = module_depth(g, module);
  if (v->seen[module] || m->op != OP_NONE || depth > DEEPEST_CONTAINER) return;
  v->seen[module] = true;
  Totals t = module_totals(g, module, true);
  table_row(v->table, PAINT_HEAD, indented(v->s->arena, depth - 1, m->name), m->type, "", "",
            t.all ? grouped(v->s->arena, t.all) : "", state_name(module_state(g, module, true)));
}

static void layer_row(Showing *v, NodeId id) {
  const Graph *g = v->g;
  const Node *n = node_at(g, id);
  ModuleId home = node_container(g, id);
  container_rows(v, home);
  int depth = home == NO_ID ? 0 : module_depth(g, home);
  bool first = n->module == NO_ID || !v->seen[n->module];
  int64_t own = node_totals(g, id).all;
  if (n->module != NO_ID) v->seen[n->module] = true;
  TrainState state = node_state(g, id);
  const char *count = own == 0 ? "" : first ? grouped(v->s->arena, own) : "(again)";
  table_row(v->table, state_paint(state),
            indented(v->s->arena, depth < DEEPEST_CONTAINER ? depth : DEEPEST_CONTAINER, n->name), node_type(g, id),
            shape_text(v->s->arena, &value_at(g, n->output)->shape), count, "", state_name(state));
}

static void print_totals(Session *s, const CommandOperand *operand) {
  const Graph *g = operand->script.graph;
  Table table = {.arena = s->arena, .columns = 2};
  Totals t = module_totals(g, 0, true);
  table_row(&table, PAINT_NONE, "input", shape_text(s->arena, &g->input.shape));
  for (size_t i = 0; i < g->outputs.count; i++)
    table_row(&table, PAINT_NONE, g->outputs.at[i].name,
              shape_text(s->arena, &value_at(g, g->outputs.at[i].value)->shape));
  table_row(&table, PAINT_NONE, "parameters",
            arena_printf(s->arena, "%s: %s trained, %s frozen", grouped(s->arena, t.all), grouped(s->arena, t.trained),
                         grouped(s->arena, t.all - t.trained)));
  if (t.buffers)
    table_row(&table, PAINT_NONE, "buffers", arena_printf(s->arena, "%s numbers", grouped(s->arena, t.buffers)));
  const char *stages = "";
  for (size_t i = 0; i < g->stages.count; i++)
    stages = arena_printf(s->arena, "%s%s[%zu] %s", stages, i ? ", " : "", i, g->stages.at[i].name);
  if (*stages) table_row(&table, PAINT_NONE, "stages", stages);
  table_row(&table, PAINT_NONE, "forward",
            arena_printf(s->arena, "%s a sample", flops_text(s->arena, network_flops(s, &operand->script))));
  if (operand->is_script) table_row(&table, PAINT_NONE, "weights", "not looked at; surgeryc check does");
  putchar('\n');
  table_print(&table, stdout, false);
}

static void show_table(Session *s, const Options *o, const CommandOperand *operand) {
  const Graph *g = operand->script.graph;
  Table table = {.arena = s->arena, .columns = 6, .right = 1u << 3 | 1u << 4};
  Showing v = {s, g, &table, arena_array(s->arena, bool, g->modules.count + 1)};
  table_row(&table, PAINT_HEAD, "layer", "type", "output", "parameters", "in all", "");
  for (size_t i = 0; i < g->order.count; i++)
    if (node_at(g, g->order.at[i])->alive) layer_row(&v, g->order.at[i]);
  table_print(&table, stdout, use_color(o, 1));
  print_totals(s, operand);
}

static ExitStatus show_network(Session *s, const Options *o, const CommandOperand *operand) {
  if (o->graph) {
    ExitStatus status = write_drawing(s, dot_text(s, &operand->script, operand->given), o->graph, NULL, NULL);
    if (status != EXIT_DONE || !(o->json || o->tree)) return status;
  }
  if (o->json) print_json(network_json(s, operand));
  else if (o->tree) show_tree(s, operand->script.graph, use_color(o, 1));
  else show_table(s, o, operand);
  return EXIT_DONE;
}

static ExitStatus show_file(Session *s, const Options *o, const CommandOperand *operand) {
  if (o->graph || o->tree) {
    fprintf(stderr, "surgeryc: %s is a weight file, which has no layers: %s shows networks\n", operand->given,
            o->graph ? "--graph" : "--tree");
    return EXIT_WRONG_INPUT;
  }
  if (o->json) print_json(weights_json(s, operand));
  else show_weights(s, operand, use_color(o, 1));
  return EXIT_DONE;
}

ExitStatus command_show(Session *s, const Options *o) {
  CommandOperand operand;
  ExitStatus status = operand_open(s, o->script, &operand);
  if (status == EXIT_DONE && !may_go_on(s, o)) status = EXIT_WRONG_INPUT;
  if (status == EXIT_DONE) status = operand.weights ? show_file(s, o, &operand) : show_network(s, o, &operand);
  report(s, o);
  operand_close(&operand);
  return status;
}
