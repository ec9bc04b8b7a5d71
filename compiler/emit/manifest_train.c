/* The train block in the manifest: optimizer, schedule, loss, groups, augmentation, phases, under torch's names. Called
 * by manifest.c. */
#include "compiler/emit/manifest.h"
#include <math.h>

static json_t *optimizer_json(const OptimizerConfig *o) {
  static const char *const names[] = {
      [OPTIMIZER_SGD] = "SGD", [OPTIMIZER_ADAM] = "Adam", [OPTIMIZER_ADAMW] = "AdamW", [OPTIMIZER_RMSPROP] = "RMSprop"};
  json_t *json = json_pack("{s:s, s:f, s:f, s:b}", "type", names[o->kind], "lr", o->lr, "weight_decay", o->weight_decay,
                           "maximize", o->maximize);
  if (!json) BUG("the optimizer's arguments are not finite");
  switch (o->kind) {
  case OPTIMIZER_SGD:
    json_object_set_new(json, "momentum", json_real(o->momentum));
    json_object_set_new(json, "dampening", json_real(o->dampening));
    json_object_set_new(json, "nesterov", json_boolean(o->nesterov));
    break;
  case OPTIMIZER_RMSPROP:
    json_object_set_new(json, "momentum", json_real(o->momentum));
    json_object_set_new(json, "alpha", json_real(o->alpha));
    json_object_set_new(json, "eps", json_real(o->eps));
    json_object_set_new(json, "centered", json_boolean(o->centered));
    break;
  case OPTIMIZER_ADAM:
  case OPTIMIZER_ADAMW:
    json_object_set_new(json, "betas", manifest_pair(o->beta1, o->beta2));
    json_object_set_new(json, "eps", json_real(o->eps));
    json_object_set_new(json, "amsgrad", json_boolean(o->amsgrad));
    break;
  }
  return json;
}

static json_t *loss_json(const LossConfig *loss) {
  static const char *const names[] = {[LOSS_CROSS_ENTROPY] = "CrossEntropy",
                                      [LOSS_MSE] = "MSE",
                                      [LOSS_L1] = "L1",
                                      [LOSS_BCE_WITH_LOGITS] = "BCEWithLogits"};
  json_t *json = json_pack("{s:s}", "type", names[loss->kind]), *weight = json_null();
  if (loss->weight.count) {
    weight = json_array();
    for (size_t i = 0; i < loss->weight.count; i++) json_array_append_new(weight, json_real(loss->weight.at[i]));
  }
  if (loss->kind == LOSS_CROSS_ENTROPY) {
    json_object_set_new(json, "label_smoothing", json_real(loss->label_smoothing));
    json_object_set_new(json, "ignore_index", json_integer(loss->ignore_index));
  }
  if (loss->kind == LOSS_CROSS_ENTROPY || loss->kind == LOSS_BCE_WITH_LOGITS)
    json_object_set_new(json, loss->kind == LOSS_CROSS_ENTROPY ? "weight" : "pos_weight", weight);
  else json_decref(weight);
  return json;
}

static void set_if_given(json_t *json, const char *key, double value) {
  if (!isnan(value)) json_object_set_new(json, key, json_real(value));
}

static json_t *groups_json(const PhaseConfig *stage) {
  json_t *list = json_array();
  json_array_append_new(list, json_object()); /* 0: what no group names */
  for (size_t i = 0; i < stage->groups.count; i++) {
    const GroupConfig *group = &stage->groups.at[i];
    json_t *json = json_object();
    set_if_given(json, "lr", group->lr);
    set_if_given(json, "weight_decay", group->weight_decay);
    set_if_given(json, "momentum", group->momentum);
    json_array_append_new(list, json);
  }
  return list;
}

int manifest_group(const PhaseConfig *stage, ParamId id) {
  for (size_t i = 0; stage && i < stage->groups.count; i++)
    for (size_t k = 0; k < stage->groups.at[i].params.count; k++)
      if (stage->groups.at[i].params.at[k] == id) return (int)i + 1;
  return 0;
}

static json_t *jitter_json(const AugmentConfig *a) {
  static const char *const names[] = {"brightness", "contrast", "saturation", "hue"};
  json_t *json = json_pack("{s:s}", "op", "color_jitter");
  for (int i = 0; i < 4; i++) {
    double neutral = i == 3 ? 0 : 1;
    if (a->jitter[i][0] != neutral || a->jitter[i][1] != neutral)
      json_object_set_new(json, names[i], manifest_pair(a->jitter[i][0], a->jitter[i][1]));
  }
  return json;
}

