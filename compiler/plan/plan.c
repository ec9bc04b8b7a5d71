/* Makes the Plan: places for the weights and gradients, then each schedule by lowering the right part of the
 * graph: forward (all, evaluation), prefix (what is frozen before the frozen_boundary), tail (the rest, evaluation) and
 * step (the rest, training, with loss and gradients); pack is filled on the way. */
#include "compiler/plan/plan.h"

/* ---- places of weights and gradients ---- */

static int64_t tensor_bytes(const Param *p) {
  return round_up_64(shape_count(&p->shape) * (p->shape.dtype == DTYPE_I64 ? 8 : 4));
}

/* The weights lie in every phase at the same places; gradients are for those that the phase trains. */
static void place_tensors(Plan *plan) {
  const Graph *g = plan->trained;
  for (size_t i = 0; i < g->params.count; i++) {
    vec_push(g->arena, &plan->weight_offset, -1);
    vec_push(g->arena, &plan->grad_offset, -1);
  }
  ParamList all = graph_state_dict(g, g->arena, true);
  for (size_t i = 0; i < all.count; i++) {
    const Param *p = param_at(g, all.at[i]);
    if (p->shares != NO_ID) continue;
    plan->weight_offset.at[all.at[i]] = plan->weights_bytes;
    plan->weights_bytes += tensor_bytes(p);
    if (!p->trainable) continue;
    plan->grad_offset.at[all.at[i]] = plan->grads_bytes;
    plan->grads_bytes += tensor_bytes(p);
  }
  for (size_t i = 0; i < all.count; i++) {
    ParamId same = param_at(g, all.at[i])->shares;
    if (same != NO_ID) plan->weight_offset.at[all.at[i]] = plan->weight_offset.at[same];
  }
}

/* ---- one schedule ---- */

typedef struct Part { /* which part of the forward order a schedule takes */
  int begin, end;     /* places in Graph.order */
  ValueId input;      /* what flows in */
  bool training;
} Part;

static bool in_part(const Lower *l, const Part *part, int position) {
  return position >= part->begin && position < part->end && l->t->used[l->g->order.at[position]];
}

static void count_uses(Lower *l, const Part *part) {
  for (int i = part->begin; i < part->end; i++) {
    NodeId id = l->g->order.at[i];
    if (!in_part(l, part, i)) continue;
    const Node *n = node_at(l->g, id);
    for (size_t k = 0; k < n->inputs.count; k++) {
      l->value[n->inputs.at[k]].uses++;
      l->value[n->inputs.at[k]].only_user = id;
    }
  }
  for (size_t i = 0; i < l->g->outputs.count; i++) l->value[l->g->outputs.at[i].value].uses += 2;
  if (l->t->frozen_boundary != NO_ID) l->value[l->t->frozen_boundary].uses += 2;
}

static Lower start_lower(Plan *plan, const Trainability *t, Program *s, void *packs, const Part *part) {
  const Graph *g = plan->trained;
  Lower l = {.arena = g->arena,
             .plan = plan,
             .g = g,
             .t = t,
             .s = s,
             .training = part->training,
             .packs = packs,
             .value = arena_array(g->arena, ValueState, g->values.count + 1),
             .node = arena_array(g->arena, NodeState, g->nodes.count + 1),
             .param_written = arena_array(g->arena, bool, g->params.count + 1)};
  for (size_t i = 0; i < g->values.count; i++)
    l.value[i] = (ValueState){.at = {NO_ID, NO_ID}, .grad = NO_ID, .only_user = NO_ID};
  for (size_t i = 0; i < g->nodes.count; i++)
    l.node[i] = (NodeState){.last = (NodeId)i,
                            .bn = NO_ID,
                            .residual = NO_ID,
                            .y = NO_ID,
                            .packed = NO_ID,
                            .mean = NO_ID,
                            .inv_std = NO_ID,
                            .sums = NO_ID,
                            .dz = NO_ID,
                            .qkv = {NO_ID, NO_ID, NO_ID},
                            .context = NO_ID,
                            .d_qkv = {NO_ID, NO_ID, NO_ID}};
  s->present = true;
  count_uses(&l, part);
  /* The network's own input is plain; features are at home in their layout. */
  Layout layout = part->input == g->input_value ? LAYOUT_NCHW : default_layout(&value_at(g, part->input)->shape);
  l.value[part->input].at[layout] = place_buffer(&l, SPACE_INPUT, 0, 0, "x");
  return l;
}

