/* Samples as arrays: `x` and `y`, and for tokens `mask`, of an .npz or .safetensors file, read through the weight
 * readers. What else is in the file would be left out of the training without a word: it is an error. Called by
 * dataset.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"

static bool is_float(surgery_dtype dtype) {
  return dtype == SURGERY_F32 || dtype == SURGERY_F64 || dtype == SURGERY_F16 || dtype == SURGERY_BF16;
}

/* Classes that someone kept as floats: they must be whole numbers. */
static int whole_numbers(const char *path, const float *from, int64_t count, int64_t *to, surgery_error *err) {
  for (int64_t i = 0; i < count; i++) {
    if (!(from[i] == floorf(from[i]) && fabsf(from[i]) < 1e9f))
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: y[%lld] is %g, which is no class", path, (long long)i,
                     (double)from[i]);
    to[i] = (int64_t)from[i];
  }
  return 0;
}

static void *read_classes(const Dataset *set, surgery_weights *file, const surgery_tensor *y, surgery_error *err) {
  int64_t *numbers = malloc((size_t)y->count * sizeof *numbers + 1);
  float *floats = is_float(y->dtype) ? malloc((size_t)y->count * sizeof *floats + 1) : NULL;
  void *targets = NULL;
  int status = 0;
  if (!numbers || (is_float(y->dtype) && !floats))
    status = sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for y", set->path);
  else if (!floats) status = surgery_weights_read_i64(file, y, numbers, y->count, err);
  else {
    status = surgery_weights_read(file, y, floats, y->count, err);
    if (status == 0) status = whole_numbers(set->path, floats, y->count, numbers, err);
  }
  if (status == 0) targets = dataset_targets_from_i64(set, numbers, y->count, set->path, err);
  free(numbers), free(floats);
  return targets;
}

static void *read_targets(Dataset *set, surgery_weights *file, const surgery_tensor *y, surgery_error *err) {
  char shape[SHAPE_TEXT];
  DatasetSpec *spec = &set->spec;
  bool rows = y->rank > 1 || (spec->values_too == 1 && is_float(y->dtype)); /* (N) integers are classes */
  if (spec->values_too && rows && y->count == set->count * spec->values_too)
    spec->target = TARGET_VALUES, spec->target_count = spec->values_too;
  bool one_each = y->rank >= 1 && y->shape[0] == set->count && y->count == set->count;
  if (one_each && !is_float(y->dtype) && !spec->values_too && dataset_check_one_class(set, set->path, err)) return NULL;
  if (y->rank < 1 || y->shape[0] != set->count || y->count != set->count * set->spec.target_count) {
    char classes[96] = "";
    if (set->spec.target == TARGET_CLASSES && set->spec.target_count > 1)
      snprintf(classes, sizeof classes, ": the classes are dimension 1 of the network's output, which is %lld",
               (long long)set->spec.classes);
    sg_fail(err, SURGERY_BAD_INPUT, "%s: y is %s: %lld samples in x, %lld target numbers for each are wanted%s",
            set->path, text_shape("(", y->rank, y->shape, ")", shape), (long long)set->count,
            (long long)set->spec.target_count, classes);
    return NULL;
  }
  if (set->spec.target == TARGET_CLASSES) return read_classes(set, file, y, err);
  float *targets = malloc((size_t)y->count * sizeof *targets + 1);
  if (!targets) sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for y", set->path);
  else if (surgery_weights_read(file, y, targets, y->count, err) == 0) return targets;
  free(targets);
  return NULL;
}

static int check_mask(const Dataset *set, const surgery_tensor *mask, surgery_error *err) {
  const ManifestInput *input = set->spec.input;
  char shape[SHAPE_TEXT];
  if (!input->mask)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: there is a mask, but the network takes none: its script says nothing of a mask in `input`",
                   set->path);
  if (mask->rank != 2 || mask->shape[0] != set->count || mask->shape[1] != input->shape.dim[0])
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: mask is %s, but (%lld, %lld) is wanted: a 0 or 1 for each token",
                   set->path, text_shape("(", mask->rank, mask->shape, ")", shape), (long long)set->count,
                   (long long)input->shape.dim[0]);
  return 0;
}