static json_t *augment_json(const AugmentConfig *a) {
  switch (a->kind) {
  case AUGMENT_HORIZONTAL_FLIP: return json_pack("{s:s, s:f}", "op", "horizontal_flip", "p", a->p);
  case AUGMENT_VERTICAL_FLIP: return json_pack("{s:s, s:f}", "op", "vertical_flip", "p", a->p);
  case AUGMENT_RANDOM_CROP:
    return json_pack("{s:s, s:o, s:I}", "op", "random_crop", "size", manifest_size(a->size), "padding",
                     (json_int_t)a->padding);
  case AUGMENT_COLOR_JITTER: return jitter_json(a);
  case AUGMENT_ROTATION:
    return json_pack("{s:s, s:o}", "op", "rotation", "degrees", manifest_pair(a->degrees[0], a->degrees[1]));
  case AUGMENT_ERASING:
    return json_pack("{s:s, s:f, s:o, s:o, s:f}", "op", "erasing", "p", a->p, "scale",
                     manifest_pair(a->scale[0], a->scale[1]), "ratio", manifest_pair(a->ratio[0], a->ratio[1]), "value",
                     a->value);
  case AUGMENT_RANDOM_RESIZED_CROP:
    return json_pack("{s:s, s:o, s:o, s:o}", "op", "random_resized_crop", "size", manifest_size(a->size), "scale",
                     manifest_pair(a->scale[0], a->scale[1]), "ratio", manifest_pair(a->ratio[0], a->ratio[1]));
  }
  BUG("augmentation of kind %d", (int)a->kind);
}

static void set_one_cycle(json_t *json, const ScheduleConfig *c) {
  json_object_set_new(json, "max_lr", json_real(c->max_lr));
  json_object_set_new(json, "pct_start", json_real(c->pct_start));
  json_object_set_new(json, "anneal_strategy", json_string(c->linear ? "linear" : "cos"));
  json_object_set_new(json, "cycle_momentum", json_boolean(c->cycle_momentum));
  json_object_set_new(json, "base_momentum", json_real(c->base_momentum));
  json_object_set_new(json, "max_momentum", json_real(c->max_momentum));
  json_object_set_new(json, "div_factor", json_real(c->div_factor));
  json_object_set_new(json, "final_div_factor", json_real(c->final_div_factor));
  json_object_set_new(json, "three_phase", json_boolean(c->three_phase));
}

static json_t *schedule_json(const ScheduleConfig *c) {
  static const char *const names[] = {
      [SCHEDULE_STEP] = "step",     [SCHEDULE_MULTISTEP] = "multistep", [SCHEDULE_EXPONENTIAL] = "exponential",
      [SCHEDULE_COSINE] = "cosine", [SCHEDULE_LINEAR] = "linear",       [SCHEDULE_ONE_CYCLE] = "one_cycle"};
  if (c->kind == SCHEDULE_NONE) return json_null();
  json_t *json = json_pack("{s:s, s:s}", "type", names[c->kind], "interval", c->per_step ? "step" : "epoch");
  if (c->kind == SCHEDULE_ONE_CYCLE) set_one_cycle(json, c);
  if (c->kind == SCHEDULE_STEP) json_object_set_new(json, "step_size", json_integer(c->step_size));
  if (c->kind == SCHEDULE_STEP || c->kind == SCHEDULE_MULTISTEP || c->kind == SCHEDULE_EXPONENTIAL)
    json_object_set_new(json, "gamma", json_real(c->gamma));
  if (c->kind == SCHEDULE_MULTISTEP) {
    json_t *list = json_array();
    for (size_t i = 0; i < c->milestones.count; i++) json_array_append_new(list, json_integer(c->milestones.at[i]));
    json_object_set_new(json, "milestones", list);
  }
  if (c->kind == SCHEDULE_COSINE) {
    json_object_set_new(json, "T_max", c->t_max ? json_integer(c->t_max) : json_null());
    json_object_set_new(json, "eta_min", json_real(c->eta_min));
  }
  if (c->kind == SCHEDULE_LINEAR) {
    json_object_set_new(json, "end_factor", json_real(c->end_factor));
    json_object_set_new(json, "total_iters", json_integer(c->total_iters));
  }
  if (c->kind == SCHEDULE_LINEAR || c->warmup) json_object_set_new(json, "start_factor", json_real(c->start_factor));
  if (c->warmup) json_object_set_new(json, "warmup", json_integer(c->warmup));
  return json;
}

