/* The train block of the manifest: optimizers, schedules, losses, augmentations, phases. As everywhere in the manifest,
 * nothing is trusted: numbers are checked where torch's own constructors check them, sizes and places always. Called by
 * manifest.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/net/manifest_read.h"

const char *loss_type_name(LossType type) {
  static const char *const names[] = {"CrossEntropy", "MSE", "L1", "BCEWithLogits"};
  return names[type];
}
const char *schedule_type_name(ScheduleType type) {
  static const char *const names[] = {"none", "step", "multistep", "exponential", "cosine", "linear", "one_cycle"};
  return names[type];
}

const char *augment_op_name(AugmentOp op) {
  static const char *const names[] = {"random_resized_crop", "horizontal_flip", "vertical_flip", "random_crop",
                                      "color_jitter",        "rotation",        "erasing"};
  return names[op];
}

static void read_optimizer(Reader *r, json_t *json, OptimizerSettings *o) {
  const char *type = json_string_value(json_object_get(json, "type"));
  *o = (OptimizerSettings){
      .type = OPTIMIZER_TYPE_SGD, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .alpha = 0.99};
  if (!type) return;
  if (strcmp(type, "Adam") == 0) o->type = OPTIMIZER_TYPE_ADAM, o->lr = 1e-3;
  else if (strcmp(type, "AdamW") == 0) o->type = OPTIMIZER_TYPE_ADAMW, o->lr = 1e-3, o->weight_decay = 1e-2;
  else if (strcmp(type, "RMSprop") == 0) o->type = OPTIMIZER_TYPE_RMSPROP;
  else if (strcmp(type, "SGD") != 0) manifest_wrong(r, "train.optimizer", "is not SGD, Adam, AdamW or RMSprop");
  o->lr = manifest_read_number(json, "lr", o->lr);
  o->momentum = manifest_read_number(json, "momentum", 0);
  o->dampening = manifest_read_number(json, "dampening", 0);
  o->weight_decay = manifest_read_number(json, "weight_decay", o->weight_decay);
  json_t *betas = json_object_get(json, "betas");
  if (json_array_size(betas) == 2) {
    o->beta1 = json_number_value(json_array_get(betas, 0));
    o->beta2 = json_number_value(json_array_get(betas, 1));
  }
  o->beta1 = manifest_read_number(json, "beta1", o->beta1);
  o->beta2 = manifest_read_number(json, "beta2", o->beta2);
  o->eps = manifest_read_number(json, "eps", o->eps);
  o->alpha = manifest_read_number(json, "alpha", o->alpha);
  o->nesterov = manifest_read_bool(json, "nesterov", false);
  o->amsgrad = manifest_read_bool(json, "amsgrad", false);
  o->maximize = manifest_read_bool(json, "maximize", false);
  o->centered = manifest_read_bool(json, "centered", false);
}

static void read_milestones(Reader *r, json_t *json, ScheduleSettings *s) {
  json_t *list = json_object_get(json, "milestones");
  s->milestone_count = json_array_size(list);
  s->milestones = manifest_reserve(r, s->milestone_count, sizeof *s->milestones);
  for (size_t i = 0; i < s->milestone_count && !r->failed; i++) {
    s->milestones[i] = json_integer_value(json_array_get(list, i));
    if (s->milestones[i] < 0 || (i && s->milestones[i] <= s->milestones[i - 1]))
      manifest_wrong(r, "milestones", "do not go upwards");
  }
}

static bool is_word(json_t *json, const char *key, const char *word) {
  const char *text = json_string_value(json_object_get(json, key));
  return text && strcmp(text, word) == 0;
}

static void read_one_cycle(Reader *r, json_t *json, ScheduleSettings *s) {
  s->per_step = true;
  s->max_lr = manifest_read_number(json, "max_lr", NAN);
  s->pct_start = manifest_read_number(json, "pct_start", 0.3);
  s->linear = is_word(json, "anneal_strategy", "linear");
  s->cycle_momentum = manifest_read_bool(json, "cycle_momentum", true);
  s->base_momentum = manifest_read_number(json, "base_momentum", 0.85);
  s->max_momentum = manifest_read_number(json, "max_momentum", 0.95);
  s->div_factor = manifest_read_number(json, "div_factor", 25);
  s->final_div_factor = manifest_read_number(json, "final_div_factor", 1e4);
  s->three_phase = manifest_read_bool(json, "three_phase", false);
  if (!(s->max_lr >= 0) || !(s->div_factor > 0) || !(s->final_div_factor > 0) ||
      !(s->pct_start >= 0 && s->pct_start <= 1))
    manifest_wrong(r, "one_cycle", "has a number that cannot be");
}

static void read_schedule(Reader *r, json_t *json, ScheduleSettings *s) {
  *s = (ScheduleSettings){.type = SCHEDULE_TYPE_NONE};
  const char *type = json_string_value(json_object_get(json, "type"));
  if (!type) return;
  for (ScheduleType t = SCHEDULE_TYPE_STEP; t <= SCHEDULE_TYPE_ONE_CYCLE; t++)
    if (strcmp(schedule_type_name(t), type) == 0) s->type = t;
  if (s->type == SCHEDULE_TYPE_NONE) manifest_wrong(r, "schedule", "is one that this runtime does not know");
  s->per_step = is_word(json, "interval", "step");
  s->warmup = manifest_read_size(r, json, "warmup", 0);
  s->gamma = manifest_read_number(json, "gamma", 0.1);
  s->eta_min = manifest_read_number(json, "eta_min", 0);
  s->start_factor = manifest_read_number(json, "start_factor", 1.0 / 3);
  s->end_factor = manifest_read_number(json, "end_factor", 1);
  s->total_iters = manifest_read_size(r, json, "total_iters", 5);
  s->step_size = manifest_read_size(r, json, "step_size", 1);
  if (json_is_integer(json_object_get(json, "T_max"))) s->t_max = manifest_read_size(r, json, "T_max", 0);
  if (s->step_size < 1 || s->total_iters < 1) manifest_wrong(r, "schedule", "counts in steps of 0");
  if (s->type == SCHEDULE_TYPE_MULTISTEP) read_milestones(r, json, s);
  if (s->type == SCHEDULE_TYPE_ONE_CYCLE) read_one_cycle(r, json, s);
}

static void read_jitter(Reader *r, json_t *json, AugmentStep *step) {
  static const char *const names[] = {"brightness", "contrast", "saturation", "hue"};
  for (int i = 0; i < 4; i++) {
    double *range = step->jitter[i];
    range[0] = range[1] = i == 3 ? 0 : 1;
    if (json_is_array(json_object_get(json, names[i]))) manifest_read_pair(r, json, names[i], range, range[1]);
    if (!(range[0] <= range[1]) || range[0] < (i == 3 ? -0.5 : 0) || range[1] > (i == 3 ? 0.5 : 1e30))
      manifest_wrong(r, names[i], "is no range of a color_jitter");
  }
}

static void read_augment(Reader *r, json_t *json, AugmentStep *step) {
  const char *op = json_string_value(json_object_get(json, "op"));
  int known = -1;
  for (AugmentOp i = AUGMENT_OP_RANDOM_RESIZED_CROP; op && i <= AUGMENT_OP_ERASING; i++)
    if (strcmp(op, augment_op_name(i)) == 0) known = (int)i;
  if (known < 0) {
    manifest_wrong(r, "train.augment", "has a step that this runtime does not know");
    return;
  }
  bool erasing = known == AUGMENT_OP_ERASING, crop = known == AUGMENT_OP_RANDOM_RESIZED_CROP;
  step->op = (AugmentOp)known;
  step->p = manifest_read_number(json, "p", 0.5);
  step->value = manifest_read_number(json, "value", 0);
  step->padding = manifest_read_size(r, json, "padding", 0);
  if (step->padding > 65535) manifest_wrong(r, "padding", "is too large");
  if (crop || known == AUGMENT_OP_RANDOM_CROP) {
    manifest_read_pixels(r, json, step->size);
    if (step->size[1] < 0) step->size[1] = step->size[0];
  }
  step->scale[0] = erasing ? 0.02 : 0.08, step->scale[1] = erasing ? 0.33 : 1;
  step->ratio[0] = erasing ? 0.3 : 3.0 / 4, step->ratio[1] = erasing ? 3.3 : 4.0 / 3;
  if (json_is_array(json_object_get(json, "scale"))) manifest_read_pair(r, json, "scale", step->scale, 1);
  if (json_is_array(json_object_get(json, "ratio"))) manifest_read_pair(r, json, "ratio", step->ratio, 4.0 / 3);
  if (known == AUGMENT_OP_COLOR_JITTER) read_jitter(r, json, step);
  if (known == AUGMENT_OP_ROTATION) manifest_read_pair(r, json, "degrees", step->degrees, 0);
}

static void read_loss(Reader *r, json_t *json, ManifestTrain *train) {
  const char *type = json_string_value(json_object_get(json, "type"));
  bool known = !type;
  for (LossType t = LOSS_TYPE_CROSS_ENTROPY; type && t <= LOSS_TYPE_BCE_WITH_LOGITS; t++)
    if (strcmp(loss_type_name(t), type) == 0) train->loss = t, known = true;
  if (!known) manifest_wrong(r, "train.loss", "is one that this runtime does not know");
  train->label_smoothing = manifest_read_number(json, "label_smoothing", 0);
  json_t *ignore = json_object_get(json, "ignore_index");
  train->ignore_index = ignore ? json_integer_value(ignore) : -100;
  json_t *weight = json_object_get(json, train->loss == LOSS_TYPE_BCE_WITH_LOGITS ? "pos_weight" : "weight");
  if (json_array_size(weight) == 0) return;
  train->class_weight_count = json_array_size(weight);
  train->class_weights = manifest_reserve(r, train->class_weight_count, sizeof(float));
  for (size_t i = 0; i < train->class_weight_count && !r->failed; i++)
    train->class_weights[i] = (float)json_number_value(json_array_get(weight, i));
}

/* What the train block and a phase say alike. */
static void read_stage(Reader *r, json_t *json, ManifestPhase *p) {
  read_optimizer(r, json_object_get(json, "optimizer"), &p->optimizer);
  read_schedule(r, json_object_get(json, "schedule"), &p->schedule);
  json_t *groups = json_object_get(json, "groups"), *augment = json_object_get(json, "augment");
  p->group_count = json_array_size(groups) ? json_array_size(groups) : 1;
  p->groups = manifest_reserve(r, p->group_count, sizeof *p->groups);
  for (size_t i = 0; i < p->group_count && !r->failed; i++) {
    json_t *group = json_array_get(groups, i);
    p->groups[i] = (OptimizerGroup){.lr = manifest_read_number(group, "lr", NAN),
                                    .weight_decay = manifest_read_number(group, "weight_decay", NAN),
                                    .momentum = manifest_read_number(group, "momentum", NAN)};
  }
  p->batch = manifest_read_size(r, json, "batch", 16);
  p->epochs = manifest_read_size(r, json, "epochs", 10);
  if (p->batch < 1) manifest_wrong(r, "train.batch", "is 0");
  p->augment_count = json_array_size(augment);
  p->augment = manifest_reserve(r, p->augment_count, sizeof *p->augment);
  for (size_t i = 0; i < p->augment_count && !r->failed; i++)
    read_augment(r, json_array_get(augment, i), &p->augment[i]);
}

