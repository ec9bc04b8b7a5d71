/* Makes random scripts; see random_script.h. */
#include "tests/fuzz/random_script.h"
#include "compiler/ops/shape.h"
#include <inttypes.h>

/* ---- chance ---- */

static uint64_t next(Random *r) { /* splitmix64 */
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
static int64_t between(Random *r, int64_t least, int64_t most) {
  return least + (int64_t)(next(r) % (uint64_t)(most - least + 1));
}
static bool one_in(Random *r, int n) { return next(r) % (uint64_t)n == 0; }

/* ---- the network so far ---- */

typedef struct Sketch {
  Session *s;
  Random *r;
  Graph *g;               /* its values alone: their ids and shapes, as the shape rules ask for them */
  VEC(const char *) name; /* of each value in the forward */
  const char *layers, *forward;
  int layer_count, value_count;
} Sketch;

typedef bool ShapeRule(ShapeContext *c);
static ShapeRule *const rules[OP_COUNT] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) [OP_##NAME] = SHAPE,
#include "grammar/ops.def"
#undef OP
};

static ValueId add_value(Sketch *k, const char *name, Shape shape) {
  ValueId id = graph_add_value(k->g, NO_ID);
  k->g->values.at[id].shape = shape;
  vec_push(k->s->arena, &k->name, name);
  return id;
}

/* ---- arguments ---- */

static int64_t draw_int(Random *r, const char *name) {
  size_t length = strlen(name);
  if (length >= 3 && streq(name + length - 3, "dim") && !streq(name, "embedding_dim") && !streq(name, "embed_dim"))
    return between(r, -3, 4);
  if (streq(name, "index")) return between(r, -2, 2);
  if (streq(name, "padding_idx") || streq(name, "padding")) return between(r, 0, 2);
  return between(r, 1, one_in(r, 4) ? 20 : 4);
}

static void draw_arg(Sketch *k, const ArgInfo *info, void *at) {
  Random *r = k->r;
  if (info->fallback && !one_in(r, 3)) {
    put_fallback(k->s->arena, info, at);
    return;
  }
  switch (info->type) {
  case ARG_INT: *(int64_t *)at = info->hole && !one_in(r, 6) ? HOLE_VALUE : draw_int(r, info->name); break;
  case ARG_PAIR:
    ((int64_t *)at)[0] = ((int64_t *)at)[1] = draw_int(r, info->name);
    if (one_in(r, 4)) ((int64_t *)at)[1] = draw_int(r, info->name);
    break;
  case ARG_FLOAT: *(double *)at = (double)between(r, 1, 9) / (one_in(r, 20) ? -10 : 10); break;
  case ARG_BOOL: *(bool *)at = one_in(r, 2); break;
  case ARG_TEXT: *(const char **)at = one_in(r, 2) ? "tanh" : "none"; break;
  case ARG_INTS: {
    IntList *list = at;
    list->count = info->hole && !one_in(r, 6) ? 1 : (int)between(r, 1, 2);
    for (int i = 0; i < list->count; i++)
      list->at[i] = info->hole && list->count == 1 ? HOLE_VALUE : draw_int(r, info->name);
  }
  }
}

static OpArgs draw_args(Sketch *k, OpId op) {
  OpArgs args = {0};
  for (const ArgInfo *info = op_info(op)->args; info->name; info++) draw_arg(k, info, (char *)&args + info->offset);
  return args;
}

/* "2, stride=3": a leading comma where something is before it. */
static const char *args_text(Sketch *k, OpId op, const OpArgs *args, bool first) {
  const char *text = "";
  for (const ArgInfo *info = op_info(op)->args; info->name; info++) {
    const void *at = (const char *)args + info->offset;
    bool hole = info->hole && *(const int64_t *)at == HOLE_VALUE;
    text = arena_printf(k->s->arena, "%s%s%s=%s", text, first && !*text ? "" : ", ", info->name,
                        hole ? "_" : arg_text(k->s->arena, info, args));
  }
  return text;
}

/* ---- calls ---- */

enum { MOST_INPUTS = 4 };

/* What the operator makes of these values; rank -1 where they do not fit it. The messages are no one's. */
static Shape shape_of(Sketch *k, OpId op, OpArgs args, const ValueId *input, size_t count) {
  Session *s = arena_new(k->s->arena, Session);
  s->arena = s->sources.arena = s->diags.arena = k->s->arena;
  s->diags.sources = &s->sources;
  Node node = {
      .op = op, .name = op_info(op)->name, .module = NO_ID, .scope = NO_ID, .origin = SPAN_NONE, .place = SPAN_NONE};
  Shape in[MOST_INPUTS], out = {.rank = -1};
  for (size_t i = 0; i < count; i++) {
    vec_push(k->s->arena, &node.inputs, input[i]);
    in[i] = k->g->values.at[input[i]].shape;
  }
  ShapeContext c = {s, k->g, &node, op, &args, in, count, &out};
  bool fits = true;
  for (size_t i = 0; i < count && fits; i++) fits = in[i].dtype != DTYPE_I64 || shape_integers_fit(&c, i);
  if (!fits || !rules[op](&c) || s->diags.errors > 0) out.rank = -1;
  for (int i = 0; i < out.rank; i++)
    if (out.dim[i] < 1 || out.dim[i] > 4096) return (Shape){.rank = -1};
  return out;
}

