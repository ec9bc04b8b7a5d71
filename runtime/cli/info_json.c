/* `info --json`: the manifest, the recipe of the training, and what this machine makes of them. The recipe is written
 * by the rows of grammar/train.def, so that whatever a network carries is shown. Called by info.c. */
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "runtime/cli/cli.h"

static json_t *number_json(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *arguments_json(const TrainArg *args, const void *from, const char *type);

static json_t *choice_json(TrainRows rows, const void *config) {
  const TrainRow *row = &rows.at[*(const int64_t *)config];
  return arguments_json(row->args(), (const char *)config + TRAIN_ARGS, row->name);
}

static json_t *numbers_json(const NumberList *list) {
  json_t *json = json_array();
  for (int64_t i = 0; i < list->count; i++) json_array_append_new(json, number_json((double)list->at[i]));
  return json;
}

static json_t *steps_json(const StepList *list) {
  json_t *json = json_array();
  for (int64_t i = 0; i < list->count; i++) json_array_append_new(json, json_integer(list->at[i]));
  return json;
}

static json_t *augments_json(const AugmentList *list) {
  json_t *json = json_array();
  for (int64_t i = 0; i < list->count; i++) json_array_append_new(json, choice_json(augment_rows, &list->at[i]));
  return json;
}

static json_t *value_json(const TrainArg *arg, const void *from) {
  const void *at = (const char *)from + arg->offset;
  const double *number = at;
  const int64_t *count = at;
  char word[32];
  switch (arg->type) {
  case TYPE_NUMBER:
  case TYPE_POSITIVE: return number_json(*number);
  case TYPE_COUNT: return json_integer(*count);
  case TYPE_SWITCH: return json_boolean(*count);
  case TYPE_WORD: return json_string(train_word(arg, *count, word));
  case TYPE_PAIR:
  case TYPE_RANGE: return json_pack("[o, o]", number_json(number[0]), number_json(number[1]));
  case TYPE_SIZE: return json_pack("[I, I]", (json_int_t)count[0], (json_int_t)count[1]);
  case TYPE_NUMBERS: return numbers_json(at);
  case TYPE_STEPS: return steps_json(at);
  case TYPE_OPTIMIZER: return choice_json(optimizer_rows, at);
  case TYPE_LOSS: return choice_json(loss_rows, at);
  case TYPE_SCHEDULE: return choice_json(schedule_rows, at);
  case TYPE_AUGMENTS: return augments_json(at);
  case TYPE_EARLY_STOP:
    return ((const Args_EarlyStop *)at)->patience ? arguments_json(early_stop_row.args(), at, NULL) : json_null();
  }
  return json_null();
}

static json_t *arguments_json(const TrainArg *args, const void *from, const char *type) {
  json_t *json = json_object();
  if (type) json_object_set_new(json, "type", json_string(type));
  for (const TrainArg *arg = args; arg->name; arg++) json_object_set_new(json, arg->name, value_json(arg, from));
  return json;
}

static void add_settings(json_t *json, TrainScope scope, const void *from) {
  for (int i = 0; i < SETTING_KINDS; i++)
    if (train_settings[i].scope == scope)
      json_object_set_new(json, train_settings[i].arg.name, value_json(&train_settings[i].arg, from));
}

/* The first group is what no group of the script has: nothing differs there. */
static json_t *stage_json(const StageRecipe *stage) {
  json_t *json = json_object(), *groups = json_array();
  if (stage->name) json_object_set_new(json, "name", json_string(stage->name));
  add_settings(json, SCOPE_STAGE, stage);
  for (int64_t i = 1; i < stage->groups.count; i++)
    json_array_append_new(groups, arguments_json(group_row.args(), &stage->groups.at[i], NULL));
  json_object_set_new(json, "groups", groups);
  return json;
}

static json_t *recipe_json(const TrainRecipe *t, const Manifest *m) {
  json_t *json = json_object(), *stages = json_array(), *saves = json_array();
  add_settings(json, SCOPE_TRAINING, t);
  for (int64_t i = 0; i < t->stage_count; i++) json_array_append_new(stages, stage_json(&t->stages[i]));
  for (int64_t i = 0; i < t->save_count; i++) {
    json_t *tensors = json_array();
    for (int64_t k = 0; k < t->saves[i].count; k++)
      json_array_append_new(tensors, json_string(m->tensors[t->saves[i].tensors[k]].name));
    json_array_append_new(saves, json_pack("{s:s, s:o}", "file", t->saves[i].file, "tensors", tensors));
  }
  json_object_set_new(json, "stages", stages);
  json_object_set_new(json, "saves", saves);
  return json;
}

int info_json(const surgery_net *net) {
  json_t *json = json_loads(net->network->manifest, 0, NULL);
  if (!json) return -1; /* it was read when the network was opened: only memory can be missing */
  const TrainRecipe *train = net->manifest->train;
  json_t *labels = json_array();
  for (size_t i = 0; i < net->classes.count; i++) json_array_append_new(labels, json_string(net->classes.at[i]));
  json_object_set_new(json, "labels", labels); /* the weights' where the script has none */
  json_object_set_new(json, "train", train == &recipe_unsaid ? json_null() : recipe_json(train, net->manifest));
  json_object_set_new(json, "weights", json_pack("{s:s?, s:s}", "path", net->weights_path, "why", net->weights_why));
  json_object_set_new(json, "cpu", json_string(net->network->cpu));
  json_object_set_new(json, "threads", json_integer(surgery_threads()));
  int status = json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
  if (status == 0) putchar('\n');
  json_decref(json);
  return status;
}
