/* A recipe out of JSON, by the rows of train.def: what the compiler makes of a train block, without the compiler; and
 * the files of PyTorch's numbers. */
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "tests/runtime/fake.h"

/* Reachable to the end: networks point into them. */
static void *keep(size_t size) {
  static void *kept[4096];
  static int count;
  MUST(count < 4096);
  void *memory = kept[count++] = calloc(1, size);
  MUST(memory);
  return memory;
}

static NumberList numbers(json_t *list) {
  size_t count = json_array_size(list);
  float *at = keep(count * sizeof *at + 1);
  for (size_t i = 0; i < count; i++) at[i] = (float)json_number_value(json_array_get(list, i));
  return (NumberList){at, (int64_t)count};
}

static StepList steps(json_t *list) {
  size_t count = json_array_size(list);
  int64_t *at = keep(count * sizeof *at + 1);
  for (size_t i = 0; i < count; i++) at[i] = json_integer_value(json_array_get(list, i));
  return (StepList){at, (int64_t)count};
}

static void put(const TrainArg *arg, json_t *json, void *at) {
  char word[32];
  for (int i = 0; i < 2; i++) {
    json_t *one = json_is_array(json) ? json_array_get(json, (size_t)i) : json;
    if (arg->type == TYPE_PAIR || arg->type == TYPE_RANGE) ((double *)at)[i] = json_number_value(one);
    if (arg->type == TYPE_SIZE) ((int64_t *)at)[i] = json_integer_value(one);
  }
  switch (arg->type) {
  case TYPE_NUMBER:
  case TYPE_POSITIVE: *(double *)at = json_number_value(json); break;
  case TYPE_COUNT: *(int64_t *)at = json_is_null(json) ? 0 : json_integer_value(json); break;
  case TYPE_SWITCH: *(int64_t *)at = json_boolean_value(json); break;
  case TYPE_WORD: *(int64_t *)at = strcmp(train_word(arg, 0, word), json_string_value(json)) != 0; break; /* of two */
  case TYPE_NUMBERS: *(NumberList *)at = numbers(json); break;
  case TYPE_STEPS: *(StepList *)at = steps(json); break;
  default: break;
  }
}

void recipe_arguments(const TrainArg *args, void *json, void *to) {
  const char *key;
  json_t *value;
  train_defaults(args, to);
  json_object_foreach((json_t *)json, key, value) {
    const TrainArg *arg = args;
    if (strcmp(key, "type") == 0) continue;
    while (arg->name && strcmp(arg->name, key)) arg++;
    if (!arg->name) fprintf(stderr, "no argument '%s'\n", key), abort();
    put(arg, value, (char *)to + arg->offset);
  }
}

void recipe_choice(TrainRows rows, void *json, void *config) {
  int kind = train_find(rows, json_string_value(json_object_get(json, "type")));
  MUST(kind >= 0);
  *(int64_t *)config = kind;
  recipe_arguments(rows.at[kind].args(), json, (char *)config + TRAIN_ARGS);
}

static GroupList groups(json_t *list) {
  size_t count = json_array_size(list) ? json_array_size(list) : 1;
  Args_Group *at = keep(count * sizeof *at);
  for (size_t i = 0; i < count; i++) recipe_arguments(group_row.args(), json_array_get(list, i), &at[i]);
  return (GroupList){at, (int64_t)count};
}

const TrainRecipe *test_recipe(const char *text) {
  if (!text) return NULL;
  json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
  if (!json) fprintf(stderr, "no JSON: %s\n", text), abort();
  TrainRecipe *recipe = keep(sizeof *recipe);
  StageRecipe *stage = keep(sizeof *stage);
  *recipe = recipe_unsaid, *stage = recipe_unsaid.stages[0];
  recipe->stages = stage;
  stage->groups = groups(json_object_get(json, "groups"));
  for (SettingKind i = 0; i < SETTING_KINDS; i++) {
    const TrainSetting *setting = &train_settings[i];
    json_t *value = json_object_get(json, setting->arg.name);
    void *at = (setting->scope == SCOPE_TRAINING ? (char *)recipe : (char *)stage) + setting->arg.offset;
    if (!value || json_is_null(value)) continue;
    switch (setting->arg.type) {
    case TYPE_OPTIMIZER: memset(at, 0, sizeof(OptimizerConfig)), recipe_choice(optimizer_rows, value, at); break;
    case TYPE_LOSS: memset(at, 0, sizeof(LossConfig)), recipe_choice(loss_rows, value, at); break;
    case TYPE_SCHEDULE: recipe_choice(schedule_rows, value, at); break;
    case TYPE_EARLY_STOP: recipe_arguments(early_stop_row.args(), value, at); break;
    default: put(&setting->arg, value, at);
    }
  }
  json_decref(json);
  return recipe;
}

void test_goldens_of(const char *family, TrainRows rows, bool all, void (*test)(void *config, void *golden)) {
  uint64_t config[64] = {0};
  DIR *folder = opendir(TRAIN_GOLDENS);
  MUST(folder && sizeof config > sizeof(OptimizerConfig) && sizeof config > sizeof(ScheduleConfig));
  size_t i, files = 0;
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    char path[600];
    json_t *one;
    snprintf(path, sizeof path, "%s/%s", TRAIN_GOLDENS, entry->d_name);
    json_t *golden = *entry->d_name == '.' ? NULL : json_load_file(path, 0, NULL);
    json_t *name = json_object_get(golden, family);
    json_array_foreach(name ? json_object_get(golden, "cases") : NULL, i, one) {
      json_t *arguments = json_object_get(one, "arguments");
      json_object_set(arguments, "type", name);
      memset(config, 0, sizeof config);
      recipe_choice(rows, arguments, config);
      test(config, one);
    }
    files += name != NULL;
    json_decref(golden);
  }
  closedir(folder);
  MUST(files &&
       (!all || files == (size_t)rows.count - (strcmp(rows.at[0].name, "none") == 0))); /* each row has its own */
}

size_t golden_numbers(void *json, double *to, size_t room) {
  json_t *one;
  size_t i;
  MUST(json_array_size(json) <= room);
  json_array_foreach((json_t *)json, i, one) to[i] = strtod(json_string_value(one), NULL);
  return json_array_size(json);
}
