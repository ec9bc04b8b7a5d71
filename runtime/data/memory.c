/* Data sets whose samples lie in memory: floats that are inputs already, or the bytes of pictures. The
 * sources (idx, cifar, csv, arrays) read a file and hand the result over here. Must not know any format. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"

typedef struct Memory {
  float *values;  /* (count, input count), or NULL */
  uint8_t *bytes; /* pictures, or NULL */
  int height, width, channels;
  bool planar;
  void *targets;  /* int32 or float: four bytes each */
  int32_t *masks; /* (count, tokens), or NULL */
} Memory;

static void memory_close(Dataset *set) {
  Memory *memory = set->source;
  if (!memory) return;
  free(memory->values), free(memory->bytes), free(memory->targets), free(memory->masks), free(memory);
}

static const char *memory_name(const Dataset *set, int64_t index, char *to, size_t size) {
  snprintf(to, size, "%s[%lld]", set->path, (long long)index);
  return to;
}

/* A planar picture (C, H, W) as an interleaved one. */
static void interleave(const uint8_t *from, int64_t pixels, int channels, uint8_t *to) {
  for (int64_t p = 0; p < pixels; p++)
    for (int c = 0; c < channels; c++) to[p * channels + c] = from[c * pixels + p];
}

static int load_image(Dataset *set, const uint8_t *bytes, uint64_t seed, float *x, surgery_error *err) {
  const Memory *memory = set->source;
  int64_t pixels = (int64_t)memory->height * memory->width;
  Image picture = {.width = memory->width, .height = memory->height, .channels = memory->channels};
  if (!memory->planar || memory->channels == 1) {
    picture.pixels = (uint8_t *)bytes; /* image_to_input does not change it */
    return image_to_input(&picture, &set->spec, seed, x, err);
  }
  picture.pixels = malloc((size_t)(pixels * memory->channels) + 1);
  if (!picture.pixels) return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for a picture", set->path);
  interleave(bytes, pixels, memory->channels, picture.pixels);
  int status = image_to_input(&picture, &set->spec, seed, x, err);
  free(picture.pixels);
  return status;
}

static int memory_load(Dataset *set, int64_t index, uint64_t seed, float *x, void *target, surgery_error *err) {
  const Memory *memory = set->source;
  int64_t count = set->spec.input->shape.count;
  size_t target_bytes = (size_t)set->spec.target_count * 4;
  if (target && memory->targets)
    memcpy(target, (const char *)memory->targets + (size_t)index * target_bytes, target_bytes);
  if (memory->values) {
    memcpy(x, memory->values + index * count, (size_t)count * sizeof *x);
    return 0;
  }
  int64_t size = (int64_t)memory->height * memory->width * memory->channels;
  const uint8_t *bytes = memory->bytes + index * size;
  if (set->spec.input->kind == INPUT_IMAGE) return load_image(set, bytes, seed, x, err);
  for (int64_t i = 0; i < count; i++) x[i] = set->spec.raw ? (float)bytes[i] : (float)bytes[i] / 255.0f;
  return 0;
}

static Memory *attach(Dataset *set, void *targets) {
  Memory *memory = calloc(1, sizeof *memory);
  if (!memory) return NULL;
  memory->targets = targets;
  set->source = memory;
  set->load = memory_load, set->name = memory_name, set->close = memory_close;
  return memory;
}

/* What preprocessing makes of the darkest and the brightest pixel. */
static void image_range(const ManifestInput *input, double range[2]) {
  range[0] = 0, range[1] = 1;
  for (size_t i = 0; i < input->step_count; i++) {
    const PreprocessStep *s = &input->steps[i];
    if (s->op != PREPROCESS_NORMALIZE) continue;
    range[0] = INFINITY, range[1] = -INFINITY;
    for (int c = 0; c < s->channels; c++) {
      range[0] = fmin(range[0], -s->mean[c] / s->std[c]);
      range[1] = fmax(range[1], (1 - s->mean[c]) / s->std[c]);
    }
  }
}

/* A little outside is rounding, or a resize that overshoots. */
#define RANGE_SLACK 0.1

/* Values of an image input that no picture gives: it is likely that they are not preprocessed, or for another network.
 */
static void note_range(Dataset *set, const float *values) {
  double range[2], least = INFINITY, most = -INFINITY;
  if (set->spec.raw) return;
  image_range(set->spec.input, range);
  for (int64_t i = 0; i < set->count * set->spec.input->shape.count; i++) {
    if (values[i] < least) least = values[i];
    if (values[i] > most) most = values[i];
  }
  double slack = RANGE_SLACK * (range[1] - range[0]);
  if (!(least < range[0] - slack || most > range[1] + slack)) return;
  dataset_note(
      set,
      "%s: its values go from %.4g to %.4g, but preprocessed pictures lie between %.4g and %.4g here; numbers are "
      "fed as they are, only bytes (uint8) are preprocessed",
      set->path, least, most, range[0], range[1]);
}

int dataset_use_floats(Dataset *set, float *values, void *targets, surgery_error *err) {
  Memory *memory = attach(set, targets);
  if (!memory) {
    free(values), free(targets);
    return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", set->path);
  }
  memory->values = values;
  if (set->spec.input->kind == INPUT_IMAGE) note_range(set, values);
  set->cheap = true;
  return 0;
}

