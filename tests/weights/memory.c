/* Memory follows the file's size, not the sizes that the file states: everything that is asked of malloc and
 * its kin while a small file with large claims is opened (--wrap) is added up. What was freed since counts
 * too, so this is more than any peak. */
#include "runtime/weights/zip.h"
#include "tests/weights/pickles.h"
#include "tests/weights/support.h"

#include <dirent.h>
#include <jansson.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);

static size_t asked;

void *__wrap_malloc(size_t size) {
  asked += size;
  return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
  size_t bytes;
  asked = __builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - asked ? SIZE_MAX / 2 : asked + bytes;
  return __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
  asked += size;
  return __real_realloc(old, size);
}

/* Bytes that opening asks for, whether it succeeds or not. */
static size_t ask(const char *path) {
  surgery_error err = {0};
  asked = 0;
  surgery_weights *w = surgery_weights_open(path, &err);
  size_t bytes = asked;
  surgery_weights_close(w);
  return bytes;
}

/* A window of 16 KB, blocks of 16 KB, a list of 64 tensors: what every file costs; and a multiple of its
 * bytes. */
enum { LEAST = 200000, FACTOR = 200 };

static const FileCase claims[] = {
    {"safetensors header", TEXT("\xff\xe0\xf5\5\0\0\0\0{}"), NULL},
    {"npy header", TEXT("\x93NUMPY\2\0\xff\xff\xff\xff{}"), NULL},
    {"npy shape", TEXT("\x93NUMPY\1\0\x4a\0{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999,)}     "),
     NULL},
    {"text",
     TEXT(MAGIC "\x80\2M\xe9\3.\x80\2}.\x80\2X\xff\xff\xff\x7f"
                "a"),
     NULL},
    {"bytes",
     TEXT(MAGIC "\x80\2M\xe9\3.\x80\2}.\x80\4\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"
                "a"),
     NULL},
    {"memo", TEXT(MAGIC "\x80\2M\xe9\3.\x80\2}.\x80\2Nr\xff\xff\xff\x7f."), NULL},
    {"storage",
     TEXT(MAGIC "\x80\2M\xe9\3.\x80\2}." NAMED TENSOR("\0", "K\4\x85", "K\1\x85") "s.\x80\2]X\1\0\0\0"
                                                                                  "0a.\xff\xff\xff\xff\xff\xff\0\0"),
     NULL},
    {"repeated",
     TEXT(MAGIC "\x80\2M\xe9\3.\x80\2}." NAMED TENSOR("\0", "\x8a\5\0\0\0\0\1\x85", "K\0\x85") LISTED STORED), NULL},
    {"zip entries", TEXT("PK\5\6\0\0\0\0\xfe\xff\xfe\xff\0\0\0\0\0\0\0\0\0\0"), NULL},
    {"zip directory", TEXT("PK\5\6\0\0\0\0\1\0\1\0\0\0\0\x7f\0\0\0\0\0\0"), NULL},
    {"onnx shape", TEXT("\10\7\72\26\52\24\102\1w\10\x80\x80\x80\x80\x80\x20\20\7\72\2\1\2  "), NULL},
    {"onnx field", TEXT("\10\7\72\xff\xff\xff\xff\7a"), NULL},
    {"index", TEXT("{\"weight_map\": {\"a\": \"b\", \"c\": \"d\"}, \"total_size\": 999999999999999}"), NULL},
};

static void test_claims(void **state) {
  const char *path = scratch("x");
  for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
    write_bytes(path, claims[i].bytes, claims[i].size);
    size_t bytes = ask(path);
    if (bytes > LEAST) fail_msg("%s: %zu bytes for a file of %zu", claims[i].name, bytes, claims[i].size);
  }
}

/* Real files. */
static void test_fixtures(void **state) {
  DIR *dir = opendir(FOLDER "/fixtures");
  assert_non_null(dir);
  for (struct dirent *e; (e = readdir(dir));) {
    char path[600];
    size_t size;
    if (e->d_name[0] == '.') continue;
    snprintf(path, sizeof path, FOLDER "/fixtures/%s", e->d_name);
    free(read_bytes(path, &size));
    size_t bytes = ask(path);
    if (bytes > LEAST + FACTOR * size) fail_msg("%s: %zu bytes for a file of %zu", e->d_name, bytes, size);
  }
  closedir(dir);
}

/* The worst that each format allows: a header full of the smallest values. */
static void test_worst(void **state) {
  enum { BYTES = 300000 };
  static const struct {
    const char *name, *head, *unit, *tail;
  } worst[] = {{"safetensors", "{\"a\":[", "0,", "0]}"},
               {"safetensors, nested", "{\"a\":[", "{},", "0]}"},
               {"pickle", "]", "(", ""},
               {"pickle of lists", "]", "]a", "."},
               {"pickle of marks", "]", "Na", "."},
               {"index", "{\"weight_map\":{\"a\":[", "0,", "0]}}"}};
  for (size_t i = 0; i < sizeof worst / sizeof *worst; i++) {
    Bytes b = {0};
    bool safetensors = worst[i].name[0] == 's', pickle = worst[i].name[0] == 'p';
    if (safetensors) bytes_le(&b, 0, 8);
    if (pickle) bytes_add(&b, TEXT(MAGIC "\x80\2M\xe9\3.\x80\2}.\x80\2"));
    bytes_text(&b, worst[i].head);
    while (b.count < BYTES) bytes_text(&b, worst[i].unit);
    bytes_text(&b, worst[i].tail);
    uint64_t length = b.count - 8;
    if (safetensors) memcpy(b.at, &length, 8);
    const char *path = scratch("x");
    write_bytes(path, b.at, b.count);
    size_t size = b.count;
    bytes_free(&b);
    size_t bytes = ask(path);
    if (bytes > LEAST + FACTOR * size) fail_msg("%s: %zu bytes for a file of %zu", worst[i].name, bytes, size);
  }
}

int main(void) {
  json_set_alloc_funcs(__wrap_malloc, free); /* a library of its own, which --wrap does not reach */
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_claims), cmocka_unit_test(test_fixtures),
                                     cmocka_unit_test(test_worst)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