static void lower_part(Lower *l, const Part *part) {
  for (int i = part->begin; i < part->end; i++) {
    NodeId id = l->g->order.at[i];
    if (!in_part(l, part, i) || l->node[id].lowered) continue;
    l->node[id].lowered = true;
    lower_rule[node_at(l->g, id)->op](l, id);
    vec_push(l->arena, &l->heads, id);
  }
}

static void write_output(Lower *l, ValueId v, int index, Layout layout) {
  const Shape *shape = value_shape(l, v);
  BufferId from = value_in(l, v, layout), to = place_buffer(l, SPACE_OUTPUT, index, 0, "y");
  ElementwiseParams k = {.count = layout == LAYOUT_NCHW16C ? nchw16c_count(shape->dim[0], shape->dim[1] * shape->dim[2])
                                                           : shape_count(shape)};
  EMIT(l, copy, &k, NO_ID, "output", .x = from, .y = to);
}

static void write_outputs(Lower *l) {
  for (size_t i = 0; i < l->g->outputs.count; i++) write_output(l, l->g->outputs.at[i].value, (int)i, LAYOUT_NCHW);
}

static LossFn *const loss_rule[] = {
#define LOSS(name, ...) [LOSS_##name] = lower_loss_##name,
#include "grammar/train.def"
};

/* Of the first output; in training with its gradient. */
static void lower_loss(Lower *l, const TrainConfig *train) {
  ValueId output = l->g->outputs.at[0].value;
  const Shape *shape = value_shape(l, output);
  const TrainRecipe *recipe = train ? &train->recipe : &recipe_unsaid;
  const NumberList *weights = loss_weights(&recipe->loss);
  GradOut dx = {NO_ID, false, output, LAYOUT_NCHW};
  LossCall call = {.own = &recipe->loss,
                   .classes = shape->rank ? shape->dim[0] : 1,
                   .count = shape_count(shape),
                   .soft = l->training && recipe->mixup > 0,
                   .x = value_in(l, output, LAYOUT_NCHW),
                   .loss = place_buffer(l, SPACE_LOSS, 0, 0, "loss"),
                   .target = place_buffer(l, SPACE_TARGET, 0, 0, "target"),
                   .weights = NO_ID,
                   .dx = NO_ID};
  if (l->training && wants_grad(l, output)) dx = grad_begin(l, output, LAYOUT_NCHW);
  call.dx = dx.buffer;
  if (weights && weights->count > 0) call.weights = place_buffer(l, SPACE_CLASS_WEIGHTS, 0, 0, "class weights");
  loss_rule[recipe->loss.kind](l, &call);
  if (dx.buffer != NO_ID) grad_end(l, NO_ID, &dx);
}

static void lower_backward(Lower *l) {
  for (size_t i = l->heads.count; i-- > 0;) {
    NodeId id = l->heads.at[i];
    const Node *n = node_at(l->g, id);
    ValueId out = node_at(l->g, l->node[id].last)->output;
    if (!wants_grad(l, out) || !l->value[out].grad_written) continue;
    if (n->module != NO_ID) {
      const Module *m = module_at(l->g, n->module);
      for (size_t k = 0; k < m->params.count; k++) {
        const Param *p = param_at(l->g, m->params.at[k]);
        if (p->trainable) grad_param_rule[n->op][p->role](l, id, m->params.at[k]);
      }
    }
    bool inputs = l->node[id].residual != NO_ID && wants_grad(l, l->node[id].residual);
    for (size_t k = 0; k < n->inputs.count; k++) inputs |= wants_grad(l, n->inputs.at[k]);
    if (inputs) grad_rule[n->op](l, id);
  }
}

/* A trainable parameter that the loss does not depend on has gradient zero; its place is never written, so the
 * runtime clears grads once when it allocates them. */

/* ---- how many samples at a time ----
 *
 * An evaluation takes `samples` of a batch through the network at a time. All of a large batch at once means that a
 * layer's activations have left the caches before the next layer reads them. Few at a time means that the weights are
 * read, and by Winograd's method transformed, again and again. What both move is estimated for one sample, and the size
 * is taken that is much the cheaper. */

