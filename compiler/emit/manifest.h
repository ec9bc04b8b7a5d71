/* Shared by the two files that write the manifest. Every function returns a new reference, never NULL. */
#ifndef SURGERY_EMIT_MANIFEST_H
#define SURGERY_EMIT_MANIFEST_H
#include "compiler/frontend/settings.h"
#include <jansson.h>

json_t *manifest_string(const char *text); /* null for NULL */
json_t *manifest_pair(double a, double b);
json_t *manifest_size(const int64_t size[2]); /* [height, width], null for what is not given */
/* manifest_train.c: the object "train", or null. */
json_t *manifest_train(const TrainConfig *train);
#endif
