/* Parses the manifest that a compiled network carries (runtime/abi.h) into the structs of manifest.h. The
 * text comes from our own compiler, yet nothing in it is trusted: kinds, ranges and the agreement of sizes
 * are checked, because pointers are made of them. Called by net.c only. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/net/manifest.h"
#include "runtime/net/manifest_read.h"

void manifest_wrong(Reader *r, const char *key, const char *what) {
  if (!r->failed) sg_fail(r->err, SURGERY_BAD_INPUT, "the network's manifest: '%s' %s", key, what);
  r->failed = true;
}

static void manifest_no_memory(Reader *r) {
  if (!r->failed) sg_fail(r->err, SURGERY_ENVIRONMENT, "no memory to read the network's manifest");
  r->failed = true;
}

void *manifest_reserve(Reader *r, size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) manifest_no_memory(r);
  return memory;
}

char *manifest_read_text(Reader *r, json_t *object, const char *key, bool optional) {
  json_t *value = json_object_get(object, key);
  if (!json_is_string(value)) {
    if (!optional) manifest_wrong(r, key, "is missing or not a text");
    return NULL;
  }
  char *copy = strdup(json_string_value(value));
  if (!copy) manifest_no_memory(r);
  return copy;
}

int64_t manifest_read_size(Reader *r, json_t *object, const char *key, int64_t absent) {
  json_t *value = json_object_get(object, key);
  if (!value && absent >= 0) return absent;
  if (!json_is_integer(value) || json_integer_value(value) < 0) {
    manifest_wrong(r, key, "is missing or not a size");
    return 0;
  }
  return json_integer_value(value);
}

double manifest_read_number(json_t *object, const char *key, double absent) {
  json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : absent;
}

bool manifest_read_bool(json_t *object, const char *key, bool absent) {
  json_t *value = json_object_get(object, key);
  return json_is_boolean(value) ? json_boolean_value(value) : absent;
}

ManifestShape manifest_read_shape(Reader *r, json_t *object, const char *key) {
  ManifestShape shape = {.count = 1};
  json_t *list = json_object_get(object, key);
  if (!json_is_array(list) || json_array_size(list) > SURGERY_MAX_RANK) {
    manifest_wrong(r, key, "is missing or not a shape");
    return shape;
  }
  shape.rank = (int)json_array_size(list);
  for (int i = 0; i < shape.rank; i++) {
    json_t *dim = json_array_get(list, (size_t)i);
    int64_t size = json_is_integer(dim) ? json_integer_value(dim) : -1;
    if (size < 0 || __builtin_mul_overflow(shape.count, size, &shape.count) || shape.count > INT64_MAX / 64) {
      manifest_wrong(r, key, "is no possible shape");
      return (ManifestShape){.count = 1};
    }
    shape.dim[i] = size;
  }
  return shape;
}

/* A pair [a, b]; null or a missing second is `absent`. */
void manifest_read_pair(Reader *r, json_t *object, const char *key, double to[2], double absent) {
  json_t *list = json_object_get(object, key);
  if (json_is_number(list)) {
    to[0] = json_number_value(list), to[1] = absent;
    return;
  }
  json_t *first = json_array_get(list, 0), *second = json_array_get(list, 1);
  if (!json_is_number(first)) {
    manifest_wrong(r, key, "is missing or not a pair of numbers");
    return;
  }
  to[0] = json_number_value(first);
  to[1] = json_is_number(second) ? json_number_value(second) : absent;
}

void manifest_read_pixels(Reader *r, json_t *object, int64_t to[2]) {
  double size[2] = {1, 1};
  manifest_read_pair(r, object, "size", size, -1);
  for (int i = 0; i < 2; i++) {
    if (!(size[i] == -1 || (size[i] >= 1 && size[i] <= 65535)) || size[0] == -1) {
      manifest_wrong(r, "size", "is no size of a picture");
      return;
    }
    to[i] = (int64_t)size[i];
  }
}