static const char *inputs_text(Sketch *k, const OpInfo *info, const ValueId *input, size_t count) {
  const char *text = "";
  for (size_t i = 0; i < count; i++)
    text = arena_printf(k->s->arena, "%s%s%s", text, i ? ", " : "", k->name.at[input[i]]);
  return info->inputs == INPUTS_MANY ? arena_printf(k->s->arena, "[%s]", text) : text;
}

static void write_call(Sketch *k, OpId op, const OpArgs *args, const ValueId *input, size_t count, Shape out) {
  const OpInfo *info = op_info(op);
  Arena *arena = k->s->arena;
  const char *values = inputs_text(k, info, input, count), *name = arena_printf(arena, "v%d", k->value_count++);
  if (info->is_layer) {
    const char *layer = arena_printf(arena, "l%d", k->layer_count++);
    k->layers = arena_printf(arena, "%s  %s = %s(%s)\n", k->layers, layer, info->name, args_text(k, op, args, true));
    k->forward = arena_printf(arena, "%s    %s = %s(%s)\n", k->forward, name, layer, values);
    add_value(k, name, out);
    Shape again = shape_of(k, op, *args, &(ValueId){(ValueId)k->g->values.count - 1}, 1);
    if (count != 1 || again.rank < 0 || !one_in(k->r, 6)) return;
    const char *second = arena_printf(arena, "v%d", k->value_count++); /* the same layer once more */
    k->forward = arena_printf(arena, "%s    %s = %s(%s)\n", k->forward, second, layer, name);
    add_value(k, second, again);
    return;
  }
  k->forward =
      arena_printf(arena, "%s    %s = %s(%s%s)\n", k->forward, name, info->name, values, args_text(k, op, args, false));
  add_value(k, name, out);
}

/* Mostly of the newest values, so that the network is deep. */
static ValueId draw_value(Sketch *k) {
  int64_t count = (int64_t)k->g->values.count;
  return (ValueId)(one_in(k->r, 3) ? between(k->r, 0, count - 1) : count - 1 - between(k->r, 0, count > 1 ? 1 : 0));
}

static bool grow(Sketch *k) {
  OpId op = (OpId)between(k->r, OP_NONE + 1, OP_COUNT - 1);
  const OpInfo *info = op_info(op);
  for (int attempt = 0; attempt < 12; attempt++) {
    OpArgs args = draw_args(k, op);
    ValueId input[MOST_INPUTS];
    size_t count = info->inputs == INPUTS_MANY ? (size_t)between(k->r, 1, 3)
                                               : (size_t)between(k->r, info->inputs, info->most_inputs);
    for (size_t i = 0; i < count; i++) input[i] = draw_value(k);
    if (count > 1 && one_in(k->r, 2)) input[1] = input[0];
    if (count > 2 && one_in(k->r, 2)) input[2] = input[1];
    Shape out = shape_of(k, op, args, input, count);
    if (out.rank < 0) continue;
    write_call(k, op, &args, input, count, out);
    return true;
  }
  return false;
}

/* ---- the script ---- */

static const char *draw_input(Sketch *k, bool *mask) {
  Random *r = k->r;
  Shape shape = {.rank = (int)between(r, 1, 3)};
  int kind = (int)between(r, 0, 2);
  static const char *const names[] = {"image", "tensor", "tokens"};
  if (kind == 0) shape.rank = 3;
  if (kind == 2) shape = (Shape){.rank = 1, .dtype = DTYPE_I64};
  for (int i = 0; i < shape.rank; i++) shape.dim[i] = between(r, 1, one_in(r, 4) ? 20 : 6);
  if (kind == 0) shape.dim[0] = one_in(r, 2) ? 3 : 1;
  *mask = (kind == 2 || (kind == 1 && shape.rank == 2)) && one_in(r, 2);
  const char *text = "";
  for (int i = 0; i < shape.rank; i++)
    text = arena_printf(k->s->arena, "%s%s%" PRId64, text, i ? ", " : "", shape.dim[i]);
  k->g->input_value = add_value(k, "x", shape);
  if (*mask) k->g->mask_value = add_value(k, "mask", (Shape){.rank = 1, .dim = {shape.dim[0]}, .dtype = DTYPE_I64});
  return arena_printf(k->s->arena, "input %s(%s%s)\n", names[kind], text, *mask ? ", mask=true" : "");
}

static const char *draw_layer(Sketch *k) {
  OpId op;
  if (one_in(k->r, 8)) return arena_printf(k->s->arena, "Sequential(%s, %s)", draw_layer(k), draw_layer(k));
  do op = (OpId)between(k->r, OP_NONE + 1, OP_COUNT - 1);
  while (!op_info(op)->is_layer);
  OpArgs args = draw_args(k, op);
  return arena_printf(k->s->arena, "%s(%s)", op_info(op)->name, args_text(k, op, &args, true));
}

