/* The samples of one array: how they lie in it, and their values. Bytes for an image input are pictures, whose channels
 * come first or last; numbers of other types are inputs already. Called by arrays.c and npy.c. */
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"

#define MAX_SIDE 65535

static bool is_float(surgery_dtype dtype) {
  return dtype == SURGERY_F32 || dtype == SURGERY_F64 || dtype == SURGERY_F16 || dtype == SURGERY_BF16;
}

static bool few(int64_t size) { /* so many channels a picture may have */
  return size >= 1 && size <= PICTURE_MAX_CHANNELS;
}

bool array_holds_images(const DatasetSpec *spec, const surgery_tensor *x) {
  return spec->input->kind == INPUT_IMAGE && x->dtype == SURGERY_U8;
}

/* The same sizes as the input's, (C, H, W), but for the channels, which come last. */
static bool is_channels_last(const DatasetSpec *spec, int rank, const int64_t *dim) {
  const int64_t *want = spec->input->shape.dim;
  return spec->input->kind == INPUT_IMAGE && rank == 3 && dim[0] == want[1] && dim[1] == want[2] && dim[2] == want[0];
}

/* Which of three sizes are the channels. Where the first and the last may be, the input's number of channels decides.
 */
static void find_channels(const ManifestShape *want, const int64_t *dim, ArrayLayout *to) {
  bool first = few(dim[0]), last = few(dim[2]);
  if (first && last) first = dim[0] == want->dim[0];
  to->planar = first;
  to->channels = first ? dim[0] : dim[2];
  to->height = first ? dim[1] : dim[0], to->width = first ? dim[2] : dim[1];
}

static int find_images(const DatasetSpec *spec, const char *path, int rank, const int64_t *dim, ArrayLayout *to,
                       surgery_error *err) {
  const ManifestShape *want = &spec->input->shape;
  char shape[SHAPE_TEXT];
  *to = (ArrayLayout){.pictures = true, .planar = true, .channels = 1};
  if (rank == 1 && dim[0] == want->count)
    to->channels = want->dim[0], to->height = want->dim[1], to->width = want->dim[2];
  else if (rank == 2) to->height = dim[0], to->width = dim[1];
  else if (rank == 3) find_channels(want, dim, to);
  if (few(to->channels) && to->height >= 1 && to->height <= MAX_SIDE && to->width >= 1 && to->width <= MAX_SIDE)
    return 0;
  return sg_fail(
      err, SURGERY_BAD_INPUT,
      "%s: bytes are pictures, (H, W), (C, H, W) or (H, W, C) with at most %d channels, but its samples are %s", path,
      PICTURE_MAX_CHANNELS, text_shape("(", rank, dim, ")", shape));
}

int array_find_layout(const DatasetSpec *spec, const char *path, const surgery_tensor *x, int batch, ArrayLayout *to,
                      surgery_error *err) {
  int rank = x->rank - batch;
  const int64_t *dim = x->shape + batch;
  *to = (ArrayLayout){.channels_last = false};
  if (array_holds_images(spec, x)) return find_images(spec, path, rank, dim, to, err);
  if (dataset_check_sample(spec, path, rank, dim, err) == 0) return 0;
  to->channels_last = is_channels_last(spec, rank, dim);
  return to->channels_last ? 0 : -1;
}

/* A .npy holds one picture where its sizes say so, else several. */
bool array_is_one(const DatasetSpec *spec, const surgery_tensor *x) {
  const ManifestShape *want = &spec->input->shape;
  ArrayLayout layout;
  if (!array_holds_images(spec, x))
    return x->rank > 0 && x->rank <= want->rank && x->count == want->count &&
           array_find_layout(spec, "", x, 0, &layout, NULL) == 0;
  if (x->rank != 3) return x->rank == 2 || (x->rank == 1 && x->count == want->count);
  /* three gray pictures, or one in colour */
  if (want->dim[0] == 1) return few(x->shape[2]) || x->shape[0] == 1;
  return few(x->shape[0]) || few(x->shape[2]);
}

/* (H, W, C) → (C, H, W), sample by sample, in place. */
static int move_channels(const Dataset *set, float *values, surgery_error *err) {
  const int64_t *dim = set->spec.input->shape.dim, channels = dim[0], pixels = dim[1] * dim[2],
                size = channels * pixels;
  float *one = malloc((size_t)size * sizeof *one + 1);
  if (!one) return sg_fail_memory(err, set->path, (size_t)size * sizeof *one);
  for (int64_t s = 0; s < set->count; s++, values += size) {
    memcpy(one, values, (size_t)size * sizeof *one);
    for (int64_t c = 0; c < channels; c++)
      for (int64_t i = 0; i < pixels; i++) values[c * pixels + i] = one[i * channels + c];
  }
  free(one);
  return 0;
}

static void *read_tokens(const Dataset *set, surgery_weights *file, const surgery_tensor *x, surgery_error *err) {
  if (is_float(x->dtype)) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: numbers of type %s, but tokens are whole numbers: keep them as int64 or int32",
            set->path, surgery_dtype_name(x->dtype));
    return NULL;
  }
  int64_t *values = malloc((size_t)x->count * sizeof *values + 1);
  void *tokens = NULL;
  if (!values) sg_fail_memory(err, set->path, (size_t)x->count * sizeof *values);
  else if (surgery_weights_read_i64(file, x, values, x->count, err) == 0)
    tokens = dataset_tokens_from_i64(set, values, x->count, set->path, err);
  free(values);
  return tokens;
}

/* Floats; of pictures their bytes, made in the memory of the floats. */
static void *read_numbers(const Dataset *set, surgery_weights *file, const surgery_tensor *x, const ArrayLayout *layout,
                          surgery_error *err) {
  float *values = malloc((size_t)x->count * sizeof *values + 1);
  if (!values) {
    sg_fail_memory(err, set->path, (size_t)x->count * sizeof *values);
    return NULL;
  }
  int status = surgery_weights_read(file, x, values, x->count, err);
  if (status == 0 && layout->channels_last) status = move_channels(set, values, err);
  if (status) {
    free(values);
    return NULL;
  }
  if (!layout->pictures) return values;
  uint8_t *bytes = (uint8_t *)values;
  for (int64_t i = 0; i < x->count; i++) bytes[i] = (uint8_t)values[i];
  uint8_t *fewer = realloc(bytes, (size_t)x->count + 1);
  return fewer ? fewer : bytes;
}

int array_use(Dataset *set, surgery_weights *file, const surgery_tensor *x, const ArrayLayout *layout, void *targets,
              surgery_error *err) {
  bool tokens = set->spec.input->kind == INPUT_TOKENS;
  void *values = tokens ? read_tokens(set, file, x, err) : read_numbers(set, file, x, layout, err);
  if (!values) {
    free(targets);
    return -1;
  }
  if (!layout->pictures) return dataset_use_floats(set, values, targets, err);
  return dataset_use_bytes(set, values, (int)layout->height, (int)layout->width, (int)layout->channels, layout->planar,
                           targets, err);
}