static void read_preprocess(Reader *r, json_t *json, PreprocessStep *step) {
  const char *op = json_string_value(json_object_get(json, "op"));
  if (op && strcmp(op, "grayscale") == 0) {
    step->op = PREPROCESS_GRAYSCALE;
  } else if (op && strcmp(op, "exif_transpose") == 0) {
    step->op = PREPROCESS_EXIF_TRANSPOSE;
  } else if (op && (strcmp(op, "resize") == 0 || strcmp(op, "center_crop") == 0)) {
    step->op = *op == 'r' ? PREPROCESS_RESIZE : PREPROCESS_CENTER_CROP;
    manifest_read_pixels(r, json, step->size);
    if (step->op == PREPROCESS_CENTER_CROP && step->size[1] < 0) step->size[1] = step->size[0];
  } else if (op && strcmp(op, "normalize") == 0) {
    step->op = PREPROCESS_NORMALIZE;
    json_t *mean = json_object_get(json, "mean"), *std = json_object_get(json, "std");
    size_t channels = json_array_size(mean);
    if (channels < 1 || channels > MANIFEST_MAX_CHANNELS || json_array_size(std) != channels) {
      manifest_wrong(r, "normalize", "wants as many means as standard deviations");
      return;
    }
    step->channels = (int)channels;
    for (size_t i = 0; i < channels; i++) {
      step->mean[i] = json_number_value(json_array_get(mean, i));
      step->std[i] = json_number_value(json_array_get(std, i));
      if (!(step->std[i] != 0)) manifest_wrong(r, "normalize", "has a standard deviation of 0");
    }
  } else {
    manifest_wrong(r, "preprocess", "has a step that this runtime does not know");
  }
}

static void read_input(Reader *r, json_t *root, ManifestInput *input) {
  json_t *json = json_object_get(root, "input");
  const char *kind = json_string_value(json_object_get(json, "kind"));
  if (!kind) {
    manifest_wrong(r, "input", "is missing or has no kind");
    return;
  }
  if (strcmp(kind, "image") == 0) input->kind = INPUT_IMAGE;
  else if (strcmp(kind, "tensor") == 0) input->kind = INPUT_TENSOR;
  else if (strcmp(kind, "tokens") == 0) input->kind = INPUT_TOKENS;
  else manifest_wrong(r, "input.kind", "is not image, tensor or tokens");
  input->shape = manifest_read_shape(r, json, "shape");
  if (input->kind == INPUT_IMAGE && input->shape.rank != 3)
    manifest_wrong(r, "input.shape", "of an image is not (C, H, W)");
  input->mask = manifest_read_bool(json, "mask", false);
  if (input->mask && input->shape.rank < 1) manifest_wrong(r, "input.mask", "needs tokens");
  input->vocabulary = manifest_read_size(r, json, "vocabulary", INT32_MAX);
  if (input->vocabulary > INT32_MAX) manifest_wrong(r, "input.vocabulary", "is too large");
  json_t *steps = json_object_get(json, "preprocess");
  input->step_count = json_array_size(steps);
  input->steps = manifest_reserve(r, input->step_count, sizeof *input->steps);
  for (size_t i = 0; i < input->step_count && !r->failed; i++)
    read_preprocess(r, json_array_get(steps, i), &input->steps[i]);
}

static void read_fresh(Reader *r, json_t *json, ManifestTensor *tensor) {
  json_t *fresh = json_object_get(json, "fresh");
  const char *kind = json_string_value(json_object_get(fresh, "kind"));
  tensor->fresh_zero_row = -1;
  if (!kind) return;
  tensor->fresh_stream = manifest_read_text(r, fresh, "stream", true);
  json_t *row = json_object_get(fresh, "zero_row");
  if (json_is_integer(row)) tensor->fresh_zero_row = json_integer_value(row);
  if (json_is_integer(row) &&
      (tensor->shape.rank != 2 || tensor->fresh_zero_row < 0 || tensor->fresh_zero_row >= tensor->shape.dim[0]))
    manifest_wrong(r, "fresh.zero_row", "is no row of its tensor");
  tensor->fresh_shift = manifest_read_number(fresh, "shift", 0);
  if (strcmp(kind, "uniform") == 0) {
    tensor->fresh = INIT_VALUES_UNIFORM;
    tensor->fresh_value = manifest_read_number(fresh, "bound", 0);
  } else if (strcmp(kind, "normal") == 0) {
    tensor->fresh = INIT_VALUES_NORMAL;
    tensor->fresh_value = manifest_read_number(fresh, "deviation", 0);
  } else if (strcmp(kind, "constant") == 0) {
    tensor->fresh = INIT_VALUES_CONSTANT;
    tensor->fresh_value = manifest_read_number(fresh, "value", 0);
  } else {
    manifest_wrong(r, "fresh", "is of a kind that this runtime does not know");
  }
}

