/* See pictures.h. The noise is a fixed sequence, so every run makes the same bytes. */
#include "tests/run/pictures.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <jpeglib.h>
#include <png.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, CLASSES = 3, TRAIN = 48, TEST = 24 };
static const char *const names[CLASSES] = {"left", "middle", "right"};

static uint32_t noise_state = 12345;
static int noise(int most) {
  noise_state = noise_state * 1664525u + 1013904223u;
  return (int)((noise_state >> 16) % (uint32_t)most);
}

static void draw(uint8_t pixels[PIXELS], int class) {
  static const int column[CLASSES] = {0, 3, 6};
  for (int i = 0; i < PIXELS; i++) {
    int x = i % SIDE, bar = x == column[class] || x == column[class] + 1;
    pixels[i] = (uint8_t)(bar ? 200 + noise(56) : noise(90));
  }
}

static FILE *create(const char *dir, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *file = fopen(path, "wb");
  if (!file) fprintf(stderr, "runtool: %s: %s\n", path, strerror(errno));
  return file;
}

static int close_file(FILE *file) {
  int bad = ferror(file);
  if (fclose(file) == 0 && !bad) return 0;
  fprintf(stderr, "runtool: a file could not be written\n");
  return 1;
}

static int folder(const char *dir, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  if (mkdir(path, 0777) == 0) return 0;
  fprintf(stderr, "runtool: %s: %s\n", path, strerror(errno));
  return 1;
}

static int write_png(const char *dir, const char *name, const uint8_t *pixels) {
  png_image image = {.version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE, .format = PNG_FORMAT_GRAY};
  FILE *file = create(dir, name);
  if (!file) return 1;
  int made = png_image_write_to_stdio(&image, file, 0, pixels, SIDE, NULL);
  return close_file(file) || !made;
}

static int write_jpeg(const char *dir, const char *name, const uint8_t *pixels) {
  struct jpeg_compress_struct c;
  struct jpeg_error_mgr errors;
  FILE *file = create(dir, name);
  if (!file) return 1;
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  jpeg_stdio_dest(&c, file);
  c.image_width = c.image_height = SIDE;
  c.input_components = 1;
  c.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&c);
  jpeg_set_quality(&c, 95, TRUE);
  jpeg_start_compress(&c, TRUE);
  for (int y = 0; y < SIDE; y++) {
    JSAMPROW row = (JSAMPROW)(pixels + y * SIDE);
    jpeg_write_scanlines(&c, &row, 1);
  }
  jpeg_finish_compress(&c);
  jpeg_destroy_compress(&c);
  return close_file(file);
}

static void big_endian(FILE *file, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(value >> shift & 255), file);
}

/* One part of every data set: the same pictures as IDX pair and as files. */
static int write_part(const char *dir, const char *idx, const char *part, int count, uint8_t *pixels) {
  char name[128];
  snprintf(name, sizeof name, "idx/%s-images-idx3-ubyte", idx);
  FILE *images = create(dir, name);
  snprintf(name, sizeof name, "idx/%s-labels-idx1-ubyte", idx);
  FILE *labels = create(dir, name);
  if (!images || !labels) return 1;
  big_endian(images, 0x00000803), big_endian(images, (uint32_t)count), big_endian(images, SIDE),
      big_endian(images, SIDE);
  big_endian(labels, 0x00000801), big_endian(labels, (uint32_t)count);
  for (int i = 0; i < count; i++) {
    uint8_t *picture = pixels + i * PIXELS;
    int class = i % CLASSES, jpeg = count == TEST && i % 2;
    draw(picture, class);
    fwrite(picture, 1, PIXELS, images);
    fputc(class, labels);
    snprintf(name, sizeof name, "pictures/%s/%s/%02d.%s", part, names[class], i, jpeg ? "jpg" : "png");
    if (jpeg ? write_jpeg(dir, name, picture) : write_png(dir, name, picture)) return 1;
  }
  return close_file(images) | close_file(labels);
}

static int write_npy(const char *dir, const uint8_t *pixels) {
  FILE *file = create(dir, "x.npy");
  if (!file) return 1;
  char header[128];
  memset(header, ' ', sizeof header);
  int length =
      snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 1, 8, 8), }", TEST);
  header[length] = ' ';
  header[117] = '\n'; /* 10 + 118 is a multiple of 64 */
  fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file);
  fwrite(header, 1, 118, file);
  for (int i = 0; i < TEST * PIXELS; i++) {
    float value = (float)pixels[i] / 255;
    fwrite(&value, sizeof value, 1, file);
  }
  return close_file(file);
}

int make_data(const char *dir) {
  static uint8_t train[TRAIN * PIXELS], test[TEST * PIXELS];
  char name[64];
  if (folder(dir, "") || folder(dir, "idx") || folder(dir, "pictures") || folder(dir, "pictures/train") ||
      folder(dir, "pictures/val"))
    return 1;
  for (int c = 0; c < CLASSES; c++) {
    snprintf(name, sizeof name, "pictures/train/%s", names[c]);
    if (folder(dir, name)) return 1;
    snprintf(name, sizeof name, "pictures/val/%s", names[c]);
    if (folder(dir, name)) return 1;
  }
  if (write_part(dir, "train", "train", TRAIN, train) || write_part(dir, "t10k", "val", TEST, test) ||
      write_npy(dir, test))
    return 1;
  FILE *classes = create(dir, "y.txt");
  if (!classes) return 1;
  for (int i = 0; i < TEST; i++) fprintf(classes, "%d\n", i % CLASSES);
  return close_file(classes);
}
