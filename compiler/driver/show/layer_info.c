/* What there is to say about a layer or a container: its state, its type, FLOPs. Asks the
 * graph, changes nothing. Called by the commands that show networks. */
#include "compiler/driver/show/show.h"

/* Layers whose training differs from evaluation, and that are not frozen: batch statistics move, dropout
 * drops. */
static bool varies(const Graph *g, ModuleId module, bool below, OpBatch how) {
  const Module *m = module_at(g, module);
  if (!m->alive) return false;
  if (m->op != OP_NONE && op_info(m->op)->batch == how && !m->frozen) return true;
  for (size_t i = 0; below && i < m->children.count; i++)
    if (varies(g, m->children.at[i], true, how)) return true;
  return false;
}

TrainState module_state(const Graph *g, ModuleId module, bool below) {
  const Module *m = module_at(g, module);
  Totals t = module_totals(g, module, below);
  if (t.all == 0)
    return m->frozen && m->op != OP_NONE && op_info(m->op)->batch != BATCH_SAME ? STATE_FROZEN : STATE_NONE;
  if (t.trained == t.all) return STATE_TRAINED;
  if (t.trained > 0) return STATE_PARTLY;
  return varies(g, module, below, BATCH_STATISTICS) ? STATE_STATISTICS : STATE_FROZEN;
}

TrainState node_state(const Graph *g, NodeId node) {
  ModuleId module = node_at(g, node)->module;
  return module == NO_ID ? STATE_NONE : module_state(g, module, false);
}

static const struct {
  const char *name;
  Paint paint;
} states[] = {
    [STATE_NONE] = {"", PAINT_NONE},
    [STATE_TRAINED] = {"trained", PAINT_TRAINED},
    [STATE_PARTLY] = {"partly frozen", PAINT_PARTLY},
    [STATE_FROZEN] = {"frozen", PAINT_FROZEN},
    [STATE_STATISTICS] = {"frozen parameters, moving statistics", PAINT_PARTLY},
};

const char *state_name(TrainState state) { return states[state].name; }

Paint state_paint(TrainState state) { return states[state].paint; }

const char *node_type(const Graph *g, NodeId node) {
  const Node *n = node_at(g, node);
  return n->module != NO_ID ? module_at(g, n->module)->type : op_info(n->op)->name;
}

const char *layer_name(const Graph *g, ValueId value) {
  NodeId producer = value_at(g, value)->producer;
  return producer == NO_ID ? "input" : node_at(g, producer)->name;
}

double network_flops(Session *s, const Script *script) {
  return program_flops(&make_plan(s->arena, script->graph, script->train)->forward);
}

const char *flops_text(Arena *arena, double flops) {
  if (flops >= 1e9) return arena_printf(arena, "%.3g GFLOP", flops * 1e-9);
  return flops >= 1e6 ? arena_printf(arena, "%.3g MFLOP", flops * 1e-6) : arena_printf(arena, "%.0f FLOP", flops);
}