static void read_tensor(Reader *r, json_t *json, Manifest *m, ManifestTensor *tensor) {
  tensor->name = manifest_read_text(r, json, "name", false);
  tensor->shape = manifest_read_shape(r, json, "shape");
  const char *dtype = json_string_value(json_object_get(json, "dtype"));
  tensor->i64 = dtype && strcmp(dtype, "i64") == 0;
  if (!tensor->i64 && !(dtype && strcmp(dtype, "f32") == 0)) manifest_wrong(r, "dtype", "is not f32 or i64");
  tensor->offset = manifest_read_size(r, json, "offset", -1);
  tensor->buffer = manifest_read_bool(json, "buffer", false);
  tensor->shared = manifest_read_bool(json, "shared", false);
  read_fresh(r, json, tensor);
  int64_t bytes = tensor->shape.count * (tensor->i64 ? 8 : 4);
  if (tensor->offset % 4 || tensor->offset > m->weights_bytes || bytes > m->weights_bytes - tensor->offset)
    manifest_wrong(r, "offset", "of a tensor lies outside the weights");
}

static void read_tensors(Reader *r, json_t *root, Manifest *m) {
  m->weights_bytes = manifest_read_size(r, root, "weights_bytes", -1);
  m->packed_bytes = manifest_read_size(r, root, "packed_bytes", -1);
  m->grads_bytes = manifest_read_size(r, root, "grads_bytes", 0);
  json_t *list = json_object_get(root, "tensors");
  if (!json_is_array(list)) manifest_wrong(r, "tensors", "is missing");
  m->tensor_count = json_array_size(list);
  m->tensors = manifest_reserve(r, m->tensor_count, sizeof *m->tensors);
  for (size_t i = 0; i < m->tensor_count && !r->failed; i++) read_tensor(r, json_array_get(list, i), m, &m->tensors[i]);
}

static int read_index(Reader *r, json_t *json, const Manifest *m) {
  json_int_t index = json_is_integer(json) ? json_integer_value(json) : -1;
  if (index < 0 || (size_t)index >= m->tensor_count) {
    manifest_wrong(r, "pack_reads", "or eval_reads names no tensor");
    return 0;
  }
  return (int)index;
}

static void read_reads(Reader *r, json_t *root, Manifest *m) {
  json_t *calls = json_object_get(root, "pack_reads"), *direct = json_object_get(root, "eval_reads");
  if (!json_is_array(calls) || !json_is_array(direct)) return;
  m->pack_call_count = json_array_size(calls);
  m->pack_reads = manifest_reserve(r, m->pack_call_count + 1, sizeof *m->pack_reads);
  for (size_t i = 0; i < m->pack_call_count && !r->failed; i++) {
    json_t *list = json_array_get(calls, i);
    ManifestReads *reads = &m->pack_reads[i];
    reads->count = json_array_size(list);
    reads->tensors = manifest_reserve(r, reads->count + 1, sizeof *reads->tensors);
    for (size_t k = 0; k < reads->count && !r->failed; k++)
      reads->tensors[k] = read_index(r, json_array_get(list, k), m);
  }
  for (size_t i = 0; i < json_array_size(direct) && !r->failed; i++)
    m->tensors[read_index(r, json_array_get(direct, i), m)].eval_reads = true;
}

void manifest_read_functions(Reader *r, json_t *root, ManifestFunction to[NET_FUNCTIONS]) {
  static const char *const names[NET_FUNCTIONS] = {"forward", "prefix", "tail", "step", "pack", "inspect", "loss"};
  json_t *functions = json_object_get(root, "functions");
  for (int i = 0; i < NET_FUNCTIONS; i++) {
    json_t *json = json_object_get(functions, names[i]);
    if (!json_is_object(json)) continue;
    to[i] = (ManifestFunction){.per_sample = manifest_read_size(r, json, "per_sample", -1),
                               .fixed = manifest_read_size(r, json, "fixed", -1),
                               .scratch = manifest_read_size(r, json, "scratch", -1),
                               .samples = manifest_read_size(r, json, "samples", 0)};
  }
}

const ManifestFunction *manifest_function(const Manifest *m, const ManifestPhase *phase, NetFunction function) {
  bool own = function == NET_PREFIX || function == NET_TAIL || function == NET_STEP;
  return own ? &phase->functions[function] : &m->functions[function];
}

static void read_outputs(Reader *r, json_t *root, Manifest *m) {
  json_t *outputs = json_object_get(root, "outputs"), *labels = json_object_get(root, "labels");
  m->output_count = json_array_size(outputs);
  if (m->output_count < 1 || m->output_count > 16) {
    manifest_wrong(r, "outputs", "is missing, empty or too long");
    m->output_count = 0;
    return;
  }
  m->outputs = manifest_reserve(r, m->output_count, sizeof *m->outputs);
  for (size_t i = 0; i < m->output_count && !r->failed; i++) {
    json_t *json = json_array_get(outputs, i);
    m->outputs[i].name = manifest_read_text(r, json, "name", false);
    m->outputs[i].shape = manifest_read_shape(r, json, "shape");
  }
  m->label_count = json_array_size(labels);
  m->labels = manifest_reserve(r, m->label_count, sizeof *m->labels);
  for (size_t i = 0; i < m->label_count && !r->failed; i++) {
    json_t *label = json_array_get(labels, i);
    if (!json_is_string(label)) manifest_wrong(r, "labels", "holds something that is no text");
    else if (!(m->labels[i] = strdup(json_string_value(label)))) manifest_no_memory(r);
  }
}

