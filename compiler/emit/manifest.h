/* Shared by the files that write the manifest. Every function returns a new reference, never NULL. */
#ifndef SURGERY_EMIT_MANIFEST_H
#define SURGERY_EMIT_MANIFEST_H
#include "compiler/ops/program.h"
#include "compiler/settings/config.h"
#include <jansson.h>

json_t *manifest_string(const char *text);    /* null for NULL */
json_t *manifest_size(const int64_t size[2]); /* [height, width], null for what is not given */
json_t *manifest_shape(const Shape *shape);   /* without the batch */
/* manifest_inspect.c: sets "values", "blocks" and "forward_calls" in the manifest. */
void manifest_inspect(Arena *arena, const Plan *plan, json_t *root);
/* What the first phase has at the top and each later one in its own object. */
json_t *manifest_functions(const Plan *plan);
json_t *manifest_features(const Plan *plan);
bool manifest_repack(const Plan *plan, const ParamList *state);
json_t *manifest_frozen_layers(Arena *arena, const Graph *g); /* their places in "layers" */
/* manifest_train.c: the list "phases"; state: the tensors in the manifest's order. */
json_t *manifest_phases(Arena *arena, const Plan *plan, const ParamList *state);
/* The recipe of the train block, in the arena; NULL: there is none. */
const TrainRecipe *train_recipe(Arena *arena, const Plan *plan);
/* The parameter's group in the stage: 0 where it is in none, or `stage` is NULL. */
int manifest_group(const PhaseConfig *stage, ParamId id);
#endif
