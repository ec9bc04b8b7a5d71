/* pictures FOLDER COUNT WIDTH HEIGHT: COUNT generated JPEGs as a data set of two classes, FOLDER/train/ants,
 * train/bees, val/ants and val/bees, in the proportions of the ants and bees of PyTorch's tutorial (123, 121, 70 and 83
 * of 397). Waves of several lengths and some noise: about as many bytes a pixel as a photograph has. The same pictures
 * every time. */
#include <errno.h>
#include <stdio.h>
#include <jpeglib.h> /* wants stdio.h before it */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void stop(const char *path) {
  fprintf(stderr, "pictures: %s: %s\n", path, strerror(errno));
  exit(3);
}

static uint32_t noise(uint32_t *state) { /* xorshift */
  *state ^= *state << 13;
  *state ^= *state >> 17;
  return *state ^= *state << 5;
}

enum { WAVES = 6, STEPS = 1024 };
typedef struct Wave { /* steps of the table for a pixel to the right and one down; where it begins; its height */
  double right, down, from, height;
} Wave;
static float table[STEPS]; /* one turn of the sine */

/* Each wave is half as long as the one before. */
static void make_waves(int number, Wave waves[3][WAVES]) {
  for (int channel = 0; channel < 3; channel++)
    for (int k = 0; k < WAVES; k++) {
      double angle = number * 0.7 + channel + k * 1.3, rate = STEPS / 160.0 * (1 << k);
      waves[channel][k] = (Wave){cos(angle) * rate, sin(angle) * rate, angle * STEPS, 70.0 / (1 << k)};
    }
}

static void fill_row(JSAMPLE *row, int width, int y, Wave waves[3][WAVES], uint32_t *state) {
  for (int i = 0; i < width * 3; i++) {
    float value = 112 + (float)(noise(state) % 33);
    for (int k = 0; k < WAVES; k++) {
      const Wave *w = &waves[i % 3][k];
      value += (float)w->height * table[(int64_t)(w->from + i / 3 * w->right + y * w->down) & (STEPS - 1)];
    }
    row[i] = (JSAMPLE)(value < 0 ? 0 : value > 255 ? 255 : value);
  }
}

static void write_picture(const char *path, int number, int width, int height) {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  JSAMPLE *row = malloc((size_t)width * 3);
  FILE *file = fopen(path, "wb");
  uint32_t state = 1 + (uint32_t)number;
  Wave waves[3][WAVES];
  make_waves(number, waves);
  if (!file || !row) stop(path);
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, file);
  jpeg.image_width = (JDIMENSION)width, jpeg.image_height = (JDIMENSION)height;
  jpeg.input_components = 3, jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 94, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  for (int y = 0; y < height; y++) {
    fill_row(row, width, y, waves, &state);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  if (fclose(file)) stop(path);
  free(row);
}

static void make_folder(const char *path) {
  if (mkdir(path, 0777) && errno != EEXIST) stop(path);
}

int main(int argc, char **argv) {
  static const struct {
    const char *part, *class;
    int upto; /* of 397 */
  } folders[] = {{"train", "ants", 123}, {"train", "bees", 244}, {"val", "ants", 314}, {"val", "bees", 397}};
  int count = argc == 5 ? atoi(argv[2]) : 0, width = argc == 5 ? atoi(argv[3]) : 0,
      height = argc == 5 ? atoi(argv[4]) : 0;
  if (count < 4 || count > 100000 || width < 1 || width > 10000 || height < 1 || height > 10000) {
    fputs("usage: pictures FOLDER COUNT WIDTH HEIGHT\n", stderr);
    return 2;
  }
  char path[4096];
  for (int i = 0; i < STEPS; i++) table[i] = (float)sin(i * 6.283185307 / STEPS);
  make_folder(argv[1]);
  for (int f = 0, number = 0; f < 4; f++) {
    snprintf(path, sizeof path, "%s/%s", argv[1], folders[f].part);
    make_folder(path);
    snprintf(path, sizeof path, "%s/%s/%s", argv[1], folders[f].part, folders[f].class);
    make_folder(path);
    for (; number < (int)((int64_t)count * folders[f].upto / 397); number++) {
      snprintf(path, sizeof path, "%s/%s/%s/%05d.jpg", argv[1], folders[f].part, folders[f].class, number);
      write_picture(path, number, width, height);
    }
  }
  return 0;
}
