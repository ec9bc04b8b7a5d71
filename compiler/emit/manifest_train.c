/* The train block in the manifest: optimizer, schedule, loss, groups, augmentation, phases, under torch's names. Called
 * by manifest.c. */
#include "compiler/emit/manifest.h"
#include <math.h>

/* ---- values and rows of train.def ---- */

static json_t *numbers_json(const NumberList *list) {
  if (!list->count) return json_null();
  json_t *json = json_array();
  for (int64_t i = 0; i < list->count; i++) json_array_append_new(json, json_real((double)list->at[i]));
  return json;
}

static json_t *steps_json(const StepList *list) {
  json_t *json = json_array();
  for (int64_t i = 0; i < list->count; i++) json_array_append_new(json, json_integer(list->at[i]));
  return json;
}

static json_t *value_json(const TrainArg *arg, const void *at) {
  const double *number = at;
  const int64_t *count = at;
  char word[32];
  bool none = arg->fallback && streq(arg->fallback, "none");
  switch (arg->type) {
  case TYPE_NUMBER:
  case TYPE_POSITIVE: return isnan(*number) ? NULL : json_real(*number);
  case TYPE_COUNT: return none && *count == 0 ? json_null() : json_integer(*count);
  case TYPE_SWITCH: return json_boolean(*count);
  case TYPE_WORD: return json_string(train_word(arg, *count, word));
  case TYPE_PAIR:
  case TYPE_RANGE: return manifest_pair(number[0], number[1]);
  case TYPE_SIZE: return manifest_size(count);
  case TYPE_NUMBERS: return numbers_json(at);
  case TYPE_STEPS: return steps_json(at);
  default: BUG("'%s' is no argument with a value", arg->name);
  }
}

static json_t *args_json(const TrainArg *args, const void *from) {
  json_t *json = json_object();
  for (; args->name; args++) {
    json_t *value = value_json(args, (const char *)from + args->offset);
    if (value) json_object_set_new(json, args->name, value);
  }
  return json;
}

/* key: what the name of the row is under. */
static json_t *choice_json(TrainRows rows, const char *key, const void *config) {
  const TrainRow *row = &rows.at[*(const int64_t *)config];
  json_t *json = args_json(row->args(), (const char *)config + TRAIN_ARGS);
  json_object_set_new(json, key, json_string(row->name));
  return json;
}

static json_t *groups_json(const PhaseConfig *stage) {
  json_t *list = json_array();
  json_array_append_new(list, json_object()); /* 0: what no group names */
  for (size_t i = 0; i < stage->groups.count; i++)
    json_array_append_new(list, args_json(group_row.args(), &stage->groups.at[i].args));
  return list;
}

int manifest_group(const PhaseConfig *stage, ParamId id) {
  for (size_t i = 0; stage && i < stage->groups.count; i++)
    for (size_t k = 0; k < stage->groups.at[i].params.count; k++)
      if (stage->groups.at[i].params.at[k] == id) return (int)i + 1;
  return 0;
}

/* What a stage of the training sets: into the object of the train block, or of a phase. */
static void set_stage(json_t *json, const PhaseConfig *stage) {
  const StageRecipe *r = &stage->recipe;
  json_t *augment = json_array();
  for (size_t i = 0; i < stage->augment.count; i++)
    json_array_append_new(augment, choice_json(augment_rows, "op", &stage->augment.at[i].config));
  json_object_set_new(json, "optimizer", choice_json(optimizer_rows, "type", &r->optimizer));
  json_object_set_new(json, "schedule",
                      r->schedule.kind ? choice_json(schedule_rows, "type", &r->schedule) : json_null());
  json_object_set_new(json, "groups", groups_json(stage));
  json_object_set_new(json, "batch", json_integer(r->batch));
  json_object_set_new(json, "epochs", json_integer(r->epochs));
  json_object_set_new(json, "augment", augment);
}

static json_t *phase_json(Arena *arena, const Plan *plan, const PhaseConfig *phase, const ParamList *state) {
  json_t *json =
      json_pack("{s:o, s:b}", "name", manifest_string(phase->recipe.name), "own_lr", (int)phase->recipe.own_lr);
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

/* The settings that hold for the whole training. */
static void set_extras(json_t *json, const TrainConfig *train, const ParamList *state) {
  for (SettingKind i = 0; i < SETTING_KINDS; i++) {
    const TrainSetting *setting = &train_settings[i];
    const void *at = (const char *)&train->recipe + setting->arg.offset;
    if (setting->scope != SCOPE_TRAINING) continue;
    if (setting->arg.type == TYPE_LOSS) json_object_set_new(json, "loss", choice_json(loss_rows, "type", at));
    else if (setting->arg.type != TYPE_EARLY_STOP)
      json_object_set_new(json, setting->arg.name, value_json(&setting->arg, at));
    else if (train->recipe.early_stop.patience > 0)
      json_object_set_new(json, setting->arg.name, args_json(early_stop_row.args(), at));
  }
  json_t *saves = json_array();
  for (size_t i = 0; i < train->saves.count; i++) json_array_append_new(saves, save_json(&train->saves.at[i], state));
  json_object_set_new(json, "save", saves);
}

json_t *manifest_train(Arena *arena, const Plan *plan, const ParamList *state) {
  const TrainConfig *train = plan->train;
  if (!train) return json_null();
  json_t *json = json_object();
  set_stage(json, train_phase(train, 0));
  set_extras(json, train, state);
  if (train->phases.count == 0) return json;
  json_t *phases = json_array();
  for (size_t i = 0; i < train->phases.count; i++)
    json_array_append_new(phases, phase_json(arena, i ? plan->later.at[i - 1] : plan, &train->phases.at[i], state));
  json_object_set_new(json, "phases", phases);
  return json;
}
