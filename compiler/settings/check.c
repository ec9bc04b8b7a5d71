/* Settings against the network and against each other, when all statements have run: labels, class weights,
 * augmentation, groups, schedules, phases. Called by script.c, once before and once behind the shape pass. */
#include "compiler/settings/binder.h"
#include <math.h>

/* ---- augmentation ---- */

static bool check_stage_augment(Session *s, const Graph *g, const PhaseConfig *stage) {
  if (stage->augment.count == 0) return true;
  if (g->input.kind != INPUT_IMAGE) {
    front_error(s, DIAG_E0506, stage->augment.at[0].span, "augment is for images, but the input is a tensor");
    return false;
  }
  for (size_t i = 0; i < stage->augment.count; i++) {
    const AugmentStep *step = &stage->augment.at[i];
    const int64_t *made = train_value(augment_rows, &step->config, "size");
    if (!made || (made[0] == g->input.shape.dim[1] && made[1] == g->input.shape.dim[2])) continue;
    const char *name = augment_name(&step->config);
    Diag *d = front_error(s, DIAG_E0506, step->size_span, "%s makes images of %lld x %lld, but the input is %s", name,
                          (long long)made[0], (long long)made[1], shape_text(s->arena, &g->input.shape));
    const char *size = size_text(s, g->input.shape.dim + 1);
    diag_help(&s->diags, d, "it makes what the network takes: %s(%s)", name, size);
    diag_fix(&s->diags, d, step->size_span, "%s", size);
    return false;
  }
  return true;
}

/* ---- groups ---- */

static bool any_trainable(const Graph *g, const PhaseConfig *stage, const GroupConfig *group) {
  for (size_t k = 0; k < group->params.count; k++) {
    ParamId p = group->params.at[k];
    if (stage->trainable ? stage->trainable[p] : param_at(g, p)->trainable) return true;
  }
  return false;
}

/* A group of the block is idle only where it is in every phase. */
static bool trained_somewhere(const Graph *g, const TrainConfig *train, const GroupConfig *group) {
  for (size_t i = 0; i < train_phase_count(train); i++)
    if (any_trainable(g, train_phase(train, i), group)) return true;
  return false;
}

static bool is_of_block(const TrainConfig *train, const GroupConfig *group) {
  for (size_t i = 0; i < train->all.groups.count; i++)
    if (train->all.groups.at[i].span.source == group->span.source &&
        train->all.groups.at[i].span.begin == group->span.begin)
      return true;
  return false;
}

static void report_idle(Session *s, const GroupConfig *group) {
  Diag *d = diag_report(&s->diags, DIAG_W0501, group->span, "everything in this group is frozen");
  diag_help(&s->diags, d, "unfreeze its layers before the train block, or leave the group out");
}

/* "SGD and RMSprop" */
static const char *optimizers_with(Session *s, const char *name) {
  const char *text = "", *last = NULL;
  for (int i = 0; i < optimizer_rows.count; i++) {
    const OptimizerConfig one = {.kind = i};
    if (!train_value(optimizer_rows, &one, name)) continue;
    if (last) text = arena_printf(s->arena, "%s%s%s", text, *text ? ", " : "", last);
    last = optimizer_name(&one);
  }
  return *text ? arena_printf(s->arena, "%s and %s", text, last) : last;
}

static bool check_momentum(Session *s, const PhaseConfig *stage) {
  for (size_t i = 0; i < stage->groups.count; i++) {
    const GroupConfig *group = &stage->groups.at[i];
    if (isnan(group->args.momentum) || train_value(optimizer_rows, &stage->recipe.optimizer, "momentum")) continue;
    front_error(s, DIAG_E0509, group->span, "momentum is an argument of %s only", optimizers_with(s, "momentum"));
    return false;
  }
  return true;
}

static void check_idle_groups(Session *s, const Graph *g, const TrainConfig *train) {
  for (size_t i = 0; i < train->all.groups.count; i++)
    if (!trained_somewhere(g, train, &train->all.groups.at[i])) report_idle(s, &train->all.groups.at[i]);
  for (size_t i = 0; i < train->phases.count; i++) {
    const PhaseConfig *phase = &train->phases.at[i];
    for (size_t k = 0; k < phase->groups.count; k++)
      if (!is_of_block(train, &phase->groups.at[k]) && !any_trainable(g, phase, &phase->groups.at[k]))
        report_idle(s, &phase->groups.at[k]);
  }
}