static const int32_t *memory_mask(const Dataset *set, int64_t index) {
  const Memory *memory = set->source;
  return memory->masks + index * set->spec.input->shape.dim[0];
}

void dataset_use_masks(Dataset *set, int32_t *masks) {
  Memory *memory = set->source;
  memory->masks = masks;
  if (masks) set->mask = memory_mask;
}

int32_t *dataset_tokens_from_i64(const Dataset *set, const int64_t *values, int64_t count, const char *what,
                                 surgery_error *err) {
  const ManifestInput *input = set->spec.input;
  int32_t *tokens = malloc((size_t)count * sizeof *tokens + 1);
  if (!tokens) sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for %lld tokens", what, (long long)count);
  for (int64_t i = 0; tokens && i < count; i++) {
    if (values[i] >= 0 && values[i] < input->vocabulary) {
      tokens[i] = (int32_t)values[i];
      continue;
    }
    sg_fail(err, SURGERY_BAD_INPUT, "%s: sample %lld, position %lld: token %lld is not in the vocabulary, 0 to %lld",
            what, (long long)(i / input->shape.count), (long long)(i % input->shape.count), (long long)values[i],
            (long long)input->vocabulary - 1);
    free(tokens);
    return NULL;
  }
  return tokens;
}

int dataset_use_bytes(Dataset *set, uint8_t *bytes, int height, int width, int channels, bool planar, void *targets,
                      surgery_error *err) {
  const ManifestInput *input = set->spec.input;
  char shape[SHAPE_TEXT];
  if (input->kind != INPUT_IMAGE && (int64_t)height * width * channels != input->shape.count) {
    free(bytes), free(targets);
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: a sample is %d × %d × %d bytes, but the input is %s", set->path, height,
                   width, channels, manifest_shape_text(&input->shape, shape));
  }
  Memory *memory = attach(set, targets);
  if (!memory) {
    free(bytes), free(targets);
    return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", set->path);
  }
  memory->bytes = bytes;
  memory->height = height, memory->width = width, memory->channels = channels, memory->planar = planar;
  set->can_augment = input->kind == INPUT_IMAGE;
  set->cheap = !set->can_augment;
  return 0;
}

/* One target by its place, as the number that the file holds. */
static int check_class(const DatasetSpec *spec, int64_t class, int64_t at, const char *what, surgery_error *err) {
  if ((class >= 0 && class < spec->classes) || (spec->ignores && class == spec->ignore_index)) return 0;
  return sg_fail(
      err, SURGERY_BAD_INPUT, "%s: label %lld of sample %lld is not in 0..%lld: the network has %lld classes%s", what,
      (long long)class, (long long)(at / spec->target_count), (long long)spec->classes - 1, (long long)spec->classes,
      spec->target_count > 1 && spec->ignores
          ? "; CrossEntropy(ignore_index=…) in the script leaves positions of one number out"
          : "");
}

int dataset_check_targets(Dataset *set, const void *targets, const char *what, surgery_error *err) {
  const DatasetSpec *spec = &set->spec;
  if (spec->target != TARGET_CLASSES) return 0;
  const int32_t *classes = targets;
  for (int64_t i = 0; i < set->count * spec->target_count; i++)
    if (check_class(spec, classes[i], i, what, err)) return -1;
  if (spec->target_count != 1) return 0;
  set->labels = malloc((size_t)set->count * sizeof *set->labels + 1);
  if (!set->labels)
    return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for %lld labels", what, (long long)set->count);
  memcpy(set->labels, classes, (size_t)set->count * sizeof *set->labels);
  return 0;
}

int dataset_check_one_class(Dataset *set, const char *what, surgery_error *err) {
  const DatasetSpec *spec = &set->spec;
  const char *loss = spec->loss ? spec->loss : "the loss";
  if (spec->target == TARGET_CLASSES && spec->target_count != 1)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: one class for each sample, but the network needs %lld: one for each position of its output",
                   what, (long long)spec->target_count);
  if (spec->target != TARGET_VALUES) return 0;
  if (spec->target_count != 1)
    return sg_fail(
        err, SURGERY_BAD_INPUT,
        "%s: one class for each sample, but %s compares each of the network's %lld outputs with a number: classes need "
        "loss CrossEntropy",
        what, loss, (long long)spec->target_count);
  dataset_note(set,
               "%s: its targets are classes, and %s takes their numbers as amounts: classes need loss CrossEntropy",
               what, loss);
  return 0;
}

void *dataset_targets_from_i64(const Dataset *set, const int64_t *values, int64_t count, const char *what,
                               surgery_error *err) {
  int32_t *targets = malloc((size_t)count * 4 + 1);
  if (!targets) {
    sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for %lld labels", what, (long long)count);
    return NULL;
  }
  bool classes = set->spec.target == TARGET_CLASSES;
  for (int64_t i = 0; i < count; i++) {
    float real = (float)values[i];
    if (classes && check_class(&set->spec, values[i], i, what, err)) { /* here, where it may be outside of int32 */
      free(targets);
      return NULL;
    }
    if (classes) targets[i] = (int32_t)values[i];
    else memcpy(&targets[i], &real, sizeof real);
  }
  return targets;
}