#define CACHE_BYTES (16 << 20) /* of the last level: about what a program can count on */
#define MOST_SAMPLES 8         /* beyond it the whole batch is taken at once, estimated as MANY_SAMPLES */
#define MANY_SAMPLES 16

/* Bytes that a sample moves between memory and caches when `samples` pass together. */
static double bytes_moved(const Program *s, int64_t samples) {
  double moved = 0;
  for (size_t c = 0; c < s->calls.count; c++) {
    const Call *call = &s->calls.at[c];
    int64_t activations = 0;
    for (int k = 0; k < call->buf_count; k++)
      if (call->buf[k] != NO_ID && s->buffers.at[call->buf[k]].per_sample)
        activations += s->buffers.at[call->buf[k]].bytes;
    if (activations * samples > CACHE_BYTES) moved += (double)activations;
    int64_t share =
        call->plan.weights_samples && call->plan.weights_samples < samples ? call->plan.weights_samples : samples;
    moved += call->plan.weights_bytes / (double)share;
  }
  return moved;
}

/* The pointers to the samples after the first few must be 64-byte aligned too: those of inputs and of outputs. */
static bool stays_aligned(const Plan *plan, const Program *s, int64_t samples) {
  const Graph *g = plan->graph;
  bool features_in = s == &plan->tail, features_out = s == &plan->prefix;
  if ((features_in || features_out) && plan->features_bytes * samples % 64) return false;
  if (!features_in && shape_count(&value_at(g, g->input_value)->shape) * samples * 4 % 64) return false;
  if (features_out) return true;
  for (size_t i = 0; i < g->outputs.count; i++)
    if (shape_count(&value_at(g, g->outputs.at[i].value)->shape) * samples * 4 % 64) return false;
  return true;
}

static void choose_samples(const Plan *plan, Program *s) {
  if (value_at(plan->graph, plan->graph->input_value)->shape.rank != 3)
    return; /* matrix products are the better the larger */
  /* What is not estimated, fuller tiles and fewer calls, speaks for the whole batch: ResNet-50 is slower for a fifth
   * less. */
  double least = bytes_moved(s, MANY_SAMPLES) * 2 / 3;
  for (int64_t samples = MOST_SAMPLES; samples > 0; samples /= 2) {
    double moved = bytes_moved(s, samples);
    if (moved >= least || !stays_aligned(plan, s, samples)) continue;
    least = moved;
    s->samples = samples;
  }
  /* A training has to hold more than activations: of a frozen prefix it never needs those of more samples. */
  if (s == &plan->prefix && !s->samples && stays_aligned(plan, s, MOST_SAMPLES)) s->samples = MOST_SAMPLES;
}

/* ---- programs ---- */

static void lower_program(Plan *plan, const Trainability *t, Program *s, void *packs, Part part, bool features) {
  Lower l = start_lower(plan, t, s, packs, &part);
  lower_part(&l, &part);
  if (features) {
    const Shape *shape = value_shape(&l, t->frozen_boundary);
    write_output(&l, t->frozen_boundary, 0, default_layout(shape));
  } else write_outputs(&l);
  if (part.training) {
    lower_loss(&l, plan->train);
    lower_backward(&l);
  }
  if (!part.training) choose_samples(plan, s);
}

/* The network as the phase trains it: the graph with flags of its own. */
static const Graph *trained_graph(Graph *g, const PhaseConfig *phase) {
  if (!phase || !phase->trainable) return g;
  Graph *copy = arena_new(g->arena, Graph);
  *copy = *g;
  copy->params.at = arena_array(g->arena, Param, g->params.count + 1);
  copy->modules.at = arena_array(g->arena, Module, g->modules.count + 1);
  for (size_t i = 0; i < g->params.count; i++) {
    copy->params.at[i] = *param_at(g, i);
    copy->params.at[i].trainable &= phase->trainable[i]; /* of the graph: what the loss depends on at all */
  }
  for (size_t i = 0; i < g->modules.count; i++) {
    copy->modules.at[i] = *module_at(g, i);
    copy->modules.at[i].frozen = phase->frozen[i];
  }
  return copy;
}

