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

/* "ends with layer2: (N, 128, 28, 28), pooled to (N, 128)" */
static const char *flow_text(const ShapeContext *c, const Origin *o, const Shape *flows) {
  Arena *arena = c->g->arena;
  const char *at = shape_text(arena, o->shape), *here = shape_text(arena, flows);
  const char *start = arena_printf(arena, "%s %s: %s", o->node ? "ends with" : "is", o->name, at);
  if (streq(at, here)) return start;
  bool pooled = o->shape->rank == 3 && flows->rank == 1 && flows->dim[0] == o->shape->dim[0];
  return arena_printf(arena, "%s, %s %s", start, pooled ? "pooled to" : "then", here);
}

static bool same_span(Span a, Span b) { return a.source == b.source && a.begin == b.begin; }

static void label_origin(ShapeContext *c, Diag *d, size_t input) {
  ValueId value = c->node->inputs.at[input];
  Origin o = find_origin(c, value);
  const char *text = flow_text(c, &o, &c->g->values.at[value].shape);
  Span span = o.node ? o.node->origin : c->g->input.span;
  if (span.source == SPAN_NO_SOURCE || same_span(span, d->span)) diag_note(&c->s->diags, d, "what flows in %s", text);
  else diag_label(&c->s->diags, d, span, "%s", text);
}

/* Of the statements that made the way from the last learnt layer to this node the one that came last: it is
 * what broke the shapes. */
static Span last_edit(const ShapeContext *c) {
  const Graph *g = c->g;
  Span last = c->node->origin;
  NodeId id = g->values.at[c->node->inputs.at[0]].producer;
  while (id != NO_ID) {
    const Node *n = &g->nodes.at[id];
    if (n->origin.source == last.source && n->origin.begin > last.begin) last = n->origin;
    bool learnt = n->module != NO_ID && g->modules.at[n->module].params.count > 0;
    if (learnt || n->inputs.count != 1) break;
    id = g->values.at[n->inputs.at[0]].producer;
  }
  return last;
}

/* Where the layer's arguments stand in the script, when its own statement came last; else the edit to blame. */
static Span blame(const ShapeContext *c) {
  Span edit = last_edit(c);
  if (c->node->module == NO_ID || !same_span(edit, c->node->origin)) return edit;
  Span args = c->g->modules.at[c->node->module].args_span;
  bool there = args.source == edit.source && args.end > args.begin;
  return there ? args : edit;
}

/* The seam at which the value flows into a slice of another donor; NULL where it is none. */
static Seam *seam_of(const ShapeContext *c) {
  const Graph *g = c->g;
  NodeId before = g->values.at[c->node->inputs.at[0]].producer;
  ModuleId home = c->node->module != NO_ID ? c->node->module : c->node->scope, from = NO_ID;
  if (before != NO_ID) from = g->nodes.at[before].module != NO_ID ? g->nodes.at[before].module : g->nodes.at[before].scope;
  for (size_t i = 0; home != NO_ID && i < g->seams.count; i++)
    if (module_within(g, home, g->seams.at[i].container) &&
        (from == NO_ID || !module_within(g, from, g->seams.at[i].container)))
      return &g->seams.at[i];
  return NULL;
}

/* Once for all the layers that the value enters. */
static bool report_seam(ShapeContext *c, Seam *seam, long long wants, long long got) {
  if (seam->reported) return false;
  seam->reported = true;
  Diags *diags = &c->s->diags;
  Diag *d = diag_report(diags, DIAG_E0229, c->node->origin, "%s takes %lld channels but %lld flow in", seam->donor, wants, got);
  if (seam->wants.rank >= 0)
    diag_caret(diags, d, "takes %s in its own network", shape_text(c->g->arena, &seam->wants));
  label_origin(c, d, 0);
  for (size_t i = 0; i < seam->starts.count; i++)
    if (seam->channels.at[i] == got) diag_help(diags, d, "%s takes %lld", seam->starts.at[i], got);
  diag_help(diags, d, "or put a layer between the two that gives %lld: append Conv2d(_, %lld, 1)", wants, wants);
  return false;
}

bool shape_wants_features(ShapeContext *c, const char *what, const char *argument, int64_t wants, int64_t got) {
  Seam *seam = seam_of(c);
  if (seam && c->in[0].rank == 3) return report_seam(c, seam, wants, got);
  const char *type = op_info(c->op)->name;
  Span argument_span = c->node->module == NO_ID ? SPAN_NONE : c->g->modules.at[c->node->module].args.arg_span[0];
  bool own = argument_span.end > 0 && argument_span.source == c->node->origin.source &&
             same_span(last_edit(c), c->node->origin);
  Span span = own ? argument_span : blame(c);
  Diag *d = diag_report(&c->s->diags, DIAG_E0301, span, "%s expects %lld %s but %lld flow in", type, (long long)wants, what,
                        (long long)got);
  if (own) diag_caret(&c->s->diags, d, "wants %lld", (long long)wants);
  else diag_caret(&c->s->diags, d, "%s behind it wants %lld", c->node->name, (long long)wants);
  label_origin(c, d, 0);
  int64_t out = c->op == OP_Conv2d ? c->args->out_channels : c->op == OP_Linear ? c->args->out_features : -1;
  if (!own) {
    if (out >= 0)
      diag_help(&c->s->diags, d, "replace %s with %s(%lld, %lld%s)", c->node->name, type, (long long)got, (long long)out,
                c->op == OP_Conv2d ? ", …" : "");
    else
      diag_help(&c->s->diags, d, "let the edit give %lld, or replace %s with %s(%lld) too", (long long)wants, c->node->name, type,
                (long long)got);
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
  else if (c->in[0].dim[1] * c->in[0].dim[2] > 1)
    diag_help(&c->s->diags, d, "pool and flatten it first: Sequential(AdaptiveAvgPool2d(1), Flatten(), Linear(%lld, %lld))",
              (long long)c->in[0].dim[0], (long long)c->args->out_features);
  else
    diag_help(&c->s->diags, d, "a Flatten is missing: Sequential(Flatten(), Linear(%lld, %lld))", (long long)c->in[0].dim[0],
              (long long)c->args->out_features);
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