/* *masks: (count, tokens) of 0 and 1, or NULL where the file has none. */
static int read_masks(const Dataset *set, surgery_weights *file, int32_t **masks, surgery_error *err) {
  const surgery_tensor *mask = surgery_weights_find(file, "mask");
  *masks = NULL;
  if (!mask) return 0;
  if (check_mask(set, mask, err)) return -1;
  int64_t tokens = mask->shape[1];
  float *values = malloc((size_t)mask->count * sizeof *values + 1);
  int32_t *to = malloc((size_t)mask->count * sizeof *to + 1);
  int status = values && to ? surgery_weights_read(file, mask, values, mask->count, err)
                            : sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for mask", set->path);
  for (int64_t i = 0, attended = 0; i < mask->count && status == 0; i++) {
    if (i % tokens == 0) attended = 0;
    to[i] = values[i] != 0;
    attended += to[i];
    if (values[i] != 0 && values[i] != 1)
      status = sg_fail(err, SURGERY_BAD_INPUT,
                       "%s: mask of sample %lld, position %lld is %g: 1 attends to a token, 0 does not", set->path,
                       (long long)(i / tokens), (long long)(i % tokens), (double)values[i]);
    else if ((i + 1) % tokens == 0 && !attended)
      status = sg_fail(err, SURGERY_BAD_INPUT, "%s: the mask of sample %lld is all 0: nothing of it is attended to",
                       set->path, (long long)(i / tokens));
  }
  free(values);
  if (status) free(to);
  else *masks = to;
  return status;
}

/* An array that is none of those that the network takes. */
static int check_names(const Dataset *set, surgery_weights *file, surgery_error *err) {
  const ManifestInput *input = set->spec.input;
  char shape[SHAPE_TEXT];
  for (size_t i = 0; i < surgery_weights_count(file); i++) {
    const surgery_tensor *t = surgery_weights_at(file, i);
    if (strcmp(t->name, "x") == 0 || strcmp(t->name, "y") == 0 || strcmp(t->name, "mask") == 0) continue;
    return sg_fail(
        err, SURGERY_BAD_INPUT,
        "%s: the network takes no '%s' %s: a data set has x, the samples, y, the targets%s; leave it out of the file%s",
        set->path, SG_Q(t->name), text_shape("(", t->rank, t->shape, ")", shape), input->mask ? ", and mask" : "",
        input->kind == INPUT_TOKENS && strcmp(t->name, "token_type_ids") == 0
            ? " where all of it is 0, as the network takes token types to be"
            : "");
  }
  return 0;
}

static int read_samples(Dataset *set, surgery_weights *file, surgery_error *err) {
  ArrayLayout layout;
  const surgery_tensor *x = surgery_weights_find(file, "x"), *y = surgery_weights_find(file, "y");
  bool wants_y = set->spec.target != TARGET_NONE;
  if (!x || (wants_y && !y))
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: no array '%s' in it: a data set has x, the samples, and y, the targets",
                   set->path, x ? "y" : "x");
  if (x->rank < 1) return sg_fail(err, SURGERY_BAD_INPUT, "%s: x is a single number", set->path);
  set->count = x->shape[0];
  if (set->count == 0) return sg_fail(err, SURGERY_BAD_INPUT, "%s: holds no samples", set->path);
  if (check_names(set, file, err) || array_find_layout(&set->spec, set->path, x, 1, &layout, err)) return -1;
  void *targets = NULL;
  if (wants_y) {
    if (!(targets = read_targets(set, file, y, err))) return -1;
    if (dataset_check_targets(set, targets, set->path, err)) {
      free(targets);
      return -1;
    }
  }
  int32_t *masks;
  if (read_masks(set, file, &masks, err)) {
    free(targets);
    return -1;
  }
  if (array_use(set, file, x, &layout, targets, err)) {
    free(masks);
    return -1;
  }
  dataset_use_masks(set, masks);
  return 0;
}

PathMatch arrays_probe(const PathHead *head) {
  if (head->folder) return PATH_NOT;
  if (head->have >= 4 && memcmp(head->bytes, "PK", 2) == 0) return PATH_LIKELY;
  if (path_ends(head->path, ".npz") || path_ends(head->path, ".safetensors")) return PATH_WEAK;
  bool header = head->have >= 9 && memchr(head->bytes + 8, '{', head->have - 8) != NULL;
  return header && !image_suffix(head->path) ? PATH_WEAK : PATH_NOT;
}

Dataset *dataset_open_arrays(const char *path, const DatasetSpec *spec, surgery_error *err) {
  surgery_weights *file = surgery_weights_open(path, err);
  if (!file) return NULL;
  Dataset *set = dataset_new("arrays", path, spec, err);
  if (set && read_samples(set, file, err)) {
    dataset_close(set);
    set = NULL;
  }
  surgery_weights_close(file);
  return set;
}
