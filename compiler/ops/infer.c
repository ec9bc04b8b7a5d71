/* The shape pass: walks the live nodes in forward order, asks each operator's rule for its output, fills in
 * every `_` and gives the parameters their shapes. A wrong shape is reported once, at the edit that caused it; what
 * follows it is left unknown, so that one mistake gives one message. */
#include "compiler/ops/shape.h"

typedef bool ShapeRule(ShapeContext *c);
static ShapeRule *const rules[OP_COUNT] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) [OP_##NAME] = SHAPE,
#include "grammar/ops.def"
#undef OP
};

static void fill_params(Graph *g, ModuleId id) {
  const Module *m = module_at(g, id);
  for (size_t i = 0; i < m->params.count; i++) {
    Param *p = param_at(g, m->params.at[i]);
    p->shape = op_param_value(m->op, &m->args, p->role).shape;
  }
}

/* False when an input of the node is not known, because a rule before it has failed. */
static bool gather_inputs(const Graph *g, const Node *node, Shape *in) {
  for (size_t i = 0; i < node->inputs.count; i++) {
    in[i] = value_at(g, node->inputs.at[i])->shape;
    if (in[i].rank < 0) return false;
  }
  return true;
}

/* The product of a shape must stay far from overflow: 2^40 elements for one sample. */
static bool shape_is_sane(ShapeContext *c) {
  int64_t count = 1;
  for (int i = 0; i < c->out->rank; i++) {
    if (c->out->dim[i] <= 0 || count > ((int64_t)1 << 40) / c->out->dim[i]) {
      diag_report(&c->s->diags, DIAG_E0309, c->node->origin, "%s gives an output of more than 2^40 numbers, %s",
                  c->node->name, shape_text(c->g->arena, c->out));
      return false;
    }
    count *= c->out->dim[i];
  }
  return true;
}

static const ArgInfo *first_hole(const Module *m) {
  const ArgInfo *hole = op_info(m->op)->args;
  while (hole->name && !(hole->hole && *(const int64_t *)((const char *)&m->args + hole->offset) == HOLE_VALUE)) hole++;
  return hole->name ? hole : NULL;
}

void fill_known_params(Graph *g) {
  for_each_alive_module(g, m) {
    ModuleId id = module_id(g, m);
    if (m->params.count > 0 && param_at(g, m->params.at[0])->shape.rank < 0 && !first_hole(m)) fill_params(g, id);
  }
}

/* A layer that is declared and never called has parameters all the same, as in PyTorch; but where its arguments say
 * `_`, nothing that flows in tells them. */
static void fill_uncalled(Session *s, Graph *g) {
  bool *called = arena_array(g->arena, bool, g->modules.count + 1);
  for (size_t i = 0; i < g->nodes.count; i++)
    if (node_at(g, i)->alive && node_at(g, i)->module != NO_ID) called[node_at(g, i)->module] = true;
  for_each_alive_module(g, m) {
    ModuleId id = module_id(g, m);
    /* One that is called and still unknown waits for the network's input. */
    if (called[id] || m->params.count == 0 || param_at(g, m->params.at[0])->shape.rank >= 0) continue;
    const ArgInfo *hole = first_hole(m);
    if (!hole) {
      fill_params(g, id);
      continue;
    }
    Diag *d = diag_report(&s->diags, DIAG_E0112, m->args_span, "%s: nothing flows into it, so %s cannot be inferred",
                          m->name, hole->name);
    diag_help(&s->diags, d, "call the layer in a forward, remove it, or write the value in the place of _");
  }
}

/* `keep`: what a `_` turns out to be is written in its place. */
static bool infer(Session *s, Graph *g, bool keep) {
  size_t errors = s->diags.errors;
  for (size_t i = 0; i < g->values.count; i++)
    if ((ValueId)i != g->input_value) value_at(g, i)->shape = (Shape){.rank = -1};
  value_at(g, g->input_value)->shape = g->input.shape;
  for (size_t i = 0; i < g->seams.count; i++) g->seams.at[i].reported = false;
  if (g->mask_value != NO_ID && g->input.shape.rank >= 1)
    value_at(g, g->mask_value)->shape = (Shape){.rank = 1, .dim = {g->input.shape.dim[0]}, .dtype = DTYPE_I64};
  for_each_alive_node(g, node) {
    Shape *in = arena_array(g->arena, Shape, node->inputs.count + 1);
    if (!gather_inputs(g, node, in)) continue;
    Module *module = node->module == NO_ID ? NULL : module_at(g, node->module);
    Shape out = {.rank = -1};
    ShapeContext c = {s, g, node, node->op, module ? &module->args : &node->args, in, node->inputs.count, &out};
    OpArgs written = *c.args;
    bool fits = true;
    for (size_t k = 0; k < node->inputs.count && fits; k++)
      if (in[k].dtype == DTYPE_I64) fits = shape_integers_fit(&c, k);
    if (!fits) break; /* most of what follows would say the same again */
    rules[node->op](&c);
    if (out.rank >= 0 && shape_is_sane(&c)) {
      value_at(g, node->output)->shape = out;
      if (module) fill_params(g, node->module);
    }
    if (!keep) *c.args = written;
  }
  if (s->diags.errors == errors) fill_uncalled(s, g);
  if (s->diags.errors == errors) shape_output_is_computed(s, g);
  return s->diags.errors == errors;
}

bool infer_shapes(Session *s, Graph *g) { return infer(s, g, true); }
bool look_at_shapes(Session *s, Graph *g) { return infer(s, g, false); }

/* ---- what many rules do ---- */

bool shape_same(ShapeContext *c) {
  *c->out = c->in[0];
  return true;
}

bool shape_match_features(ShapeContext *c, const char *what, int64_t *declared, int64_t got) {
  if (*declared == HOLE_VALUE) *declared = got;
  return *declared == got || shape_wants_features(c, what, *declared, got);
}

/* A dimension counted with the batch as 0, negative from the end → one counted without it; -1: not there. */
int shape_inner_dimension(const Shape *shape, int64_t dim) {
  int64_t all = shape->rank + 1;
  if (dim < 0) dim += all;
  return dim >= 1 && dim < all ? (int)(dim - 1) : -1;
}
