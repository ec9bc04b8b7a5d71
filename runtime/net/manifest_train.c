/* The phases of the manifest: what each trains. As everywhere in the manifest, nothing is trusted: sizes and places are
 * checked. Called by manifest.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/net/manifest_read.h"

/* The tensor's gradients are there, and its group is one of the phase's. */
static void take_tensor(Reader *r, const Manifest *m, ManifestPhase *p, size_t index, int64_t grad, int64_t group) {
  const ManifestTensor *t = &m->tensors[index];
  if (grad < 0 || grad % 4 || t->i64 || grad > p->grads_bytes || t->shape.count * 4 > p->grads_bytes - grad)
    manifest_wrong(r, "grad", "of a tensor lies outside the gradients, or is missing");
  if (group < 0 || group >= p->recipe->groups.count)
    manifest_wrong(r, "group", "of a tensor is not in the train block");
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
    else if (group >= p->recipe->groups.count) manifest_wrong(r, "group", "of a tensor is not in the train block");
  }
  for (size_t i = 0; i < m->layer_count; i++)
    p->frozen[i] = manifest_read_bool(json_array_get(layers, i), "frozen", false);
}

/* `json`: what the phase computes with; the network itself where there are no phases. */
static void read_parts(Reader *r, json_t *json, const Manifest *m, ManifestPhase *p) {
  json_t *features = json_object_get(json, "features");
  p->repack = manifest_read_bool(json, "repack", true);
  p->grads_bytes = manifest_read_size(r, json, "grads_bytes", p->recipe->name ? -1 : 0);
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
  if (p->recipe->name) read_phase_tensors(r, json, m, p);
  else read_own_tensors(r, json, m, p);
}

void manifest_read_phases(Reader *r, json_t *root, Manifest *m) {
  json_t *list = json_object_get(root, "phases");
  const TrainRecipe *train = m->train;
  size_t named = train->stages[0].name ? (size_t)train->stage_count : 0;
  if (json_array_size(list) != named) {
    manifest_wrong(r, "phases", "are not those of the train block");
    return;
  }
  m->phases = manifest_reserve(r, (size_t)train->stage_count, sizeof *m->phases);
  for (int64_t i = 0; i < train->stage_count && !r->failed; i++) {
    ManifestPhase *p = &m->phases[i];
    p->recipe = &train->stages[i];
    read_parts(r, named ? json_array_get(list, (size_t)i) : root, m, p);
    if (p->grads_bytes > m->grads_bytes) m->grads_bytes = p->grads_bytes;
  }
}

void manifest_free_phases(Manifest *m) {
  for (int64_t i = 0; m->phases && i < m->train->stage_count; i++) {
    ManifestPhase *p = &m->phases[i];
    free(p->grad), free(p->group), free(p->frozen);
  }
  free(m->phases);
}