/* ---- schedules ---- */

static void never_changes(Session *s, const PhaseConfig *stage, const char *what, int64_t at) {
  if (at < stage->recipe.epochs) return;
  Diag *d = diag_report(&s->diags, DIAG_W0503, stage->said[SETTING_schedule],
                        "this schedule never changes the rate: %s %lld, but there are %lld epochs", what, (long long)at,
                        (long long)stage->recipe.epochs);
  diag_help(&s->diags, d, "it counts epochs; interval=\"step\" counts the optimizer's steps");
}

static bool check_schedule(Session *s, const PhaseConfig *stage) {
  const ScheduleConfig *c = &stage->recipe.schedule;
  int64_t warmup = train_count(schedule_rows, c, "warmup", 0);
  if (schedule_counts_steps(c) || c->kind == SCHEDULE_none) return true;
  if (warmup > 0 && warmup >= stage->recipe.epochs) {
    Diag *d = front_error(s, DIAG_E0515, stage->said[SETTING_schedule],
                          "the warm-up takes %lld epochs, but there are %lld in all", (long long)warmup,
                          (long long)stage->recipe.epochs);
    diag_help(&s->diags, d, "with interval=\"step\" the whole schedule, warmup too, counts the optimizer's steps");
    return false;
  }
  if (warmup > 0) return true; /* which changes it */
  if (c->kind == SCHEDULE_step) never_changes(s, stage, "step_size is", c->step.step_size);
  if (c->kind == SCHEDULE_multistep) never_changes(s, stage, "the first milestone is", c->multistep.milestones.at[0]);
  return true;
}

/* ---- what does not go together ---- */

static bool check_mixup(Session *s, const Graph *g, const TrainConfig *train) {
  Span span = train->said[SETTING_mixup];
  if (train->recipe.mixup > 0 && g->input.kind == INPUT_TOKENS) {
    Diag *d =
        front_error(s, DIAG_E0517, span, "mixup mixes the values of two samples, but token numbers are names of words");
    diag_help(&s->diags, d, "leave mixup out");
    return false;
  }
  if (train->recipe.mixup == 0 || loss_target(&train->recipe.loss) != LOSS_VALUES) return true;
  Diag *d = front_error(s, DIAG_E0517, span, "mixup mixes classes, but %s has none", loss_name(&train->recipe.loss));
  diag_help(&s->diags, d, "leave mixup out, or choose the loss CrossEntropy or BCEWithLogits");
  return false;
}

static void check_patience(Session *s, const TrainConfig *train) {
  const StageRecipe *last = &train_phase(train, train_phase_count(train) - 1)->recipe;
  int64_t patience = train->recipe.early_stop.patience;
  if (patience == 0 || patience < last->epochs) return;
  Diag *d =
      diag_report(&s->diags, DIAG_W0502, train->span, "early_stop never stops: it waits for %lld epochs, and %s %lld",
                  (long long)patience, last->name ? "the last phase has" : "there are", (long long)last->epochs);
  diag_help(&s->diags, d, "a smaller patience, or more epochs");
}

static bool check_train(Session *s, Graph *g, TrainConfig *train) {
  bool good = settings_phases(s, g, train);
  for (size_t i = 0; i < train_phase_count(train); i++) {
    const PhaseConfig *stage = train_phase(train, i);
    good = check_stage_augment(s, g, stage) && good;
    good = check_momentum(s, stage) && good;
    good = check_schedule(s, stage) && good;
  }
  check_idle_groups(s, g, train);
  check_patience(s, train);
  return check_mixup(s, g, train) && good;
}

/* A mask that nothing reads: of the script, a mistake; of the network's own input, what an edit has left. */
static bool check_mask(Session *s, Graph *g) {
  bool used = false;
  for (size_t i = 0; i < g->nodes.count; i++)
    for (size_t k = 0; node_at(g, i)->alive && k < node_at(g, i)->inputs.count; k++)
      used |= g->mask_value != NO_ID && node_at(g, i)->inputs.at[k] == g->mask_value;
  if (!g->input.mask || used) return true;
  if (g->input.span.source == SPAN_NO_SOURCE) {
    g->input.mask = false;
    return true;
  }
  Diag *d = front_error(s, DIAG_E0510, g->input.span, "the input has a mask, but nothing in the network reads one");
  diag_help(
      &s->diags, d,
      "leave out mask=true; a model of one's own takes it as its second value, forward x, mask { … }, and hands it "
      "to its attention");
  return false;
}

