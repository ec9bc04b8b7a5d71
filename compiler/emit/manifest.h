/* Shared by the files that write the manifest. Every function returns a new reference, never NULL. */
#ifndef SURGERY_EMIT_MANIFEST_H
#define SURGERY_EMIT_MANIFEST_H
#include "compiler/analysis/schedule.h"
#include <jansson.h>

json_t *manifest_string(const char *text); /* null for NULL */
json_t *manifest_pair(double a, double b);
json_t *manifest_size(const int64_t size[2]); /* [height, width], null for what is not given */
json_t *manifest_shape(const Shape *shape); /* without the batch */
/* manifest_inspect.c: sets "values", "blocks" and "forward_calls" in the manifest. */
void manifest_inspect(Arena *arena, const Plan *plan, json_t *root);
/* manifest_train.c: the object "train", or null. */
json_t *manifest_train(const TrainConfig *train);
#endif