static void read_layers(Reader *r, json_t *root, Manifest *m) {
  json_t *list = json_object_get(root, "layers");
  m->layer_count = json_array_size(list);
  m->layers = manifest_reserve(r, m->layer_count, sizeof *m->layers);
  for (size_t i = 0; i < m->layer_count && !r->failed; i++) {
    json_t *json = json_array_get(list, i);
    m->layers[i].name = manifest_read_text(r, json, "name", false);
    m->layers[i].type = manifest_read_text(r, json, "type", false);
    m->layers[i].shape = manifest_read_shape(r, json, "shape");
    m->layers[i].parameters = manifest_read_size(r, json, "parameters", 0);
  }
  json_t *parameters = json_object_get(root, "parameters");
  m->parameters_total = manifest_read_size(r, parameters, "total", 0);
  m->parameters_trainable = manifest_read_size(r, parameters, "trainable", 0);
  m->parameters_frozen = manifest_read_size(r, parameters, "frozen", 0);
  m->flops = manifest_read_number(root, "flops", 0);
}

static void check_class_weights(Reader *r, const Manifest *m) {
  const ManifestShape *output = &m->outputs[0].shape;
  const NumberList *weights = loss_weights(&m->train->loss);
  if (weights && weights->count && (output->rank < 1 || weights->count != output->dim[0]))
    manifest_wrong(r, "outputs", "have not one class for each weight of the loss");
}

Manifest *manifest_parse(const char *text, const TrainRecipe *recipe, surgery_error *err) {
  json_error_t where;
  json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
  if (!json_is_object(root)) {
    sg_fail(err, SURGERY_BAD_INPUT, "the network's manifest is no JSON object: %s (byte %d)", where.text,
            where.position);
    json_decref(root);
    return NULL;
  }
  Reader reader = {.err = err}, *r = &reader;
  Manifest *m = manifest_reserve(r, 1, sizeof *m);
  if (m) {
    m->train = recipe ? recipe : &recipe_unsaid;
    m->name = manifest_read_text(r, root, "name", false);
    m->script = manifest_read_text(r, root, "script", true);
    m->compiler = manifest_read_text(r, root, "compiler", true);
    m->weights_file = manifest_read_text(r, root, "weights_file", true);
    m->weights_path = manifest_read_text(r, root, "weights_path", true);
    read_input(r, root, &m->input);
    read_outputs(r, root, m);
    read_tensors(r, root, m);
    if (!r->failed) read_reads(r, root, m);
    manifest_read_functions(r, root, m->functions);
    read_layers(r, root, m);
    if (!r->failed) manifest_read_phases(r, root, m);
    if (!r->failed && manifest_read_inspect(root, m, err)) r->failed = true;
    if (!r->failed) check_class_weights(r, m);
    if (!r->failed) m->layout = manifest_read_layout(r, root, m);
  }
  json_decref(root);
  if (!r->failed) return m;
  manifest_free(m);
  return NULL;
}

void manifest_free(Manifest *m) {
  if (!m) return;
  free(m->name), free(m->script), free(m->compiler), free(m->weights_file), free(m->weights_path);
  free(m->input.steps);
  for (size_t i = 0; m->outputs && i < m->output_count; i++) free(m->outputs[i].name);
  for (size_t i = 0; m->labels && i < m->label_count; i++) free(m->labels[i]);
  for (size_t i = 0; m->tensors && i < m->tensor_count; i++) {
    free(m->tensors[i].name);
    free(m->tensors[i].fresh_stream);
  }
  for (size_t i = 0; m->layers && i < m->layer_count; i++) free(m->layers[i].name), free(m->layers[i].type);
  for (size_t i = 0; m->pack_reads && i < m->pack_call_count; i++) free(m->pack_reads[i].tensors);
  manifest_free_inspect(m);
  manifest_free_layout(m->layout);
  free(m->pack_reads);
  free(m->outputs), free(m->labels), free(m->tensors), free(m->layers);
  manifest_free_phases(m);
  free(m);
}

const char *manifest_shape_text(const ManifestShape *shape, char to[SHAPE_TEXT]) {
  return text_shape("(N", shape->rank, shape->dim, ")", to);
}
