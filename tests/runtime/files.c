/* Files for the runtime's tests, in a folder that is made for the run and removed after it. */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "runtime/base/random.h"
#include "tests/runtime/fake.h"

static char folder[64];

const char *test_path(const char *name) {
  static char paths[16][512];
  static int next;
  if (!folder[0]) {
    strcpy(folder, "/tmp/surgery-runtime-XXXXXX");
    if (!mkdtemp(folder)) abort();
  }
  char *path = paths[next++ % 16];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) { /* the folders on the way */
    *slash = 0;
    mkdir(path, 0777);
    *slash = '/';
  }
  return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

void test_remove_all(void) {
  if (folder[0]) nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void test_write(const char *name, const void *data, size_t size) {
  FILE *file = fopen(test_path(name), "wb");
  MUST(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

void test_write_gz(const char *name, const void *data, size_t size) {
  gzFile file = gzopen(test_path(name), "wb");
  MUST(file && gzwrite(file, data, (unsigned)size) == (int)size && gzclose(file) == Z_OK);
}

char *test_read(const char *name, size_t *size) {
  FILE *file = fopen(name[0] == '/' ? name : test_path(name), "rb");
  if (!file) return NULL;
  char *text = malloc(1 << 22);
  size_t got = fread(text, 1, (1 << 22) - 1, file);
  text[got] = 0;
  if (size) *size = got;
  fclose(file);
  return text;
}

void test_clusters(uint64_t seed, int64_t count, float *x, int32_t *label) {
  float centre[FAKE_CLASSES][FAKE_INPUT];
  for (int c = 0; c < FAKE_CLASSES; c++) {
    char name[24];
    snprintf(name, sizeof name, "centre %d", c);
    random_fill_uniform(1, name, 1, centre[c], FAKE_INPUT); /* the same clusters for every seed */
  }
  Random random = random_stream(seed, 99);
  for (int64_t n = 0; n < count; n++) {
    label[n] = (int32_t)random_below(&random, FAKE_CLASSES);
    for (int i = 0; i < FAKE_INPUT; i++)
      x[n * FAKE_INPUT + i] = centre[label[n]][i] + (float)(1.0 * (2 * random_uniform(&random) - 1));
  }
}

void test_write_csv(const char *name, uint64_t seed, int64_t count) {
  float *x = malloc((size_t)count * FAKE_INPUT * sizeof *x);
  int32_t *label = malloc((size_t)count * sizeof *label);
  test_clusters(seed, count, x, label);
  FILE *file = fopen(test_path(name), "w");
  for (int64_t n = 0; n < count; n++) {
    for (int i = 0; i < FAKE_INPUT; i++) fprintf(file, "%.9g,", (double)x[n * FAKE_INPUT + i]);
    fprintf(file, "%d\n", label[n]);
  }
  fclose(file);
  free(x), free(label);
}

void test_write_idx(const char *images, const char *labels, uint64_t seed, int64_t count) {
  size_t size = 16 + (size_t)count * FAKE_INPUT;
  float *x = malloc((size_t)count * FAKE_INPUT * sizeof *x);
  int32_t *label = malloc((size_t)count * sizeof *label);
  unsigned char *bytes = calloc(1, size), *bytes_y = calloc(1, 8 + (size_t)count);
  test_clusters(seed, count, x, label);
  memcpy(bytes, "\0\0\x08\x03\0\0\0\0\0\0\0\x08\0\0\0\x08", 16);
  memcpy(bytes_y, "\0\0\x08\x01", 4);
  bytes[6] = bytes_y[6] = (unsigned char)(count >> 8), bytes[7] = bytes_y[7] = (unsigned char)count;
  for (int64_t i = 0; i < count * FAKE_INPUT; i++) bytes[16 + i] = (unsigned char)lrintf((x[i] + 2.2f) * 57);
  for (int64_t i = 0; i < count; i++) bytes_y[8 + i] = (unsigned char)label[i];
  test_write_gz(images, bytes, size);
  test_write_gz(labels, bytes_y, 8 + (size_t)count);
  free(x), free(label), free(bytes), free(bytes_y);
}