/* What a stage of the training sets: into the object of the train block, or of a phase. */
static void set_stage(json_t *json, const PhaseConfig *stage) {
  json_t *augment = json_array();
  for (size_t i = 0; i < stage->augment.count; i++) json_array_append_new(augment, augment_json(&stage->augment.at[i]));
  json_object_set_new(json, "optimizer", optimizer_json(&stage->optimizer));
  json_object_set_new(json, "schedule", schedule_json(&stage->schedule));
  json_object_set_new(json, "groups", groups_json(stage));
  json_object_set_new(json, "batch", json_integer(stage->batch));
  json_object_set_new(json, "epochs", json_integer(stage->epochs));
  json_object_set_new(json, "augment", augment);
}

static json_t *phase_json(Arena *arena, const Plan *plan, const PhaseConfig *phase, const ParamList *state) {
  json_t *json = json_pack("{s:o, s:b}", "name", manifest_string(phase->name), "own_lr", phase->own_lr);
  json_t *tensors = json_array();
  set_stage(json, phase);
  for (size_t i = 0; i < state->count; i++) {
    ParamId id = state->at[i];
    const Param *p = &plan->trained->params.at[id];
    if (!p->trainable || p->is_buffer) continue;
    json_array_append_new(tensors, json_pack("[I, I, i]", (json_int_t)i, (json_int_t)plan->grad_offset.at[id],
                                             manifest_group(phase, id)));
  }
  json_object_set_new(json, "tensors", tensors);
  json_object_set_new(json, "frozen_layers", manifest_frozen_layers(arena, plan->trained));
  json_object_set_new(json, "grads_bytes", json_integer(plan->grads_bytes));
  json_object_set_new(json, "repack", json_boolean(manifest_repack(plan, state)));
  json_object_set_new(json, "functions", manifest_functions(plan));
  json_object_set_new(json, "features", manifest_features(plan));
  return json;
}

static json_t *save_json(const SaveConfig *save, const ParamList *state) {
  json_t *tensors = json_array();
  for (size_t i = 0; i < state->count; i++)
    for (size_t k = 0; k < save->params.count; k++)
      if (save->params.at[k] == state->at[i]) json_array_append_new(tensors, json_integer((json_int_t)i));
  return json_pack("{s:o, s:o}", "file", manifest_string(save->file), "tensors", tensors);
}

/* The settings that hold for the whole training and may be left out. */
static void set_extras(json_t *json, const TrainConfig *train, const ParamList *state) {
  if (train->clip_norm > 0) json_object_set_new(json, "clip_norm", json_real(train->clip_norm));
  if (train->accumulate > 1) json_object_set_new(json, "accumulate", json_integer(train->accumulate));
  if (train->mixup > 0) json_object_set_new(json, "mixup", json_real(train->mixup));
  if (train->ema > 0) json_object_set_new(json, "ema", json_real(train->ema));
  if (train->patience > 0)
    json_object_set_new(json, "early_stop",
                        json_pack("{s:I, s:f, s:s}", "patience", (json_int_t)train->patience, "min_delta",
                                  train->min_delta, "monitor", train->watch_accuracy ? "accuracy" : "loss"));
  json_t *saves = json_array();
  for (size_t i = 0; i < train->saves.count; i++) json_array_append_new(saves, save_json(&train->saves.at[i], state));
  json_object_set_new(json, "save", saves);
}

json_t *manifest_train(Arena *arena, const Plan *plan, const ParamList *state) {
  const TrainConfig *train = plan->train;
  if (!train) return json_null();
  json_t *json = json_pack("{s:o, s:I}", "loss", loss_json(&train->loss), "seed", (json_int_t)train->seed);
  set_stage(json, train_phase(train, 0));
  set_extras(json, train, state);
  if (train->phases.count == 0) return json;
  json_t *phases = json_array();
  for (size_t i = 0; i < train->phases.count; i++)
    json_array_append_new(phases, phase_json(arena, i ? plan->later.at[i - 1] : plan, &train->phases.at[i], state));
  json_object_set_new(json, "phases", phases);
  return json;
}
