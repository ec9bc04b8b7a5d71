/* What the tests of pictures share: the goldens, pictures by formula, preprocessing described by a text. A
 * failure ends the running test through cmocka. */
#ifndef TESTS_IMAGES_H
#define TESTS_IMAGES_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "runtime/data/dataset.h"
#include "runtime/data/image_resize.h"

/* ---- support.c ---- */
/* The golden of that name as floats; free it. *dim gets its shape. */
float *golden(const char *name, int64_t dim[SURGERY_MAX_RANK]);
/* Calls `each` with the rest of every golden's name that begins with `prefix`, in the file's order; returns
 * how many. */
int each_golden(const char *prefix, void (*each)(const char *rest));
/* The picture of make_goldens.py's formula(); free its pixels. */
Image formula(int width, int height);

/* An image input of (channels, height, width) with steps such as "resize 256;center_crop 224 224". */
typedef struct Preprocess {
  PreprocessStep steps[8];
  AugmentConfig augment[4];
  ManifestInput input;
  DatasetSpec spec;
} Preprocess;
/* The pointers within lead to *p: it must stay where it is. */
void preprocess_make(Preprocess *p, int channels, int height, int width, const char *steps);
void preprocess_imagenet(Preprocess *p, bool normalize); /* resize 256, center_crop 224 */
/* image_to_input; free the result. */
float *input_of(const Image *picture, const Preprocess *p, uint64_t seed);
/* The whole file, malloc'ed. */
uint8_t *read_bytes(const char *path, size_t *size);
/* In a folder of the tests' own, which is removed at the end; returns its path, which lives until the next
 * call. */
const char *write_bytes(const char *name, const void *bytes, size_t size);
const char *work_path(const char *name);
int work_begin(void **state);
int work_end(void **state);

extern const struct CMUnitTest real_tests[], small_tests[], augment_tests[], color_tests[], broken_tests[],
    folder_tests[], reduced_tests[], format_tests[];
extern const size_t real_count, small_count, augment_count, color_count, broken_count, folder_count, reduced_count,
    format_count;
#define TESTS(name, ...)                                                                                               \
  const struct CMUnitTest name##_tests[] = {__VA_ARGS__};                                                              \
  const size_t name##_count = sizeof name##_tests / sizeof *name##_tests
#endif