static Plan *new_plan(Arena *arena, Graph *g, const TrainConfig *train, size_t phase, KernelChoices *choices) {
  Plan *plan = arena_new(arena, Plan);
  plan->choices = choices;
  plan->batch = train ? train_phase(train, phase)->recipe.batch : 0;
  plan->graph = g;
  plan->train = train;
  plan->first = plan;
  plan->trained = trained_graph(g, train ? train_phase(train, phase) : NULL);
  const char *suffix = phase ? arena_printf(g->arena, "_%zu", phase + 1) : "";
  plan->pack.name = "pack", plan->forward.name = "forward";
  plan->prefix.name = arena_printf(g->arena, "prefix%s", suffix);
  plan->tail.name = arena_printf(g->arena, "tail%s", suffix);
  plan->step.name = arena_printf(g->arena, "step%s", suffix);
  place_tensors(plan);
  plan->trainability = analyse_trainability(plan->trained);
  return plan;
}

static Part whole_network(const Graph *g) { return (Part){0, (int)g->order.count, g->input_value, false}; }

/* prefix, tail and step of a phase. */
static void lower_training(Plan *plan, void *packs) {
  const Graph *g = plan->trained;
  const Trainability *t = &plan->trainability;
  int end = (int)g->order.count, cut = t->boundary_position + 1;
  if (t->trainable == 0) return;
  bool split = t->frozen_boundary != NO_ID;
  ValueId from = split ? t->frozen_boundary : g->input_value;
  if (split) {
    plan->features = value_at(g, from)->shape;
    plan->features_blocked = default_layout(&plan->features) == LAYOUT_NCHW16C;
    /* Samples lie behind one another without gaps, whatever the alignment of the whole. */
    plan->features_bytes =
        plan->features_blocked ? layout_bytes(&plan->features, LAYOUT_NCHW16C) : shape_count(&plan->features) * 4;
    lower_program(plan, t, &plan->prefix, packs, (Part){0, cut, g->input_value, false}, true);
    lower_program(plan, t, &plan->tail, packs, (Part){cut, end, from, false}, false);
  }
  lower_program(plan, t, &plan->step, packs, (Part){cut, end, from, true}, false);
}

Plan *plan_phases(Arena *arena, Graph *g, const TrainConfig *train, KernelChoices *choices) {
  Plan *plan = new_plan(arena, g, train, 0, choices);
  for (size_t i = 1; i < train_phase_count(train); i++) {
    Plan *later = new_plan(arena, g, train, i, choices);
    later->first = plan;
    vec_push(arena, &plan->later, later);
  }
  return plan;
}

void plan_lower(Plan *plan) {
  KernelChoices *choices = plan->choices;
  for (size_t i = 0; choices && i < choices->list.count; i++) choices->list.at[i].calls = 0;
  Trainability whole = plan->trainability;
  whole.frozen_boundary = NO_ID;
  VEC(PackRecord) packs = {0};
  plan->pack.present = true;
  lower_program(plan, &whole, &plan->forward, &packs, whole_network(plan->graph), false);
  lower_training(plan, &packs);
  for (size_t i = 0; i < plan->later.count; i++) lower_training(plan->later.at[i], &packs);
}

static void place_buffers(const Plan *plan, Program *s) {
  if (s->present) plan_memory(plan->graph->arena, s);
}

void plan_place(Plan *plan) {
  place_buffers(plan, &plan->pack);
  place_buffers(plan, &plan->forward);
  for (size_t i = 0; i <= plan->later.count; i++) {
    Plan *phase = i ? plan->later.at[i - 1] : plan;
    place_buffers(plan, &phase->prefix);
    place_buffers(plan, &phase->tail);
    place_buffers(plan, &phase->step);
  }
}

void plan_check(const Plan *plan) {
  ProgramList all = plan_programs(plan->graph->arena, plan);
  for (size_t i = 0; i < all.count; i++)
    if (all.at[i]->present) program_check(plan, all.at[i]);
}

Plan *make_plan_with(Arena *arena, Graph *g, const TrainConfig *train, KernelChoices *choices) {
  Plan *plan = plan_phases(arena, g, train, choices);
  plan_lower(plan);
  plan_place(plan);
  plan_check(plan);
  return plan;
}

Plan *make_plan(Arena *arena, Graph *g, const TrainConfig *train) { return make_plan_with(arena, g, train, NULL); }