/* The tensor's gradients are there, and its group is one of the phase's. */
static void take_tensor(Reader *r, const Manifest *m, ManifestPhase *p, size_t index, int64_t grad, int64_t group) {
  const ManifestTensor *t = &m->tensors[index];
  if (grad < 0 || grad % 4 || t->i64 || grad > p->grads_bytes || t->shape.count * 4 > p->grads_bytes - grad)
    manifest_wrong(r, "grad", "of a tensor lies outside the gradients, or is missing");
  if (group < 0 || (uint64_t)group >= p->group_count) manifest_wrong(r, "group", "of a tensor is not in train.groups");
  p->grad[index] = grad, p->group[index] = (int)group;
}

/* [index, grad, group] of each tensor that the phase trains, and the layers that it freezes. */
static void read_phase_tensors(Reader *r, json_t *json, const Manifest *m, ManifestPhase *p) {
  json_t *row, *layer;
  size_t i;
  json_array_foreach(json_object_get(json, "tensors"), i, row) {
    json_int_t index = json_integer_value(json_array_get(row, 0));
    if (json_array_size(row) != 3 || index < 0 || (uint64_t)index >= m->tensor_count)
      manifest_wrong(r, "tensors", "of a phase are not the network's");
    else
      take_tensor(r, m, p, (size_t)index, json_integer_value(json_array_get(row, 1)),
                  json_integer_value(json_array_get(row, 2)));
  }
  json_array_foreach(json_object_get(json, "frozen_layers"), i, layer) {
    json_int_t at = json_integer_value(layer);
    if (at < 0 || (uint64_t)at >= m->layer_count) manifest_wrong(r, "frozen_layers", "is not a layer's place");
    else p->frozen[at] = true;
  }
}

