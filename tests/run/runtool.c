/* What the shell scripts of this folder cannot do themselves: small data sets, weight files compared bit for
 * bit, JSON and .npy files read. Knows nothing of surgeryc or of compiled programs. Exit status: 0 yes, 1 no
 * (and it says why on stderr), 2 wrong usage. Called by the scripts through common.sh. */
#include "runtime/surgery.h"
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/run/pictures.h"

_Noreturn static void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("runtool: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

static surgery_weights *open_weights(const char *path) {
  surgery_error err;
  surgery_weights *weights = surgery_weights_open(path, &err);
  if (!weights) die("%s", err.message);
  return weights;
}

/* The values as bytes: f32, or i64 for whole numbers, so that NaN equals itself and -0 is not 0. */
static void *values_of(surgery_weights *file, const surgery_tensor *t, size_t *size) {
  bool whole = t->dtype == SURGERY_I64;
  surgery_error err;
  *size = (size_t)t->count * (whole ? 8 : 4);
  void *to = malloc(*size + 1);
  if (!to) die("no memory");
  if (whole ? surgery_weights_read_i64(file, t, to, t->count, &err) : surgery_weights_read(file, t, to, t->count, &err))
    die("%s", err.message);
  return to;
}

static bool equal(surgery_weights *a, const surgery_tensor *ta, surgery_weights *b, const surgery_tensor *tb) {
  if (ta->count != tb->count || ta->dtype != tb->dtype) return false;
  size_t size;
  void *x = values_of(a, ta, &size), *y = values_of(b, tb, &size);
  bool same = memcmp(x, y, size) == 0;
  free(x), free(y);
  return same;
}

static bool chosen(const char *name, char **prefix, int count) {
  for (int i = 0; i < count; i++)
    if (strncmp(name, prefix[i], strlen(prefix[i])) == 0) return true;
  return count == 0;
}

/* same A B [PREFIX…], differ A B [PREFIX…]: every tensor so called, of which there must be one, is in both
 * files and has the same bits (differ: at least one other bit). */
static int compare(bool same, const char *first, const char *second, char **prefix, int count) {
  surgery_weights *a = open_weights(first), *b = open_weights(second);
  int seen = 0, wrong = 0;
  for (size_t i = 0; i < surgery_weights_count(a); i++) {
    const surgery_tensor *t = surgery_weights_at(a, i), *u = surgery_weights_find(b, t->name);
    if (!chosen(t->name, prefix, count)) continue;
    seen++;
    if (!u || equal(a, t, b, u) != same) {
      wrong++;
      fprintf(stderr, "runtool: %s: %s\n", t->name,
              !u     ? "is not in the second file"
              : same ? "differs"
                     : "is the same in both");
    }
  }
  if (seen == 0) die("%s holds no such tensor", first);
  if (same && count == 0 && surgery_weights_count(a) != surgery_weights_count(b))
    die("the files hold %zu and %zu tensors", surgery_weights_count(a), surgery_weights_count(b));
  surgery_weights_close(a), surgery_weights_close(b);
  return wrong ? 1 : 0;
}

/* near TOLERANCE A B: every tensor is in both, and no number of it further apart than TOLERANCE times the tensor's
 * largest (where that is below 1: than TOLERANCE). */
static int near(double tolerance, const char *first, const char *second) {
  surgery_weights *a = open_weights(first), *b = open_weights(second);
  int wrong = surgery_weights_count(a) == 0 || surgery_weights_count(a) != surgery_weights_count(b);
  for (size_t i = 0; i < surgery_weights_count(a); i++) {
    const surgery_tensor *t = surgery_weights_at(a, i), *u = surgery_weights_find(b, t->name);
    if (!u || t->count != u->count || t->dtype != u->dtype) die("%s is not alike in both files", t->name);
    if (t->dtype == SURGERY_I64) {
      wrong += !equal(a, t, b, u);
      continue;
    }
    size_t size;
    float *x = values_of(a, t, &size), *y = values_of(b, u, &size);
    double most = 0, largest = 1;
    for (int64_t k = 0; k < t->count; k++) {
      if (!(fabs((double)x[k] - y[k]) <= most)) most = fabs((double)x[k] - y[k]); /* not a number stays */
      if (fabs(x[k]) > largest) largest = fabs(x[k]);
    }
    if (!(most <= tolerance * largest))
      wrong++, fprintf(stderr, "runtool: %s is %g apart, of %g\n", t->name, most, largest);
    free(x), free(y);
  }
  surgery_weights_close(a), surgery_weights_close(b);
  return wrong ? 1 : 0;
}

static int list(const char *path) {
  surgery_weights *file = open_weights(path);
  for (size_t i = 0; i < surgery_weights_count(file); i++) {
    const surgery_tensor *t = surgery_weights_at(file, i);
    printf("%s %s (", t->name, surgery_dtype_name(t->dtype));
    for (int k = 0; k < t->rank; k++) printf("%s%lld", k ? ", " : "", (long long)t->shape[k]);
    puts(")");
  }
  surgery_weights_close(file);
  return 0;
}

/* json FILE [PATH]: the file is one JSON text. PATH: keys and numbers joined by dots; '#' at its end is the
 * length. */
static int json(const char *path, const char *at) {
  json_error_t error;
  json_t *root = json_load_file(path, JSON_DECODE_ANY, &error), *value = root;
  if (!root) die("%s:%d:%d: %s", path, error.line, error.column, error.text);
  char *copy = strdup(at ? at : ""), *rest = copy;
  bool length = false;
  for (char *key; value && !length && (key = strsep(&rest, "."));) {
    if (!*key) continue;
    if (strcmp(key, "#") == 0) length = true;
    else value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key)) : json_object_get(value, key);
  }
  free(copy);
  if (!value) die("%s: there is nothing at '%s'", path, at);
  if (length) printf("%zu\n", json_is_array(value) ? json_array_size(value) : json_object_size(value));
  else if (json_is_string(value)) puts(json_string_value(value));
  else if (at) {
    json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
    putchar('\n');
  }
  json_decref(root);
  return 0;
}

