/* The helpers of images.h. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "images.h"

static surgery_weights *goldens_file(void) {
  static surgery_weights *file;
  surgery_error err;
  if (!file && !(file = surgery_weights_open(GOLDENS, &err))) fail_msg("%s", err.message);
  return file;
}

float *golden(const char *name, int64_t dim[SURGERY_MAX_RANK]) {
  surgery_error err;
  const surgery_tensor *t = surgery_weights_find(goldens_file(), name);
  if (!t) fail_msg("no golden '%s'", name);
  float *values = malloc((size_t)t->count * sizeof *values + 1);
  assert_non_null(values);
  if (surgery_weights_read(goldens_file(), t, values, t->count, &err)) fail_msg("%s", err.message);
  if (dim) memcpy(dim, t->shape, sizeof t->shape);
  return values;
}

int each_golden(const char *prefix, void (*each)(const char *rest)) {
  int count = 0;
  for (size_t i = 0; i < surgery_weights_count(goldens_file()); i++) {
    const char *name = surgery_weights_at(goldens_file(), i)->name;
    if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
    each(name + strlen(prefix));
    count++;
  }
  return count;
}

Image formula(int width, int height) {
  Image p = {.width = width, .height = height, .channels = 3, .pixels = malloc((size_t)width * (size_t)height * 3)};
  assert_non_null(p.pixels);
  for (uint32_t y = 0; y < (uint32_t)height; y++)
    for (uint32_t x = 0; x < (uint32_t)width; x++) {
      uint8_t *to = p.pixels + 3 * ((size_t)y * (size_t)width + x);
      to[0] = (uint8_t)((x * 13 + y * 7) % 256);
      to[1] = (uint8_t)((x * 2654435761u + y * 40503u * 17u) % 251);
      to[2] = (uint8_t)((x * y * 31 + x * 101 + y * 57) % 256);
    }
  return p;
}

static void add_step(Preprocess *p, const char *text) {
  PreprocessStep *s = &p->steps[p->input.step_count++];
  char word[32];
  long long height = 0, width = -1;
  int got = sscanf(text, "%31[a-z_] %lld %lld", word, &height, &width);
  *s = (PreprocessStep){.size = {height, width}};
  if (strcmp(word, "grayscale") == 0 && got == 1) s->op = PREPROCESS_GRAYSCALE;
  else if (strcmp(word, "resize") == 0 && got >= 2) s->op = PREPROCESS_RESIZE;
  else if (strcmp(word, "center_crop") == 0 && got == 3) s->op = PREPROCESS_CENTER_CROP;
  else fail_msg("no step '%s'", text);
}

void preprocess_make(Preprocess *p, int channels, int height, int width, const char *steps) {
  *p = (Preprocess){.input = {.kind = INPUT_IMAGE, .steps = p->steps}};
  p->input.shape = (ManifestShape){3, {channels, height, width}, (int64_t)channels * height * width};
  p->spec = (DatasetSpec){.input = &p->input, .target_count = 1, .classes = 2, .augment.at = p->augment};
  char copy[200], *rest = copy, *step;
  snprintf(copy, sizeof copy, "%s", steps);
  while ((step = strsep(&rest, ";")) != NULL)
    if (*step) add_step(p, step);
}

void preprocess_imagenet(Preprocess *p, bool normalize) {
  preprocess_make(p, 3, 224, 224, "resize 256;center_crop 224 224");
  if (normalize)
    p->steps[p->input.step_count++] = (PreprocessStep){
        .op = PREPROCESS_NORMALIZE, .channels = 3, .mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}};
}

float *input_of(const Image *picture, const Preprocess *p, uint64_t seed) {
  surgery_error err;
  float *x = malloc((size_t)p->input.shape.count * sizeof *x);
  assert_non_null(x);
  if (image_to_input(picture, &p->spec, seed, x, &err)) fail_msg("%s", err.message);
  return x;
}

uint8_t *read_bytes(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  struct stat st;
  if (!file || fstat(fileno(file), &st)) fail_msg("%s: %s", path, strerror(errno));
  uint8_t *bytes = malloc((size_t)st.st_size + 1);
  assert_non_null(bytes);
  *size = fread(bytes, 1, (size_t)st.st_size, file);
  assert_int_equal(*size, st.st_size);
  fclose(file);
  return bytes;
}

static char folder[200];

int work_begin(void **state) {
  const char *base = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/surgery-images-XXXXXX", base ? base : "/tmp");
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) { return remove(path); }

int work_end(void **state) { return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *work_path(const char *name) {
  static char path[1000];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

const char *write_bytes(const char *name, const void *bytes, size_t size) {
  const char *path = work_path(name);
  FILE *file = fopen(path, "wb");
  if (!file) fail_msg("%s: %s", path, strerror(errno));
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
  return path;
}