/* The same where there are no phases: the tensors and layers say it themselves. */
static void read_own_tensors(Reader *r, json_t *root, const Manifest *m, ManifestPhase *p) {
  json_t *tensors = json_object_get(root, "tensors"), *layers = json_object_get(root, "layers");
  for (size_t i = 0; i < m->tensor_count; i++) {
    json_t *json = json_array_get(tensors, i), *grad = json_object_get(json, "grad");
    int64_t group = manifest_read_size(r, json, "group", 0);
    if (manifest_read_bool(json, "trainable", false))
      take_tensor(r, m, p, i, json_is_integer(grad) ? json_integer_value(grad) : -1, group);
    else if ((uint64_t)group >= p->group_count) manifest_wrong(r, "group", "of a tensor is not in train.groups");
  }
  for (size_t i = 0; i < m->layer_count; i++)
    p->frozen[i] = manifest_read_bool(json_array_get(layers, i), "frozen", false);
}

/* `json`: what the phase computes with; the network itself where there are no phases. */
static void read_parts(Reader *r, json_t *json, const Manifest *m, ManifestPhase *p) {
  json_t *features = json_object_get(json, "features");
  p->repack = manifest_read_bool(json, "repack", true);
  p->grads_bytes = manifest_read_size(r, json, "grads_bytes", p->name ? -1 : 0);
  manifest_read_functions(r, json, p->functions);
  if (json_is_object(features)) {
    const char *key = json_string_value(json_object_get(features, "key"));
    p->features_bytes = manifest_read_size(r, features, "bytes", -1);
    p->features = manifest_read_shape(r, features, "shape");
    snprintf(p->features_key, FEATURES_KEY, "%s", key ? key : "");
  }
  p->grad = manifest_reserve(r, m->tensor_count, sizeof *p->grad);
  p->group = manifest_reserve(r, m->tensor_count, sizeof *p->group);
  p->frozen = manifest_reserve(r, m->layer_count, sizeof *p->frozen);
  if (r->failed) return;
  for (size_t k = 0; k < m->tensor_count; k++) p->grad[k] = -1;
  if (p->name) read_phase_tensors(r, json, m, p);
  else read_own_tensors(r, json, m, p);
}