/* npy FILE: rows and numbers in a row, whatever their dimensions, then a line for each row of an f32 file of version 1.
 */
static int npy(const char *path) {
  unsigned char head[10];
  char header[4096] = "";
  FILE *file = fopen(path, "rb");
  if (!file || fread(head, 1, 10, file) != 10 || memcmp(head, "\x93NUMPY\x01\x00", 8) != 0)
    die("%s: no .npy file of version 1", path);
  size_t length = head[8] | (size_t)head[9] << 8;
  if (length >= sizeof header || fread(header, 1, length, file) != length) die("%s: its header is cut short", path);
  const char *shape = strstr(header, "'shape': ");
  if (!strstr(header, "'descr': '<f4'") || !shape) die("%s: not f32: %s", path, header);
  long rows = 0, columns = 1;
  if (sscanf(shape, "'shape': (%ld", &rows) < 1) die("%s: %s", path, header);
  for (shape = strchr(shape, ','); shape && shape[1] == ' '; shape = strchr(shape + 1, ',')) {
    if (shape[2] < '0' || shape[2] > '9') break;
    columns *= strtol(shape + 1, NULL, 10);
  }
  printf("%ld %ld\n", rows, columns);
  for (long i = 0; i < rows * columns; i++) {
    float value;
    if (fread(&value, sizeof value, 1, file) != 1) die("%s: ends after %ld numbers", path, i);
    printf("%.9g%c", (double)value, (i + 1) % columns ? ' ' : '\n');
  }
  if (fgetc(file) != EOF) die("%s: more numbers than its header says", path);
  fclose(file);
  return 0;
}

/* arrays OUT NAME:TYPE:SHAPE:NUMBERS… : TYPE f32 or i64, as in x:i64:2,3:1,2,3,4,5,6. */
static int arrays(const char *out, char **spec, int count) {
  surgery_tensor_out *list = calloc((size_t)count, sizeof *list);
  surgery_error err;
  if (!list) die("no memory");
  for (int i = 0; i < count; i++) {
    char *rest = spec[i], *name = strsep(&rest, ":"), *type = strsep(&rest, ":"), *shape = strsep(&rest, ":");
    if (!rest) die("%s: not NAME:TYPE:SHAPE:NUMBERS", name);
    surgery_tensor_out *t = &list[i];
    int64_t total = 1, at = 0;
    *t = (surgery_tensor_out){.name = name, .dtype = strcmp(type, "i64") == 0 ? SURGERY_I64 : SURGERY_F32};
    for (char *size; (size = strsep(&shape, ","));) total *= t->shape[t->rank++] = atoll(size);
    void *data = calloc((size_t)total + 1, 8);
    if (!data) die("no memory");
    for (char *number; (number = strsep(&rest, ",")) && at < total; at++) {
      if (t->dtype == SURGERY_I64) ((int64_t *)data)[at] = atoll(number);
      else ((float *)data)[at] = strtof(number, NULL);
    }
    if (at != total) die("%s: %lld numbers of %lld", name, (long long)at, (long long)total);
    t->data = data;
  }
  int status = surgery_weights_write(out, list, (size_t)count, NULL, &err);
  if (status) die("%s", err.message);
  for (int i = 0; i < count; i++) free((void *)list[i].data);
  free(list);
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "data") == 0 && argc == 3) return make_data(argv[2]);
  if (strcmp(what, "same") == 0 && argc >= 4) return compare(true, argv[2], argv[3], argv + 4, argc - 4);
  if (strcmp(what, "differ") == 0 && argc >= 4) return compare(false, argv[2], argv[3], argv + 4, argc - 4);
  if (strcmp(what, "near") == 0 && argc == 5) return near(atof(argv[2]), argv[3], argv[4]);
  if (strcmp(what, "list") == 0 && argc == 3) return list(argv[2]);
  if (strcmp(what, "json") == 0 && (argc == 3 || argc == 4)) return json(argv[2], argc == 4 ? argv[3] : NULL);
  if (strcmp(what, "npy") == 0 && argc == 3) return npy(argv[2]);
  if (strcmp(what, "arrays") == 0 && argc >= 4) return arrays(argv[2], argv + 3, argc - 3);
  fputs("usage: runtool arrays OUT NAME:TYPE:SHAPE:NUMBERS… | data DIR | same A B [PREFIX…] | differ A B [PREFIX…] | "
        "near TOLERANCE A B | list FILE | json FILE [PATH] "
        "| npy FILE\n",
        stderr);
  return 2;
}