/* "[1:3]" of the network's layers; sometimes of more than there are. */
static const char *draw_slice(Sketch *k) {
  int64_t begin = between(k->r, 0, k->layer_count / 2);
  return arena_printf(k->s->arena, "[%" PRId64 ":%" PRId64 "]", begin, between(k->r, begin, k->layer_count));
}

/* Something that is there, most of the time: a layer, a function's call, a pattern. */
static const char *draw_selector(Sketch *k) {
  Random *r = k->r;
  if (one_in(r, 12)) return "all";
  if (one_in(r, 12)) return draw_slice(k);
  if (one_in(r, 20)) return op_info((OpId)between(r, OP_NONE + 1, OP_COUNT - 1))->name; /* a function's call */
  if (one_in(r, 20))
    return arena_printf(k->s->arena, "every %s", op_info((OpId)between(r, OP_NONE + 1, OP_COUNT - 1))->name);
  const char *layer =
      arena_printf(k->s->arena, "l%" PRId64, between(r, 0, k->layer_count > 0 ? k->layer_count - 1 : 0));
  return one_in(r, 8) ? arena_printf(k->s->arena, "%s..l%d", layer, k->layer_count - 1) : layer;
}

static const char *draw_edit(Sketch *k, int nth) {
  Arena *a = k->s->arena;
  const char *at = draw_selector(k), *name = one_in(k->r, 2) ? "" : arena_printf(a, "e%d = ", nth);
  switch (between(k->r, 0, 14)) {
  case 0: return arena_printf(a, "remove %s\n", at);
  case 1: return arena_printf(a, "replace %s with %s\n", at, draw_layer(k));
  case 2: return arena_printf(a, "insert %s%s after %s\n", name, draw_layer(k), at);
  case 3: return arena_printf(a, "insert %s%s before %s\n", name, draw_layer(k), at);
  case 4: return arena_printf(a, "append %s%s\n", name, draw_layer(k));
  case 5: return arena_printf(a, "prepend %s%s\n", name, draw_layer(k));
  case 6: return arena_printf(a, "rename %s to r%d\n", at, nth);
  case 7: return arena_printf(a, "init %s with %s\n", at, one_in(k->r, 2) ? "zeros" : "normal(std=0.02)");
  case 8: return arena_printf(a, "output first = %s, second = %s\n", at, draw_selector(k));
  case 9: return arena_printf(a, "unfreeze %s\n", at);
  case 10: return arena_printf(a, "freeze parameters of %s\n", at);
  case 11: return arena_printf(a, "append %sNet%s from random\n", name, draw_slice(k));
  case 12: return arena_printf(a, "prepend %sNet%s from random\n", name, draw_slice(k));
  default: return arena_printf(a, "freeze %s\n", at);
  }
}

static const char *draw_train(Sketch *k) {
  static const char *const losses[] = {"CrossEntropy", "CrossEntropy(label_smoothing=0.1)", "MSE", "L1",
                                       "BCEWithLogits"};
  static const char *const optimizers[] = {"Adam(lr=1e-3)", "AdamW(lr=1e-3)", "SGD(lr=0.1, momentum=0.9)"};
  Random *r = k->r;
  const char *phases = "";
  if (one_in(r, 4))
    phases = arena_printf(k->s->arena,
                          "  phase one { epochs 1; freeze %s }\n  phase two { epochs 1; unfreeze %s; batch 3 }\n",
                          draw_selector(k), draw_selector(k));
  return arena_printf(k->s->arena, "train {\n  optimizer %s\n  loss %s\n  batch %" PRId64 "\n%s%s}\n",
                      optimizers[between(r, 0, 2)], losses[between(r, 0, 4)], between(r, 1, 40),
                      one_in(r, 8) ? "  mixup 0.2\n" : "", phases);
}

const char *random_script(Session *s, uint64_t seed) {
  Random r = {seed * 0x2545f4914f6cdd1du + 1};
  Sketch k = {.s = s, .r = &r, .g = graph_create(s->arena, "Net"), .layers = "", .forward = ""};
  bool mask;
  const char *input = draw_input(&k, &mask), *edits = "";
  int64_t size = between(&r, 1, 12);
  for (int64_t i = 0, tries = 0; i < size && tries < 200; tries++) i += grow(&k);
  ValueId last = (ValueId)k.g->values.count - 1;
  while (last > 0 && k.g->values.at[last].shape.dtype == DTYPE_I64) last--;
  int64_t count = one_in(&r, 2) ? between(&r, 1, 5) : 0;
  for (int i = 0; i < count; i++) edits = arena_printf(s->arena, "%s%s", edits, draw_edit(&k, i));
  return arena_printf(s->arena,
                      "model Net {\n%s  forward x%s {\n%s    return %s\n  }\n}\ntake Net%s from random\n%s%s%s",
                      k.layers, mask ? ", mask" : "", k.forward, k.name.at[last], one_in(&r, 5) ? draw_slice(&k) : "",
                      input, edits, one_in(&r, 4) ? "" : draw_train(&k));
}
