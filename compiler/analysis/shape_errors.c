/* The messages of the shape pass: what a layer wants against what flows in, where that comes from, and what
 * would fit. Always in these words, so that users learn to read them. */
#include "compiler/analysis/shape.h"

/* The value that flows into the node, followed up to the layer which gave it its features. */
typedef struct Origin {
  const Node *node;     /* NULL: the network's input */
  const Shape *shape;   /* of what that node returns */
  const char *name;     /* "layer2" when it ends that stage */
} Origin;

static Origin find_origin(const ShapeContext *c, ValueId value) {
  const Graph *g = c->g;
  NodeId id = g->values.at[value].producer;
  while (id != NO_ID) {
    const Node *n = &g->nodes.at[id];
    bool learnt = n->module != NO_ID && g->modules.at[n->module].params.count > 0;
    if (learnt || n->inputs.count != 1 || n->stage != NO_ID) break;
    value = n->inputs.at[0];
    id = g->values.at[value].producer;
  }
  Origin origin = {NULL, &g->values.at[value].shape, "the input"};
  if (id == NO_ID) return origin;
  origin.node = &g->nodes.at[id];
  origin.name = origin.node->name;
  int stage = origin.node->stage;
  if (stage == NO_ID) return origin;
  for (size_t i = 0; i < g->order.count; i++) { /* the stage's last node stands for the stage */
    const Node *n = &g->nodes.at[g->order.at[i]];
    if (n->alive && n->stage == stage) origin.name = n == origin.node ? g->stages.at[stage].name : origin.node->name;
  }
  return origin;
}

static void label_origin(ShapeContext *c, Diag *d, size_t input) {
  ValueId value = c->node->inputs.at[input];
  Origin o = find_origin(c, value);
  const Shape *flows = &c->g->values.at[value].shape;
  const char *at = shape_text(c->g->arena, o.shape), *here = shape_text(c->g->arena, flows);
  Span span = o.node ? o.node->origin : c->g->input.span;
  bool same_place = span.source == c->node->origin.source && span.begin == c->node->origin.begin;
  const char *text = arena_printf(c->g->arena, "%s %s: %s%s%s%s", o.node && !same_place ? "ends with" : "from", o.name, at,
                                  streq(at, here) ? "" : ", ", streq(at, here) ? "" : o.shape->rank == 3 && flows->rank == 1 && flows->dim[0] == o.shape->dim[0] ? "pooled to " : "then ",
                                  streq(at, here) ? "" : here);
  if (span.source == SPAN_NO_SOURCE || same_place) diag_note(&c->s->diags, d, "what flows in comes %s", text);
  else diag_label(&c->s->diags, d, span, "%s", text);
}

/* Where the layer's arguments stand in the script, or the statement that brought it. */
static Span blame(const ShapeContext *c) {
  if (c->node->module != NO_ID) {
    Span args = c->g->modules.at[c->node->module].args_span;
    if (args.source != SPAN_NO_SOURCE && args.end > args.begin && args.source == c->node->origin.source) return args;
  }
  return c->node->origin;
}

bool shape_wants_features(ShapeContext *c, const char *what, const char *argument, int64_t wants, int64_t got) {
  const char *type = op_info(c->op)->name;
  bool own = c->node->module != NO_ID && c->g->modules.at[c->node->module].args.arg_span[0].end > 0 &&
             c->g->modules.at[c->node->module].args.arg_span[0].source == c->node->origin.source;
  Span span = own ? c->g->modules.at[c->node->module].args.arg_span[0] : blame(c);
  Diag *d = diag_report(&c->s->diags, DIAG_E0301, span, "%s expects %lld %s but %lld flow in", type, (long long)wants, what,
                        (long long)got);
  diag_caret(&c->s->diags, d, "wants %lld", (long long)wants);
  label_origin(c, d, 0);
  int64_t out = c->op == OP_Conv2d ? c->args->out_channels : c->op == OP_Linear ? c->args->out_features : -1;
  if (!own) {
    diag_note(&c->s->diags, d, "%s is the layer that no longer fits: it wants %lld, and after this edit %lld arrive",
              c->node->name, (long long)wants, (long long)got);
    if (out >= 0)
      diag_help(&c->s->diags, d, "replace %s with %s(%lld, %lld%s)", c->node->name, type, (long long)got, (long long)out,
                c->op == OP_Conv2d ? ", …" : "");
  } else if (c->op == OP_Linear) {
    diag_help(&c->s->diags, d, "Linear(%lld, %lld), or Linear(_, %lld) to have it inferred", (long long)got, (long long)out,
              (long long)out);
  } else {
    diag_help(&c->s->diags, d, "write %s=%lld, or %s=_ to have it inferred", argument, (long long)got, argument);
  }
  return false;
}

bool shape_wants_rank(ShapeContext *c, const char *wants, const char *help) {
  const char *type = op_info(c->op)->name;
  Diag *d = diag_report(&c->s->diags, DIAG_E0302, blame(c), "%s wants %s but %s flows in", type, wants,
                        shape_text(c->g->arena, &c->in[0]));
  diag_caret(&c->s->diags, d, "%s wants %s", c->node->name, wants);
  label_origin(c, d, 0);
  if (help) diag_help(&c->s->diags, d, "%s", help);
  else {
    int64_t count = shape_count(&c->in[0]);
    diag_help(&c->s->diags, d, "a Flatten is missing: Sequential(Flatten(), Linear(%lld, %lld))%s", (long long)count,
              (long long)c->args->out_features,
              c->in[0].dim[1] > 1 ? ", with AdaptiveAvgPool2d(1) before it to pool the map first" : "");
  }
  return false;
}

bool shape_window_too_large(ShapeContext *c, const char *axis, int64_t window, int64_t size) {
  Diag *d = diag_report(&c->s->diags, DIAG_E0303, blame(c), "%s has a window %lld %s but its padded input is only %lld %s",
                        c->node->name, (long long)window, axis, (long long)size, axis);
  diag_caret(&c->s->diags, d, "window of %lld", (long long)window);
  label_origin(c, d, 0);
  diag_help(&c->s->diags, d, "use a larger input, a smaller kernel_size, or remove a pooling layer before it");
  return false;
}

bool shape_mismatch(ShapeContext *c, size_t other, const char *rule) {
  Diag *d = diag_report(&c->s->diags, DIAG_E0304, blame(c), "%s meets %s and %s: %s", c->node->name,
                        shape_text(c->g->arena, &c->in[0]), shape_text(c->g->arena, &c->in[other]), rule);
  label_origin(c, d, 0);
  label_origin(c, d, other);
  diag_help(&c->s->diags, d, "edit both branches alike, or neither");
  return false;
}

bool shape_bad_dimension(ShapeContext *c, int64_t dim) {
  Diag *d = diag_report(&c->s->diags, DIAG_E0305, blame(c), "%s: dimension %lld is not one of %s", c->node->name, (long long)dim,
                        shape_text(c->g->arena, &c->in[0]));
  label_origin(c, d, 0);
  diag_help(&c->s->diags, d, "dimension 0 is the batch, which stays; the others are 1 to %d, or -1 to -%d from the end", c->in[0].rank,
            c->in[0].rank);
  return false;
}
