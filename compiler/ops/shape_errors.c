/* The messages of the shape pass: what a layer wants against what flows in, where that comes from, and what
 * would fit. Always in these words, so that users learn to read them. Longer cures are in shape_cures.c. */
#include "compiler/ops/shape.h"

bool shape_in_script(const ShapeContext *c, Span span) {
  return span.end > span.begin && source_is_users(&c->s->sources, span);
}

const char *shape_source_text(const ShapeContext *c, Span span) {
  if (span.source >= c->s->sources.files.count || span.end <= span.begin) return "";
  return arena_strndup(c->s->arena, c->s->sources.files.at[span.source].text + span.begin, span.end - span.begin);
}

static bool same_span(Span a, Span b) { return a.source == b.source && a.begin == b.begin; }

/* The value that flows into the node, followed up to the layer which gave it its features. */
typedef struct Origin {
  const Node *node;   /* NULL: the network's input */
  const Shape *shape; /* of what that node returns */
  const char *name;   /* "layer2" when it ends that stage */
} Origin;

static Origin find_origin(const ShapeContext *c, ValueId value) {
  const Graph *g = c->g;
  NodeId id = value_at(g, value)->producer;
  while (id != NO_ID) {
    const Node *n = node_at(g, id);
    bool learnt = n->module != NO_ID && module_at(g, n->module)->params.count > 0;
    if (learnt || n->inputs.count != 1 || n->stage != NO_ID) break;
    value = n->inputs.at[0];
    id = value_at(g, value)->producer;
  }
  Origin origin = {NULL, &value_at(g, value)->shape, "the input"};
  if (id == NO_ID) return origin;
  origin.node = node_at(g, id);
  origin.name = origin.node->name;
  int stage = origin.node->stage;
  if (stage == NO_ID) return origin;
  for_each_alive_node(g, n) { /* the stage's last node stands for the stage */
    if (n->stage == stage) origin.name = n == origin.node ? g->stages.at[stage].name : origin.node->name;
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

/* Where the node stands in the script: the layer as it is declared, else its call; for a built-in network what
 * brought it. */
static Span place_of(const ShapeContext *c, const Node *n) {
  if (n->module != NO_ID && shape_in_script(c, module_at(c->g, n->module)->args_span))
    return module_at(c->g, n->module)->args_span;
  return shape_in_script(c, n->place) ? n->place : n->origin;
}

void shape_label(ShapeContext *c, Diag *d, size_t input) {
  ValueId value = c->node->inputs.at[input];
  Origin o = find_origin(c, value);
  const Shape *flows = &value_at(c->g, value)->shape;
  Span span = o.node ? place_of(c, o.node) : c->g->input.span;
  const char *text = flow_text(c, &o, flows);
  if (o.node && !same_span(span, o.node->origin)) { /* its own place says which layer it is */
    Arena *arena = c->g->arena;
    const char *made = shape_text(arena, o.shape), *here = shape_text(arena, flows);
    text = streq(made, here) ? arena_printf(arena, "gives %s", made)
                             : arena_printf(arena, "gives %s, then %s", made, here);
  }
  bool taken = same_span(span, d->span);
  for (size_t i = 0; i < d->labels.count; i++) taken = taken || same_span(span, d->labels.at[i].span);
  if (span.source == SPAN_NO_SOURCE || taken) diag_note(&c->s->diags, d, "what flows in %s", text);
  else diag_label(&c->s->diags, d, span, "%s", text);
}

/* The node that gave the value its features: the way up over nodes with one input, to a layer that learns. */
static NodeId learnt_above(const Graph *g, ValueId value) {
  NodeId id = value_at(g, value)->producer;
  while (id != NO_ID) {
    const Node *n = node_at(g, id);
    if (n->module != NO_ID && module_at(g, n->module)->params.count > 0) return id;
    if (n->inputs.count != 1) break;
    id = value_at(g, n->inputs.at[0])->producer;
  }
  return NO_ID;
}

/* Of the statements that made the way from the last learnt layer to this node the one that came last: it is
 * what broke the shapes. */
static Span last_edit_of(const ShapeContext *c, size_t input) {
  const Graph *g = c->g;
  Span last = c->node->origin;
  NodeId id = value_at(g, c->node->inputs.at[input])->producer;
  while (id != NO_ID) {
    const Node *n = node_at(g, id);
    if (n->origin.source == last.source && n->origin.begin > last.begin) last = n->origin;
    bool learnt = n->module != NO_ID && module_at(g, n->module)->params.count > 0;
    if (learnt || n->inputs.count != 1) break;
    id = value_at(g, n->inputs.at[0])->producer;
  }
  return last;
}
static Span last_edit(const ShapeContext *c) { return last_edit_of(c, 0); }

size_t shape_unedited(const ShapeContext *c, size_t other) {
  Span first = last_edit_of(c, 0), second = last_edit_of(c, other);
  return first.source == second.source && first.begin > second.begin ? other : 0;
}

/* The network as it was taken would do, had it not another input than it is made for. */
static bool input_is_to_blame(const ShapeContext *c, Span blamed) {
  const Graph *g = c->g;
  return same_span(blamed, module_at(g, 0)->origin) && shape_in_script(c, g->input.span) && g->made_for.rank >= 0 &&
         !shape_equal(&g->made_for, &g->input.shape);
}

/* Where the layer's arguments stand in the script, when its own statement came last; else the edit to blame. */
Span shape_blame(const ShapeContext *c) {
  Span edit = last_edit(c);
  for (size_t i = 1; i < c->node->inputs.count; i++) {
    Span other = last_edit_of(c, i);
    if (other.source == edit.source && other.begin > edit.begin) edit = other;
  }
  if (same_span(edit, c->node->origin)) edit = place_of(c, c->node);
  return input_is_to_blame(c, edit) ? c->g->input.span : edit;
}

static void note_made_for(ShapeContext *c, Diag *d) {
  if (!same_span(d->span, c->g->input.span) || c->g->made_for.rank < 0) return;
  diag_note(&c->s->diags, d, "%s is made for %s", c->g->name, shape_text(c->g->arena, &c->g->made_for));
}

/* ---- features ---- */

/* "32 * 24 * 24" for what a flatten makes of a map, where the script multiplies too; else the number. */
static const char *features_text(const ShapeContext *c, Span argument, int64_t got) {
  NodeId id = value_at(c->g, c->node->inputs.at[0])->producer;
  const Node *n = id == NO_ID ? NULL : node_at(c->g, id);
  bool flat = n && (n->op == OP_Flatten || n->op == OP_flatten);
  const Shape *map = flat ? &value_at(c->g, n->inputs.at[0])->shape : NULL;
  if (map && map->rank == 3 && strchr(shape_source_text(c, argument), '*') &&
      map->dim[0] * map->dim[1] * map->dim[2] == got)
    return arena_printf(c->s->arena, "%lld * %lld * %lld", (long long)map->dim[0], (long long)map->dim[1],
                        (long long)map->dim[2]);
  return arena_printf(c->s->arena, "%lld", (long long)got);
}

/* A layer in a loop stands there once and is built several times: one number cannot fit all of them. */
static bool is_built_once(const ShapeContext *c, Span argument) {
  size_t count = 0;
  for (size_t i = 0; i < c->g->modules.count; i++) count += same_span(module_at(c->g, i)->args.arg_span[0], argument);
  return count == 1;
}

/* `replace conv1 with Conv2d(1, …)`, where the network's input has 3 channels: the input is to have as many, too. */
static void cure_other_input(ShapeContext *c, Diag *d) {
  const Graph *g = c->g;
  const Input *input = &g->input;
  const Node *n = c->node;
  int64_t channels = c->op == OP_Conv2d ? c->args->Conv2d.in_channels : 0;
  Span edit = n->origin;
  if (channels < 1 || channels > 4 || input->kind != INPUT_IMAGE || input->shape.rank != 3 ||
      value_at(g, n->inputs.at[0])->producer != NO_ID || shape_in_script(c, input->span) || !shape_in_script(c, edit) ||
      same_span(edit, module_at(g, 0)->origin))
    return;
  const char *size = arena_printf(c->s->arena, "input image(%lld, %lld, %lld)", (long long)channels,
                                  (long long)input->shape.dim[1], (long long)input->shape.dim[2]);
  diag_help(&c->s->diags, d, "for pictures of %lld channel%s: %s", (long long)channels, channels == 1 ? "" : "s", size);
  shape_fix_behind(c, d, edit, "%s", size);
  if (strncmp(shape_source_text(c, edit), "replace", 7) != 0) return;
  diag_help(&c->s->diags, d, "`adapt %s to channels %lld` in the place of the replace keeps what it has learnt",
            n->name, (long long)channels);
  diag_fix(&c->s->diags, d, edit, "adapt %s to channels %lld\n%s", n->name, (long long)channels, size);
}

static void cure_own_argument(ShapeContext *c, Diag *d, Span argument, int64_t got) {
  Arena *arena = c->s->arena;
  cure_other_input(c, d);
  const char *type = op_info(c->op)->name, *rest = "";
  if (c->op == OP_Linear) rest = arena_printf(arena, ", %lld", (long long)c->args->Linear.out_features);
  if (c->op == OP_Conv2d) rest = ", …";
  if (c->op == OP_MultiheadAttention)
    rest = arena_printf(arena, ", %lld", (long long)c->args->MultiheadAttention.num_heads);
  const char *number = features_text(c, argument, got);
  if (is_built_once(c, argument)) {
    diag_help(&c->s->diags, d, "%s(%s%s), or %s(_%s) to have it inferred", type, number, rest, type, rest);
    diag_fix(&c->s->diags, d, argument, "%s", number);
  } else {
    diag_help(&c->s->diags, d, "%s(_%s) has it inferred for each", type, rest);
  }
  diag_fix(&c->s->diags, d, argument, "_");
}

/* The layer that an edit put before this one, and where it says how much it makes. */
static const Module *edited_maker(const ShapeContext *c, Span edit, Span *out) {
  NodeId id = learnt_above(c->g, c->node->inputs.at[0]);
  const Module *m =
      id == NO_ID || node_at(c->g, id)->module == NO_ID ? NULL : module_at(c->g, node_at(c->g, id)->module);
  if (!m || !same_span(m->origin, edit) || (m->op != OP_Conv2d && m->op != OP_Linear)) return NULL;
  *out = m->args.arg_span[1]; /* out_channels, out_features */
  return shape_in_script(c, *out) ? m : NULL;
}

static void cure_other(ShapeContext *c, Diag *d, int64_t got) {
  const char *name = c->node->name, *type = op_info(c->op)->name;
  Diags *diags = &c->s->diags;
  bool first = value_at(c->g, c->node->inputs.at[0])->producer == NO_ID;
  if (c->op == OP_Conv2d && first && c->args->Conv2d.groups == 1) {
    diag_help(diags, d, "`adapt %s to channels %lld` keeps what it has learnt", name, (long long)got);
    shape_fix_behind(c, d, d->span, "adapt %s to channels %lld", name, (long long)got);
  } else if (c->op == OP_Linear) {
    diag_help(diags, d, "replace %s with Linear(%lld, %lld)", name, (long long)got,
              (long long)c->args->Linear.out_features);
    shape_fix_behind(c, d, d->span, "replace %s with Linear(%lld, %lld)", name, (long long)got,
                     (long long)c->args->Linear.out_features);
  } else if (c->op == OP_Conv2d) {
    diag_help(diags, d, "replace %s with %s(%lld, %lld, …)", name, type, (long long)got,
              (long long)c->args->Conv2d.out_channels);
  } else {
    diag_help(diags, d, "replace %s with %s(%lld) too", name, type, (long long)got);
  }
}

/* The seam at which the value flows into a slice of another donor; NULL where it is none. */
static Seam *seam_of(const ShapeContext *c) {
  const Graph *g = c->g;
  NodeId before = value_at(g, c->node->inputs.at[0])->producer;
  ModuleId home = c->node->module != NO_ID ? c->node->module : c->node->scope, from = NO_ID;
  if (before != NO_ID)
    from = node_at(g, before)->module != NO_ID ? node_at(g, before)->module : node_at(g, before)->scope;
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
  Diag *d = diag_report(diags, DIAG_E0229, c->node->origin, "%s takes %lld channels but %lld flow in", seam->donor,
                        wants, got);
  if (seam->wants.rank >= 0) diag_caret(diags, d, "takes %s in its own network", shape_text(c->g->arena, &seam->wants));
  shape_label(c, d, 0);
  for (size_t i = 0; i < seam->starts.count; i++)
    if (seam->channels.at[i] == got) diag_help(diags, d, "%s takes %lld", seam->starts.at[i], got);
  diag_help(diags, d, "or put a layer between the two that gives %lld: append Conv2d(_, %lld, 1)", wants, wants);
  return false;
}

bool shape_wants_features(ShapeContext *c, const char *what, int64_t wants, int64_t got) {
  Seam *seam = seam_of(c);
  if (seam && c->in[0].rank == 3) return report_seam(c, seam, wants, got);
  const char *type = op_info(c->op)->name;
  Span edit = last_edit(c), out = SPAN_NONE;
  Span own = c->node->module == NO_ID ? SPAN_NONE : module_at(c->g, c->node->module)->args.arg_span[0];
  if (!shape_in_script(c, own) || !same_span(edit, c->node->origin)) own = SPAN_NONE;
  bool is_own = own.source != SPAN_NO_SOURCE;
  const Module *maker = is_own ? NULL : edited_maker(c, edit, &out);
  Diag *d = diag_report(&c->s->diags, DIAG_E0301,
                        is_own  ? own
                        : maker ? out
                                : shape_blame(c),
                        "%s expects %lld %s but %lld flow in", type, (long long)wants, what, (long long)got);
  if (is_own) diag_caret(&c->s->diags, d, "wants %lld", (long long)wants);
  else if (maker)
    diag_caret(&c->s->diags, d, "makes %lld, and %s behind it wants %lld", (long long)got, c->node->name,
               (long long)wants);
  else if (same_span(d->span, c->g->input.span))
    diag_caret(&c->s->diags, d, "%s wants %lld", c->node->name, (long long)wants);
  else diag_caret(&c->s->diags, d, "%s behind it wants %lld", c->node->name, (long long)wants);
  if (!maker) shape_label(c, d, 0);
  note_made_for(c, d);
  if (maker) {
    diag_help(&c->s->diags, d, "let %s make %lld, or replace %s too", maker->name, (long long)wants, c->node->name);
    diag_fix(&c->s->diags, d, out, "%lld", (long long)wants);
  } else if (is_own) {
    cure_own_argument(c, d, own, got);
  } else {
    cure_other(c, d, got);
  }
  return false;
}

/* ---- rank ---- */

/* BatchNorm1d and 2d: the other one fits. */
static void cure_norm(ShapeContext *c, Diag *d) {
  const char *other = c->op == OP_BatchNorm1d ? "BatchNorm2d" : "BatchNorm1d";
  diag_help(&c->s->diags, d, c->op == OP_BatchNorm1d ? "%s is the one for maps" : "%s is the one behind a flatten",
            other);
  Span args = c->node->module == NO_ID ? SPAN_NONE : module_at(c->g, c->node->module)->args_span;
  const char *type = op_info(c->op)->name;
  if (!shape_in_script(c, args) || !same_span(last_edit(c), c->node->origin) ||
      strncmp(shape_source_text(c, args), type, strlen(type)) != 0)
    return;
  args.end = args.begin + (uint32_t)strlen(type);
  diag_fix(&c->s->diags, d, args, "%s", other);
}

/* The call that made the map flat, or NULL. */
static const Node *flattened_by(const ShapeContext *c) {
  ValueId value = c->node->inputs.at[0];
  for (NodeId id = value_at(c->g, value)->producer; id != NO_ID; id = value_at(c->g, value)->producer) {
    const Node *n = node_at(c->g, id);
    if (n->inputs.count != 1) return NULL;
    value = n->inputs.at[0];
    if (value_at(c->g, value)->shape.rank == 3 && value_at(c->g, n->output)->shape.rank == 1) return n;
  }
  return NULL;
}

bool shape_wants_rank(ShapeContext *c, const char *wants, const char *help) {
  const char *type = op_info(c->op)->name;
  Diag *d = diag_report(&c->s->diags, DIAG_E0302, shape_blame(c), "%s wants %s but %s flows in", type, wants,
                        shape_text(c->g->arena, &c->in[0]));
  diag_caret(&c->s->diags, d, "%s wants %s", c->node->name, wants);
  shape_label(c, d, 0);
  const Node *flat = c->in[0].rank == 1 ? flattened_by(c) : NULL;
  if (c->op == OP_BatchNorm1d || c->op == OP_BatchNorm2d) {
    cure_norm(c, d);
  } else if (flat) {
    const Shape *map = &value_at(c->g, flat->inputs.at[0])->shape;
    diag_help(&c->s->diags, d, "put it before '%s', which makes %s of %s", flat->name,
              shape_text(c->g->arena, &c->in[0]), shape_text(c->g->arena, map));
  } else if (help) {
    diag_help(&c->s->diags, d, "%s", help);
  } else {
    shape_cure_flatten(c, d);
  }
  return false;
}

/* ---- windows, branches, dimensions ---- */

bool shape_window_too_large(ShapeContext *c, int dimension, int64_t window, int64_t size) {
  const char *axis = dimension == 0 ? "high" : "wide";
  Diag *d = diag_report(&c->s->diags, DIAG_E0303, shape_blame(c),
                        "%s has a window %lld %s but its padded input is only %lld %s", c->node->name,
                        (long long)window, axis, (long long)size, axis);
  diag_caret(&c->s->diags, d, same_span(d->span, c->g->input.span) ? "too small for it" : "window of %lld",
             (long long)window);
  shape_label(c, d, 0);
  note_made_for(c, d);
  diag_help(&c->s->diags, d, "use a larger input, a smaller kernel_size, or remove a pooling layer before it");
  return false;
}

/* What two shapes differ in, in words; NULL for more than one thing. */
static const char *difference(const ShapeContext *c, const Shape *a, const Shape *b) {
  static const char *const first_of[] = {NULL, "features", "tokens", "channels"}; /* by rank */
  if (a->rank + b->rank == 4 && a->rank != b->rank) return "one is a map, the other flat";
  if (a->rank != b->rank || a->rank < 1 || a->rank > 3) return NULL;
  bool first = a->dim[0] != b->dim[0], others = false;
  for (int i = 1; i < a->rank; i++) others |= a->dim[i] != b->dim[i];
  if (first == others) return NULL;
  if (first || a->rank == 2)
    return arena_printf(c->s->arena, "the %s differ, %lld and %lld", first_of[first ? a->rank : 1],
                        (long long)a->dim[first ? 0 : 1], (long long)b->dim[first ? 0 : 1]);
  return arena_printf(c->s->arena, "the sizes differ, %lld x %lld and %lld x %lld", (long long)a->dim[1],
                      (long long)a->dim[2], (long long)b->dim[1], (long long)b->dim[2]);
}

bool shape_mismatch(ShapeContext *c, size_t other, const char *rule) {
  const Shape *a = &c->in[0], *b = &c->in[other];
  Diag *d = diag_report(&c->s->diags, DIAG_E0304, shape_blame(c), "%s meets %s and %s: %s", c->node->name,
                        shape_text(c->g->arena, a), shape_text(c->g->arena, b), rule);
  const char *what = difference(c, a, b);
  if (what) diag_caret(&c->s->diags, d, "%s", what);
  shape_label(c, d, 0);
  shape_label(c, d, other);
  bool add = c->op == OP_add && a->rank == 3 && b->rank == 3;
  if (add && a->dim[1] == b->dim[1] && a->dim[2] == b->dim[2])
    diag_help(&c->s->diags, d,
              "give both sides the same channels: a 1x1 convolution on one side does it, Conv2d(%lld, %lld, 1)",
              (long long)b->dim[0], (long long)a->dim[0]);
  else if (add && a->dim[0] == b->dim[0])
    diag_help(&c->s->diags, d,
              "give both sides the same size: the same stride on both, padding where a kernel is larger than 1");
  else if (c->op == OP_cat && a->rank == 3 && b->rank == 3)
    diag_help(&c->s->diags, d,
              "padding=(kernel_size - 1) / 2 keeps the size of a convolution; a stride must be the same on both sides");
  else diag_help(&c->s->diags, d, "edit both branches alike, or neither");
  return false;
}

/* flatten(x), x.flatten(): torch's default begins with the batch. */
static bool cure_flatten_all(ShapeContext *c, Diag *d) {
  Span call = c->node->place;
  const char *text = shape_source_text(c, call);
  size_t length = strlen(text);
  if (!shape_in_script(c, call) || length < 2 || text[length - 1] != ')') return false;
  bool bare = text[length - 2] == '(';
  const char *whole = arena_printf(c->s->arena, "%.*s%s1)", (int)length - 1, text, bare ? "" : ", ");
  diag_help(&c->s->diags, d, "dimension 0 is the batch, which stays: %s", whole);
  diag_fix(&c->s->diags, d, call, "%s", whole);
  return true;
}

bool shape_bad_dimension(ShapeContext *c, int argument, int64_t dim, bool twice) {
  Span own = c->args->arg_span[argument];
  bool there = shape_in_script(c, own); /* else the argument stands somewhere else */
  Diag *d = diag_report(&c->s->diags, DIAG_E0305, there ? own : shape_blame(c),
                        twice ? "%s: dimension %lld is named twice" : "%s: dimension %lld is not one of %s",
                        c->node->name, (long long)dim, shape_text(c->g->arena, &c->in[0]));
  shape_label(c, d, 0);
  if (twice) return false;
  if (c->op == OP_flatten && !there && dim == 0 && cure_flatten_all(c, d)) return false;
  if (c->in[0].rank == 1) {
    diag_help(&c->s->diags, d, "dimension 0 is the batch, which stays; the only other is 1");
    if (there) diag_fix(&c->s->diags, d, own, "1");
  } else {
    diag_help(&c->s->diags, d,
              "dimension 0 is the batch, which stays; the others are 1 to %d, or -1 to -%d from the end", c->in[0].rank,
              c->in[0].rank);
  }
  return false;
}
