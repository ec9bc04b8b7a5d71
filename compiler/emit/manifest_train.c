/* What a compiled network knows of its training: the recipe of the train block, with the lists that the compiler keeps
 * beside it, and in the manifest what each phase trains. Called by compile.c and manifest.c. */
#include "compiler/emit/manifest.h"
#include <math.h>

int manifest_group(const PhaseConfig *stage, ParamId id) {
  for (size_t i = 0; stage && i < stage->groups.count; i++)
    for (size_t k = 0; k < stage->groups.at[i].params.count; k++)
      if (stage->groups.at[i].params.at[k] == id) return (int)i + 1;
  return 0;
}

/* ---- the recipe ---- */

static GroupList groups_of(Arena *arena, const PhaseConfig *stage) {
  size_t count = stage->groups.count + 1;
  Args_Group *at = arena_array(arena, Args_Group, count);
  at[0] = (Args_Group){NAN, NAN, NAN};
  for (size_t i = 1; i < count; i++) at[i] = stage->groups.at[i - 1].args;
  return (GroupList){at, (int64_t)count};
}

static AugmentList augments_of(Arena *arena, const PhaseConfig *stage) {
  size_t count = stage->augment.count;
  AugmentConfig *at = arena_array(arena, AugmentConfig, count + 1);
  for (size_t i = 0; i < count; i++) at[i] = stage->augment.at[i].config;
  return (AugmentList){at, (int64_t)count};
}

static SaveRecipe save_of(Arena *arena, const SaveConfig *save, const ParamList *state) {
  int64_t *tensors = arena_array(arena, int64_t, state->count + 1), count = 0;
  for (size_t i = 0; i < state->count; i++)
    for (size_t k = 0; k < save->params.count; k++)
      if (save->params.at[k] == state->at[i]) tensors[count++] = (int64_t)i;
  return (SaveRecipe){save->file, tensors, count};
}

const TrainRecipe *train_recipe(Arena *arena, const Plan *plan) {
  const TrainConfig *train = plan->train;
  if (!train) return NULL;
  ParamList state = graph_state_dict(plan->graph, arena, true);
  size_t count = train_phase_count(train);
  TrainRecipe *recipe = arena_new(arena, TrainRecipe);
  StageRecipe *stages = arena_array(arena, StageRecipe, count);
  SaveRecipe *saves = arena_array(arena, SaveRecipe, train->saves.count + 1);
  for (size_t i = 0; i < count; i++) {
    stages[i] = train_phase(train, i)->recipe;
    stages[i].groups = groups_of(arena, train_phase(train, i));
    stages[i].augment = augments_of(arena, train_phase(train, i));
  }
  for (size_t i = 0; i < train->saves.count; i++) saves[i] = save_of(arena, &train->saves.at[i], &state);
  *recipe = train->recipe;
  recipe->stages = stages, recipe->stage_count = (int64_t)count;
  recipe->saves = saves, recipe->save_count = (int64_t)train->saves.count;
  return recipe;
}

/* ---- the phases in the manifest ---- */

static json_t *phase_json(Arena *arena, const Plan *plan, const PhaseConfig *phase, const ParamList *state) {
  json_t *json = json_object();
  json_t *tensors = json_array();
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

json_t *manifest_phases(Arena *arena, const Plan *plan, const ParamList *state) {
  json_t *phases = json_array();
  for (size_t i = 0; i < plan->train->phases.count; i++)
    json_array_append_new(phases,
                          phase_json(arena, i ? plan->later.at[i - 1] : plan, &plan->train->phases.at[i], state));
  return phases;
}
