/* One array in a .npy file: inputs for predict, one sample or a batch, read through the weight readers; and
 * the raw outputs, written. Called by dataset.c and cli/predict.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"
#include "runtime/base/io.h"

/* A whole array that is one sample, or a batch of them. */
static int take_samples(Dataset *set, surgery_weights *file, surgery_error *err) {
  const surgery_tensor *x = surgery_weights_at(file, 0);
  if (x->rank == 0) return sg_fail(err, SURGERY_BAD_INPUT, "%s: a single number", set->path);
  bool one = array_is_one(&set->spec, x);
  ArrayLayout layout;
  set->count = one ? 1 : x->shape[0];
  if (array_find_layout(&set->spec, set->path, x, one ? 0 : 1, &layout, err)) return -1;
  return array_use(set, file, x, &layout, NULL, err);
}

PathMatch npy_array_probe(const PathHead *head) {
  if (head->folder) return PATH_NOT;
  if (head->have >= 6 && memcmp(head->bytes, "\x93NUMPY", 6) == 0) return PATH_LIKELY;
  return path_ends(head->path, ".npy") ? PATH_WEAK : PATH_NOT;
}

Dataset *dataset_open_npy_array(const char *path, const DatasetSpec *spec, surgery_error *err) {
  if (spec->target != TARGET_NONE) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: a .npy has no targets; an .npz with x and y has", path);
    return NULL;
  }
  surgery_weights *file = surgery_weights_open(path, err);
  if (!file) return NULL;
  Dataset *set = NULL;
  if (strcmp(surgery_weights_note(file), "npy") != 0) sg_fail(err, SURGERY_BAD_INPUT, "%s: not a .npy file", path);
  else set = dataset_new("npy", path, spec, err);
  if (set && take_samples(set, file, err)) {
    dataset_close(set);
    set = NULL;
  }
  surgery_weights_close(file);
  return set;
}

int npy_write(const char *path, int rank, const int64_t *dim, const float *values, surgery_error *err) {
  char header[320], shape[SHAPE_TEXT + 2], start[10] = "\x93NUMPY\x01";
  size_t count = 1, at = 1;
  shape[0] = '(';
  for (int i = 0; i < rank; i++) {
    at += (size_t)snprintf(shape + at, sizeof shape - at, "%lld, ", (long long)dim[i]);
    count *= (size_t)dim[i];
  }
  snprintf(shape + (rank > 1 ? at - 2 : at), sizeof shape - at, ")");
  int length = snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape);
  int padded = (10 + length + 1 + 63) / 64 * 64 - 10;
  memset(header + length, ' ', (size_t)(padded - length));
  header[padded - 1] = '\n';
  start[8] = (char)(padded & 255), start[9] = (char)(padded >> 8);
  SgWriter *writer = sg_writer_open(path, err);
  if (!writer) return -1;
  if (sg_writer_write(writer, start, sizeof start, err) || sg_writer_write(writer, header, (size_t)padded, err) ||
      sg_writer_write(writer, values, count * sizeof *values, err)) {
    sg_writer_abort(writer);
    return -1;
  }
  return sg_writer_commit(writer, err);
}