static void read_phases(Reader *r, json_t *root, json_t *json, Manifest *m) {
  json_t *list = json_object_get(json, "phases");
  ManifestTrain *train = &m->train;
  size_t count = json_array_size(list);
  train->phases = manifest_reserve(r, count ? count : 1, sizeof *train->phases);
  if (r->failed) return;
  train->phase_count = count ? count : 1;
  for (size_t i = 0; i < train->phase_count && !r->failed; i++) {
    ManifestPhase *p = &train->phases[i];
    json_t *own = count ? json_array_get(list, i) : json;
    read_stage(r, own, p);
    if (count) p->name = manifest_read_text(r, own, "name", false);
    p->own_lr = count && manifest_read_bool(own, "own_lr", false);
    if (!r->failed) read_parts(r, count ? own : root, m, p);
    if (p->grads_bytes > m->grads_bytes) m->grads_bytes = p->grads_bytes;
  }
}

static void read_saves(Reader *r, json_t *json, const Manifest *m, ManifestTrain *train) {
  json_t *list = json_object_get(json, "save");
  train->save_count = json_array_size(list);
  train->saves = manifest_reserve(r, train->save_count, sizeof *train->saves);
  for (size_t i = 0; i < train->save_count && !r->failed; i++) {
    ManifestSave *save = &train->saves[i];
    json_t *one = json_array_get(list, i), *tensors = json_object_get(one, "tensors");
    save->file = manifest_read_text(r, one, "file", false);
    save->tensor_count = json_array_size(tensors);
    save->tensors = manifest_reserve(r, save->tensor_count, sizeof *save->tensors);
    for (size_t k = 0; k < save->tensor_count && !r->failed; k++) {
      json_int_t index = json_integer_value(json_array_get(tensors, k));
      if (index < 0 || (uint64_t)index >= m->tensor_count)
        manifest_wrong(r, "save", "names a tensor that is not there");
      else save->tensors[k] = (size_t)index;
    }
  }
}