bool settings_check(Session *s, Graph *g, TrainConfig *train, Span take) {
  if (g->input.shape.rank < 0) {
    Diag *d = front_error(s, DIAG_E0506, take, "the network has no input");
    diag_help(&s->diags, d, "say what one sample looks like: input image(3, 224, 224), or input tensor(784)");
    return false;
  }
  if (!check_mask(s, g)) return false;
  settle_adapted(s, g);
  return !train || check_train(s, g, train);
}

/* The last layer that says how many outputs there are, where it stands in the script: labelled, and with the fix. */
static void blame_last_layer(Session *s, Graph *g, Diag *d, int64_t wanted) {
  ValueId value = g->outputs.at[0].value;
  for (NodeId id = value_at(g, value)->producer; id != NO_ID; id = value_at(g, value)->producer) {
    const Node *n = node_at(g, id);
    if (n->module != NO_ID && module_at(g, n->module)->op == OP_Linear) {
      const Module *m = module_at(g, n->module);
      Span out = m->args.arg_span[1];
      if (out.end <= out.begin || !source_is_users(&s->sources, out)) return;
      diag_label(&s->diags, d, out, "%s makes %lld", m->name, (long long)m->args.Linear.out_features);
      diag_fix(&s->diags, d, out, "%lld", (long long)wanted);
      return;
    }
    if (n->inputs.count != 1) return;
    value = n->inputs.at[0];
  }
}

/* Whose outputs are the last dimension: of (N, T, V) the V. */
static bool made_by_linear(const Graph *g) {
  NodeId id = value_at(g, g->outputs.at[0].value)->producer;
  return id != NO_ID && node_at(g, id)->op == OP_Linear;
}

bool settings_check_shapes(Session *s, Graph *g, const TrainConfig *train, Span labels) {
  const Shape *out = &value_at(g, g->outputs.at[0].value)->shape;
  int64_t classes = out->rank >= 1 ? out->dim[0] : 0;
  if (train) settings_doubts(s, g, train);
  LossTarget target = loss_target(train ? &train->recipe.loss : &recipe_unsaid.loss);
  bool good = true, binary = target == LOSS_LABELS;
  int64_t named = binary && classes == 1 ? 2 : classes;                          /* one logit tells two classes apart */
  bool classifies = out->rank == 1 || (out->rank > 1 && target == LOSS_CLASSES); /* (N, classes, …) */
  if (g->labels.count > 0 && (!classifies || named != (int64_t)g->labels.count)) {
    Diag *d = front_error(s, DIAG_E0508, labels, "there are %zu labels, but the output is %s", g->labels.count,
                          shape_text(s->arena, out));
    if (out->rank == 1) blame_last_layer(s, g, d, (int64_t)g->labels.count);
    if (out->rank > 1 && classifies)
      diag_note(&s->diags, d, "classes are dimension 1, as for PyTorch's CrossEntropyLoss: here %lld",
                (long long)classes);
    diag_help(&s->diags, d, "give the last layer %zu outputs, or name %s", g->labels.count,
              classifies ? arena_printf(s->arena, "%lld classes", (long long)named) : "what it puts out");
    good = false;
  }
  if (train && target == LOSS_CLASSES && out->rank == 2 && made_by_linear(g)) {
    Diag *d = diag_report(&s->diags, DIAG_W0555, train->span,
                          "CrossEntropy takes the %lld places of dimension 1 of %s for the classes", (long long)classes,
                          shape_text(s->arena, out));
    diag_note(&s->diags, d,
              "classes are dimension 1, as for PyTorch's CrossEntropyLoss; the last Linear makes %lld of each place",
              (long long)out->dim[1]);
    diag_help(&s->diags, d, "classify one place: select(x, 1, 0) before the last layer, or mean(x, 1)");
  }
  const NumberList *weights = train ? loss_weights(&train->recipe.loss) : NULL;
  if (!weights || weights->count == 0 || classes == weights->count) return good;
  Diag *d = front_error(s, DIAG_E0508, train->weight_span, "%s has %lld class weights, but the output is %s",
                        loss_name(&train->recipe.loss), (long long)weights->count, shape_text(s->arena, out));
  diag_help(&s->diags, d, "give one number for each of the %lld outputs", (long long)classes);
  return false;
}