/* Where a value is to be found: in the layout that its node wrote, which is the older buffer. */
static Kept keep(Lower *l, ValueId v) {
  const BufferId *at = l->value[v].at;
  bool plain = at[LAYOUT_NCHW] != NO_ID && (at[LAYOUT_NCHW16C] == NO_ID || at[LAYOUT_NCHW] < at[LAYOUT_NCHW16C]);
  Kept kept = {at[plain ? LAYOUT_NCHW : LAYOUT_NCHW16C], !plain};
  if (kept.buffer != NO_ID) l->s->buffers.at[kept.buffer].kept = true;
  return kept;
}

void plan_loss(Plan *plan) {
  const Graph *g = plan->graph;
  Trainability t = plan->trainability;
  t.frozen_boundary = NO_ID;
  VEC(PackRecord) packs = {0};
  ValueId output = g->outputs.at[0].value;
  Part nothing = {(int)g->order.count, (int)g->order.count, output, false};
  plan->loss.name = "loss";
  Lower l = start_lower(plan, &t, &plan->loss, &packs, &nothing);
  l.value[output].at[LAYOUT_NCHW16C] = NO_ID; /* an output is returned as NCHW */
  l.value[output].at[LAYOUT_NCHW] = place_buffer(&l, SPACE_INPUT, 0, 0, "x");
  lower_loss(&l, plan->train);
  plan_memory(g->arena, &plan->loss);
  program_check(plan, &plan->loss);
}

void plan_inspect(Plan *plan) {
  Graph *g = plan->graph;
  Trainability t = analyse_trainability(g);
  t.frozen_boundary = NO_ID;
  VEC(PackRecord) packs = {0};
  Part part = whole_network(g);
  plan->inspect.name = "inspect";
  Lower l = start_lower(plan, &t, &plan->inspect, &packs, &part);
  l.inspecting = true;
  lower_part(&l, &part);
  for (size_t v = 0; v < g->values.count; v++) vec_push(g->arena, &plan->kept, keep(&l, (ValueId)v));
  plan_memory(g->arena, &plan->inspect);
  program_check(plan, &plan->inspect);
}

ProgramList plan_programs(Arena *arena, const Plan *plan) {
  ProgramList list = {0};
  vec_push(arena, &list, &plan->pack);
  vec_push(arena, &list, &plan->forward);
  for (size_t i = 0; i <= plan->later.count; i++) {
    const Plan *phase = i ? plan->later.at[i - 1] : plan;
    vec_push(arena, &list, &phase->prefix);
    vec_push(arena, &list, &phase->tail);
    vec_push(arena, &list, &phase->step);
    if (i > 0) continue;
    vec_push(arena, &list, &plan->inspect);
    vec_push(arena, &list, &plan->loss);
  }
  return list;
}

double program_flops(const Program *s) {
  double flops = 0;
  for (size_t i = 0; i < s->calls.count; i++) flops += s->calls.at[i].plan.flops_per_sample;
  return flops;
}

void program_dump(const Plan *plan, const Program *s, FILE *out) {
  static const char *const space[] = {"null",   "arena",  "weights", "packed", "grads",         "input",
                                      "output", "target", "loss",    "rng",    "class_weights", "mask"};
  if (!s->present) return;
  fprintf(out, "%s: %lld bytes a sample + %lld + %lld a thread\n", s->name, (long long)s->per_sample_bytes,
          (long long)s->fixed_bytes, (long long)s->scratch_bytes);
  for (size_t c = 0; c < s->calls.count; c++) {
    const Call *call = &s->calls.at[c];
    const char *node = call->node == NO_ID ? "-" : node_at(plan->graph, call->node)->name;
    fprintf(out, "  %3zu %s %s.%s (", c, kernel_info(call->kernel)->name, node, call->role);
    for (int k = 0; k < call->buf_count; k++) {
      if (call->buf[k] == NO_ID) {
        fprintf(out, "%s-", k ? ", " : "");
        continue;
      }
      const Buffer *b = &s->buffers.at[call->buf[k]];
      fprintf(out, "%s%s[%lld%s]", k ? ", " : "", space[b->space], (long long)b->offset, b->per_sample ? "n" : "");
    }
    fprintf(out, ")\n");
  }
}
