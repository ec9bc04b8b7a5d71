/* The part of the manifest that `inspect` needs (runtime/abi.h): values with their places in the arena, blocks that can
 * be removed, and what each call of forward is for. Checked like the rest: pointers are made of it. Called by
 * manifest.c. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/net/manifest.h"

#define LANES 16 /* of a blocked value */

static int wrong(surgery_error *err, const char *what) {
  return sg_fail(err, SURGERY_BAD_INPUT, "the network's manifest: %s", what);
}

static char *copy_text(json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? strdup(text) : NULL;
}

/* A list of values' numbers, each from -1 to below `limit`; NULL: it is none, or no memory. */
static int *read_indices(json_t *list, size_t limit, size_t *count) {
  *count = json_array_size(list);
  int *indices = json_is_array(list) ? calloc(*count + 1, sizeof *indices) : NULL;
  for (size_t i = 0; indices && i < *count; i++) {
    json_t *index = json_array_get(list, i);
    json_int_t value = json_is_integer(index) ? json_integer_value(index) : -2;
    if (value < -1 || value >= (json_int_t)limit) {
      free(indices);
      return NULL;
    }
    indices[i] = (int)value;
  }
  return indices;
}

static bool read_shape(json_t *list, ManifestShape *shape) {
  *shape = (ManifestShape){.count = 1};
  if (!json_is_array(list) || json_array_size(list) > SURGERY_MAX_RANK) return false;
  shape->rank = (int)json_array_size(list);
  for (int i = 0; i < shape->rank; i++) {
    json_t *dim = json_array_get(list, (size_t)i);
    shape->dim[i] = json_is_integer(dim) ? json_integer_value(dim) : -1;
    if (shape->dim[i] < 1 || __builtin_mul_overflow(shape->count, shape->dim[i], &shape->count) ||
        shape->count > INT64_MAX / 1024)
      return false;
  }
  return true;
}

static int read_value(json_t *json, const Manifest *m, size_t index, ManifestValue *v, surgery_error *err) {
  v->name = copy_text(json, "name"), v->type = copy_text(json, "type"), v->layer = copy_text(json, "layer");
  v->inputs = read_indices(json_object_get(json, "inputs"), index, &v->input_count);
  if (!v->name || !v->type || !v->inputs || !read_shape(json_object_get(json, "shape"), &v->shape))
    return wrong(err, "a value lacks its name, type, inputs or shape");
  json_t *offset = json_object_get(json, "offset");
  v->offset = json_is_integer(offset) ? json_integer_value(offset) : -1;
  v->blocked = json_is_true(json_object_get(json, "blocked"));
  if (v->blocked && v->shape.rank != 3) return wrong(err, "a blocked value is no image");
  int64_t count = v->shape.count, room = m->functions[NET_INSPECT].per_sample;
  if (v->blocked) count = (v->shape.dim[0] + LANES - 1) / LANES * LANES * (count / v->shape.dim[0]);
  if (v->offset < 0 ? count != m->input.shape.count
                    : v->offset % 64 || v->offset > room || count * 4 > room - v->offset)
    return wrong(err, "a value lies outside the arena");
  return 0;
}

static const ManifestShape *shape_of(const Manifest *m, int value) {
  return value < 0 ? &m->input.shape : &m->values[value].shape;
}

static int read_block(json_t *json, const Manifest *m, ManifestBlock *b, surgery_error *err) {
  size_t ends_count;
  json_t *ends = json_pack("[O?, O?]", json_object_get(json, "in"), json_object_get(json, "out"));
  int *end = read_indices(ends, m->value_count, &ends_count);
  json_decref(ends);
  if (end) b->in = end[0], b->out = end[1];
  b->name = copy_text(json, "name"), b->type = copy_text(json, "type");
  b->values = read_indices(json_object_get(json, "values"), m->value_count, &b->value_count);
  b->parameters = json_integer_value(json_object_get(json, "parameters"));
  bool good = end && ends_count == 2 && b->out >= 0 && b->name && b->type && b->values &&
              shape_of(m, b->in)->count == m->values[b->out].shape.count;
  free(end);
  return good ? 0 : wrong(err, "a block lacks its name, its values or equal shapes");
}

int manifest_read_inspect(void *root, Manifest *m, surgery_error *err) {
  json_t *values = json_object_get(root, "values"), *blocks = json_object_get(root, "blocks");
  m->value_count = 0;
  m->values = calloc(json_array_size(values) + 1, sizeof *m->values);
  m->blocks = calloc(json_array_size(blocks) + 1, sizeof *m->blocks);
  if (!m->values || !m->blocks) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory to read the network's manifest");
  for (size_t i = 0; i < json_array_size(values); i++) {
    m->value_count = i + 1;
    if (read_value(json_array_get(values, i), m, i, &m->values[i], err)) return -1;
  }
  for (size_t i = 0; i < json_array_size(blocks); i++) {
    m->block_count = i + 1;
    if (read_block(json_array_get(blocks, i), m, &m->blocks[i], err)) return -1;
  }
  json_t *calls = json_object_get(root, "forward_calls");
  if (calls && !(m->forward_calls = read_indices(calls, m->value_count, &m->forward_call_count)))
    return wrong(err, "the calls of forward are not of its values");
  return 0;
}

void manifest_free_inspect(Manifest *m) {
  for (size_t i = 0; m->values && i < m->value_count; i++)
    free(m->values[i].name), free(m->values[i].type), free(m->values[i].layer), free(m->values[i].inputs);
  for (size_t i = 0; m->blocks && i < m->block_count; i++)
    free(m->blocks[i].name), free(m->blocks[i].type), free(m->blocks[i].values);
  free(m->values), free(m->blocks), free(m->forward_calls);
}
