/* The train block in the manifest: optimizer, loss, groups, augmentation, under torch's names. Called by
 * manifest.c. */
#include "compiler/emit/manifest.h"
#include <math.h>

static json_t *optimizer_json(const OptimizerConfig *o) {
  static const char *const names[] = {
      [OPTIMIZER_SGD] = "SGD", [OPTIMIZER_ADAM] = "Adam", [OPTIMIZER_ADAMW] = "AdamW"};
  json_t *json = json_pack("{s:s, s:f, s:f, s:b}", "type", names[o->kind], "lr", o->lr, "weight_decay",
                           o->weight_decay, "maximize", o->maximize);
  if (!json) BUG("the optimizer's arguments are not finite");
  if (o->kind == OPTIMIZER_SGD) {
    json_object_set_new(json, "momentum", json_real(o->momentum));
    json_object_set_new(json, "dampening", json_real(o->dampening));
    json_object_set_new(json, "nesterov", json_boolean(o->nesterov));
  } else {
    json_object_set_new(json, "betas", manifest_pair(o->beta1, o->beta2));
    json_object_set_new(json, "eps", json_real(o->eps));
    json_object_set_new(json, "amsgrad", json_boolean(o->amsgrad));
  }
  return json;
}

static json_t *loss_json(const LossConfig *loss) {
  if (loss->kind == LOSS_MSE) return json_pack("{s:s}", "type", "MSE");
  json_t *weight = json_null();
  if (loss->weight.count) {
    weight = json_array();
    for (size_t i = 0; i < loss->weight.count; i++)
      json_array_append_new(weight, json_real(loss->weight.at[i]));
  }
  return json_pack("{s:s, s:f, s:o}", "type", "CrossEntropy", "label_smoothing", loss->label_smoothing,
                   "weight", weight);
}

static void set_if_given(json_t *json, const char *key, double value) {
  if (!isnan(value)) json_object_set_new(json, key, json_real(value));
}

static json_t *groups_json(const TrainConfig *train) {
  json_t *list = json_array();
  json_array_append_new(list, json_object()); /* 0: what no group names */
  for (size_t i = 0; i < train->groups.count; i++) {
    const GroupConfig *group = &train->groups.at[i];
    json_t *json = json_object();
    set_if_given(json, "lr", group->lr);
    set_if_given(json, "weight_decay", group->weight_decay);
    set_if_given(json, "momentum", group->momentum);
    json_array_append_new(list, json);
  }
  return list;
}

static json_t *augment_json(const AugmentConfig *a) {
  if (a->kind == AUGMENT_HORIZONTAL_FLIP) return json_pack("{s:s, s:f}", "op", "horizontal_flip", "p", a->p);
  return json_pack("{s:s, s:o, s:o, s:o}", "op", "random_resized_crop", "size", manifest_size(a->size),
                   "scale", manifest_pair(a->scale[0], a->scale[1]), "ratio",
                   manifest_pair(a->ratio[0], a->ratio[1]));
}

json_t *manifest_train(const TrainConfig *train) {
  if (!train) return json_null();
  json_t *augment = json_array();
  for (size_t i = 0; i < train->augment.count; i++)
    json_array_append_new(augment, augment_json(&train->augment.at[i]));
  return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "optimizer", optimizer_json(&train->optimizer),
                   "loss", loss_json(&train->loss), "groups", groups_json(train), "batch",
                   (json_int_t)train->batch, "epochs", (json_int_t)train->epochs, "seed",
                   (json_int_t)train->seed, "augment", augment);
}