void manifest_read_train(Reader *r, json_t *root, Manifest *m) {
  ManifestTrain *train = &m->train;
  json_t *json = json_object_get(root, "train"), *stop = json_object_get(json, "early_stop");
  train->given = json_is_object(json);
  read_loss(r, json_object_get(json, "loss"), train);
  read_phases(r, root, json, m);
  train->seed = (uint64_t)manifest_read_size(r, json, "seed", 0);
  train->clip_norm = manifest_read_number(json, "clip_norm", 0);
  train->accumulate = manifest_read_size(r, json, "accumulate", 1);
  train->mixup = manifest_read_number(json, "mixup", 0);
  train->ema = manifest_read_number(json, "ema", 0);
  if (train->accumulate < 1) manifest_wrong(r, "accumulate", "is 0");
  if (!(train->clip_norm >= 0) || !(train->mixup >= 0) || !(train->ema >= 0 && train->ema < 1))
    manifest_wrong(r, "train", "has a clip_norm, mixup or ema that cannot be");
  if (train->mixup > 0 && (train->loss == LOSS_TYPE_MSE || train->loss == LOSS_TYPE_L1))
    manifest_wrong(r, "mixup", "wants a loss with classes");
  if (json_is_object(stop)) {
    train->patience = manifest_read_size(r, stop, "patience", -1);
    train->min_delta = manifest_read_number(stop, "min_delta", 0);
    train->watch_accuracy = is_word(stop, "monitor", "accuracy");
  }
  read_saves(r, json, m, train);
}

void manifest_free_train(ManifestTrain *train) {
  for (size_t i = 0; train->phases && i < train->phase_count; i++) {
    ManifestPhase *p = &train->phases[i];
    free(p->name), free(p->groups), free(p->augment), free(p->schedule.milestones);
    free(p->grad), free(p->group), free(p->frozen);
  }
  for (size_t i = 0; train->saves && i < train->save_count; i++)
    free(train->saves[i].file), free(train->saves[i].tensors);
  free(train->class_weights), free(train->phases), free(train->saves);
}
