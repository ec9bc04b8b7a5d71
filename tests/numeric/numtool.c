/* The C side of the numeric tests: makes the weights and inputs that make_goldens.py makes (formula.c), and
 * compares what compiled programs wrote with the goldens. Prints the measured error beside the tolerance; exit
 * status 0 when within it, 1 when not.
 *
 *   numtool fill IN OUT                    the tensors of IN, filled from their names
 *   numtool inputs OUT N CLASSES SALT DIM…  x and y as .safetensors, or x alone as .npy
 *   numtool maps OUT N RANK DIM… DIM…       x of the first RANK sizes, y of the others: floats, .safetensors
 *   numtool values OUT N VALUES SALT DIM…  x and y as .safetensors, y of N × VALUES floats
 *   numtool rates GOLDEN KEY LOG.csv TOL   the column lr
 *   numtool texts OUT N CLASSES VOCABULARY TOKENS plain|masked   x, y and, masked, a mask, as make_goldens.py's texts()
 *   numtool forward GOLDEN KEY Y.npy TOL   TOL × the largest golden output
 *   numtool gradients GOLDEN BEFORE AFTER LR TOL    from one step of SGD: (before - after) / LR
 *   numtool losses GOLDEN KEY LOG.csv TOL
 *   numtool tensor GOLDEN KEY FILE NAME TOL
 *   numtool names FILE PREFIX                 sorted names of the tensors with this prefix, without it
 *   numtool inspect GOLDEN.json OUT.json TOL       of every value in either: TOL × its largest number
 *   numtool same A B GLOB                  bit for bit; at least one tensor must match GLOB
 */
#include "runtime/surgery.h"
#include "tests/numeric/formula.h"
#include <fnmatch.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static surgery_error err;

_Noreturn static void die(const char *what) {
  fprintf(stderr, "numtool: %s%s%s\n", what, err.message[0] ? ": " : "", err.message);
  exit(1);
}

/* What this short program holds, it holds to its end, and in reach of the leak checker. */
static void *keep(void *memory) {
  static void **kept;
  static size_t count;
  void **more = realloc(kept, (count + 1) * sizeof *kept);
  if (!memory || !more) die("no memory");
  kept = more;
  return kept[count++] = memory;
}

static surgery_weights *open_file(const char *path) {
  surgery_weights *w = surgery_weights_open(path, &err);
  if (!w) die(path);
  return keep(w);
}

static float *read_tensor(surgery_weights *w, const char *name, int64_t *count) {
  const surgery_tensor *t = surgery_weights_find(w, name);
  if (!t) die(name);
  float *values = keep(malloc((size_t)(t->count + 1) * sizeof *values));
  if (surgery_weights_read(w, t, values, t->count, &err) != 0) die(name);
  *count = t->count;
  return values;
}

static int fill(const char *in, const char *out) {
  surgery_weights *w = open_file(in);
  size_t count = surgery_weights_count(w);
  surgery_tensor_out *list = keep(calloc(count + 1, sizeof *list));
  for (size_t i = 0; i < count; i++) {
    const surgery_tensor *t = surgery_weights_at(w, i);
    void *data = keep(calloc((size_t)t->count + 1, 8));
    bool whole = t->dtype == SURGERY_I64;
    if (!whole) formula_fill(t->name, t->rank, t->shape[0], t->count, data);
    list[i] = (surgery_tensor_out){
        .name = t->name, .dtype = whole ? SURGERY_I64 : SURGERY_F32, .rank = t->rank, .data = data};
    memcpy(list[i].shape, t->shape, sizeof t->shape);
  }
  return surgery_weights_write(out, list, count, NULL, &err) == 0 ? 0 : 1;
}

static void write_npy(const char *path, const float *x, int64_t count, const int64_t *dim, int rank) {
  char head[256], shape[128] = "";
  for (int i = 0; i < rank; i++) sprintf(shape + strlen(shape), "%lld, ", (long long)dim[i]);
  int n = snprintf(head, sizeof head, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape);
  while ((10 + n + 1) % 64) head[n++] = ' ';
  head[n++] = '\n';
  FILE *f = fopen(path, "wb");
  if (!f) die(path);
  unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(n & 255), (unsigned char)(n >> 8)};
  fwrite(start, 1, 10, f);
  fwrite(head, 1, (size_t)n, f);
  fwrite(x, sizeof *x, (size_t)count, f);
  if (fclose(f) != 0) die(path);
}

static int inputs(const char *out, int64_t n, int64_t classes, const char *salt, int rank, char **dims) {
  int64_t dim[SURGERY_MAX_RANK] = {n}, count = n;
  for (int i = 0; i < rank; i++) count *= dim[i + 1] = atoll(dims[i]);
  float *x = keep(malloc((size_t)count * sizeof *x));
  int64_t *y = keep(malloc((size_t)n * sizeof *y));
  for (int64_t i = 0; i < count; i++) x[i] = formula_uniform(formula_seed("x", salt), (uint64_t)i);
  for (int64_t i = 0; i < n; i++) y[i] = (int64_t)(formula_mix(formula_seed("", "y"), (uint64_t)i) % (uint64_t)classes);
  if (strstr(out, ".npy")) {
    write_npy(out, x, count, dim, rank + 1);
    return 0;
  }
  surgery_tensor_out list[2] = {{.name = "x", .dtype = SURGERY_F32, .rank = rank + 1, .data = x},
                                {.name = "y", .dtype = SURGERY_I64, .rank = 1, .shape = {n}, .data = y}};
  memcpy(list[0].shape, dim, sizeof dim);
  return surgery_weights_write(out, list, 2, NULL, &err) == 0 ? 0 : 1;
}

static int maps(const char *out, int64_t n, int rank, int count, char **dims) {
  surgery_tensor_out list[2] = {{.name = "x"}, {.name = "y"}};
  for (int k = 0; k < 2; k++) {
    int64_t size = n;
    list[k].rank = 1 + (k ? count - rank : rank);
    list[k].shape[0] = n;
    for (int i = 1; i < list[k].rank; i++) size *= list[k].shape[i] = atoll(dims[(k ? rank : 0) + i - 1]);
    float *values = keep(malloc((size_t)size * sizeof *values));
    for (int64_t i = 0; i < size; i++) values[i] = formula_uniform(formula_seed(list[k].name, ""), (uint64_t)i);
    list[k].data = values;
  }
  return surgery_weights_write(out, list, 2, NULL, &err) == 0 ? 0 : 1;
}

static int values(const char *out, int64_t n, int64_t count, const char *salt, int rank, char **dims) {
  int64_t dim[SURGERY_MAX_RANK] = {n}, size = n;
  for (int i = 0; i < rank; i++) size *= dim[i + 1] = atoll(dims[i]);
  float *x = keep(malloc((size_t)size * sizeof *x)), *y = keep(malloc((size_t)(n * count) * sizeof *y));
  for (int64_t i = 0; i < size; i++) x[i] = formula_uniform(formula_seed("x", salt), (uint64_t)i);
  for (int64_t i = 0; i < n * count; i++) y[i] = formula_uniform(formula_seed("yf", ""), (uint64_t)i);
  surgery_tensor_out list[2] = {{.name = "x", .dtype = SURGERY_F32, .rank = rank + 1, .data = x},
                                {.name = "y", .dtype = SURGERY_F32, .rank = 2, .shape = {n, count}, .data = y}};
  memcpy(list[0].shape, dim, sizeof dim);
  return surgery_weights_write(out, list, 2, NULL, &err) == 0 ? 0 : 1;
}

static int texts(const char *out, int64_t n, int64_t classes, uint64_t vocabulary, int64_t tokens, bool masked) {
  int64_t *x = keep(malloc((size_t)(n * tokens) * sizeof *x)),
          *mask = keep(malloc((size_t)(n * tokens) * sizeof *mask));
  int64_t *y = keep(malloc((size_t)n * sizeof *y));
  for (int64_t i = 0; i < n * tokens; i++) {
    int64_t length = (int64_t)(formula_mix(formula_seed("mask", ""), (uint64_t)(i / tokens)) % (uint64_t)tokens) + 1;
    x[i] = (int64_t)(formula_mix(formula_seed("tokens", ""), (uint64_t)i) % vocabulary);
    mask[i] = i % tokens < length && (i % tokens != 2 || length < 4);
  }
  for (int64_t i = 0; i < n; i++) y[i] = (int64_t)(formula_mix(formula_seed("", "y"), (uint64_t)i) % (uint64_t)classes);
  surgery_tensor_out list[3] = {{.name = "x", .dtype = SURGERY_I64, .rank = 2, .shape = {n, tokens}, .data = x},
                                {.name = "y", .dtype = SURGERY_I64, .rank = 1, .shape = {n}, .data = y},
                                {.name = "mask", .dtype = SURGERY_I64, .rank = 2, .shape = {n, tokens}, .data = mask}};
  return surgery_weights_write(out, list, masked ? 3 : 2, NULL, &err) == 0 ? 0 : 1;
}

static int verdict(const char *what, double error, double tolerance) {
  printf("%s: error %.3g, tolerance %.3g\n", what, error, tolerance);
  return error <= tolerance ? 0 : 1; /* a NaN is not within it */
}

/* The largest difference as a share of the largest wanted value. */
static double relative(const float *got, const float *want, int64_t count) {
  double largest = 0, worst = 0;
  for (int64_t i = 0; i < count; i++) {
    double d = fabs((double)got[i] - want[i]);
    if (!(d <= worst)) worst = d;
    if (fabs(want[i]) > largest) largest = fabs(want[i]);
  }
  return worst / largest;
}

static int forward(const char *golden, const char *key, const char *npy, double tolerance) {
  int64_t want_count;
  float *want = read_tensor(open_file(golden), key, &want_count);
  float *got = keep(malloc((size_t)want_count * sizeof *got));
  FILE *f = fopen(npy, "rb");
  unsigned char start[10];
  if (!f || fread(start, 1, 10, f) != 10 || fseek(f, 10 + start[8] + 256 * start[9], SEEK_SET) != 0) die(npy);
  if (fread(got, sizeof *got, (size_t)want_count, f) != (size_t)want_count || fgetc(f) != EOF)
    die("not as many outputs as wanted");
  return verdict(key, relative(got, want, want_count), tolerance);
}

static int gradients(const char *golden, const char *before, const char *after, double lr, double tolerance) {
  surgery_weights *g = open_file(golden), *a = open_file(before), *b = open_file(after);
  int bad = 0, seen = 0;
  double worst = 0, global = 0;
  for (size_t i = 0; i < surgery_weights_count(g); i++) {
    const char *name = surgery_weights_at(g, i)->name;
    int64_t one;
    if (strncmp(name, "max/", 4) == 0) global = fmax(global, read_tensor(g, name, &one)[0]);
  }
  /* A bias behind which another batch normalisation takes every shift away has the exact gradient zero; what
   * PyTorch and we have there is rounding, some 1e-7 of the network's largest gradient: nothing is judged more finely
   * than 1e-6 of that. */
  double floor = 1e-3 * global;
  for (size_t i = 0; i < surgery_weights_count(g); i++) {
    const char *name = surgery_weights_at(g, i)->name;
    if (strncmp(name, "sample/", 7) != 0) continue;
    const char *key = name + 7;
    char other[512];
    int64_t samples, count, one;
    float *want = read_tensor(g, name, &samples);
    snprintf(other, sizeof other, "max/%s", key);
    double largest = fmax(floor, read_tensor(g, other, &one)[0]);
    snprintf(other, sizeof other, "norm/%s", key);
    double want_norm = read_tensor(g, other, &one)[0], norm = 0, error = 0;
    float *p = read_tensor(a, key, &count), *q = read_tensor(b, key, &count);
    for (int64_t k = 0; k < count; k++) norm += pow(((double)p[k] - q[k]) / lr, 2);
    for (int64_t k = 0; k < samples; k++) {
      int64_t at = (int64_t)(formula_mix(formula_seed("sample ", key), (uint64_t)k) % (uint64_t)count);
      error = fmax(error, fabs(((double)p[at] - q[at]) / lr - want[k]) / largest);
    }
    double norm_error = largest > floor ? fabs(sqrt(norm) / want_norm - 1) : 0;
    worst = fmax(worst, fmax(error, norm_error));
    seen++;
    if (!(error <= tolerance && norm_error <= tolerance)) {
      if (bad++ < 10)
        printf("%s: gradient off by %.3g of its largest entry, its norm by %.3g\n", key, error, norm_error);
    }
  }
  printf("%d gradients, worst error %.3g, tolerance %.3g\n", seen, worst, tolerance);
  return bad || !seen;
}

/* Rows of the log whose column "row" says step, with the numbers in the column `name`. */
static int losses(const char *golden, const char *key, const char *log, const char *name, double tolerance) {
  int64_t count;
  float *want = read_tensor(open_file(golden), key, &count);
  FILE *f = fopen(log, "r");
  char line[1024];
  if (!f || !fgets(line, sizeof line, f)) die(log);
  int column = 0, loss = -1, kind = -1;
  for (char *word = strtok(line, ",\n"); word; word = strtok(NULL, ",\n"), column++) {
    if (strcmp(word, name) == 0) loss = column;
    if (strcmp(word, "row") == 0) kind = column;
  }
  if (loss < 0) die("the log has no such column");
  int64_t at = 0;
  double worst = 0;
  while (fgets(line, sizeof line, f) && at < count) {
    char *rest = line, *word;
    bool step = kind < 0;
    double value = NAN;
    for (int i = 0; (word = strsep(&rest, ",\n")) != NULL; i++) {
      if (i == kind) step = strcmp(word, "step") == 0;
      if (i == loss) value = atof(word);
    }
    if (!step) continue;
    double d = fabs(value - want[at]) / fmax(1, fabs(want[at]));
    printf("  step %lld: %.6f, PyTorch %.6f\n", (long long)at + 1, value, want[at]);
    if (!(d <= worst)) worst = d;
    at++;
  }
  if (at < count) die("the log has fewer steps");
  return verdict(key, worst, tolerance);
}

static json_t *read_json(const char *path) {
  json_error_t where;
  json_t *root = json_load_file(path, 0, &where);
  if (!root) die(where.text);
  return root;
}

/* The worst of a value's statistics, as a share of its largest number. */
static double statistics_error(json_t *want, json_t *got) {
  static const char *const keys[] = {"mean", "std", "min", "max"};
  double worst = fabs(json_number_value(json_array_get(want, 5)) - json_number_value(json_object_get(got, "zero")));
  double largest =
      fmax(fabs(json_number_value(json_array_get(want, 3))), fabs(json_number_value(json_array_get(want, 4))));
  for (size_t i = 0; i < 4; i++) {
    json_t *number = json_object_get(got, keys[i]);
    double d = fabs(json_number_value(json_array_get(want, i + 1)) - json_number_value(number)) / largest;
    if (!json_is_number(number) || !(d <= worst)) worst = json_is_number(number) ? d : INFINITY;
  }
  return worst;
}

static int inspected(const char *golden, const char *out, double tolerance) {
  json_t *g = read_json(golden), *o = read_json(out), *want = json_object_get(g, "values"),
         *got = json_object_get(o, "values");
  double worst = 0;
  int bad = 0;
  if (json_array_size(want) != json_array_size(got) || json_array_size(want) == 0) die("not as many values as wanted");
  for (size_t i = 0; i < json_array_size(want); i++) {
    const char *name = json_string_value(json_array_get(json_array_get(want, i), 0));
    json_t *same = NULL;
    for (size_t k = 0; k < json_array_size(got) && !same; k++)
      if (strcmp(name, json_string_value(json_object_get(json_array_get(got, k), "name"))) == 0)
        same = json_array_get(got, k);
    if (!same) die(name);
    double error = statistics_error(json_array_get(want, i), same);
    if (!(error <= worst)) worst = error;
    if (!(error <= tolerance) && bad++ < 10) printf("%s: off by %.3g\n", name, error);
  }
  json_decref(g), json_decref(o);
  return verdict("inspect", worst, tolerance) || bad;
}

static int tensor(const char *golden, const char *key, const char *file, const char *name, double tolerance) {
  int64_t count, other;
  float *want = read_tensor(open_file(golden), key, &count), *got = read_tensor(open_file(file), name, &other);
  if (count != other) die("another number of elements");
  return verdict(key, relative(got, want, count), tolerance);
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int names(const char *file, const char *prefix) {
  surgery_weights *w = open_file(file);
  size_t count = 0, all = surgery_weights_count(w);
  const char **list = keep(calloc(all + 1, sizeof *list));
  for (size_t i = 0; i < all; i++) {
    const char *name = surgery_weights_at(w, i)->name;
    if (strncmp(name, prefix, strlen(prefix)) == 0) list[count++] = name + strlen(prefix);
  }
  qsort(list, count, sizeof *list, by_name);
  for (size_t i = 0; i < count; i++) puts(list[i]);
  return 0;
}

static int same(const char *left, const char *right, const char *glob) {
  surgery_weights *a = open_file(left), *b = open_file(right);
  int seen = 0, differ = 0;
  for (size_t i = 0; i < surgery_weights_count(a); i++) {
    const surgery_tensor *t = surgery_weights_at(a, i);
    if (fnmatch(glob, t->name, 0) != 0) continue;
    int64_t n, m;
    float *x = read_tensor(a, t->name, &n), *y = read_tensor(b, t->name, &m);
    if (n != m || memcmp(x, y, (size_t)n * sizeof *x) != 0) {
      if (differ++ < 10) printf("%s differs\n", t->name);
    }
    seen++;
  }
  printf("%s: %d tensors, %d differ\n", glob, seen, differ);
  return seen == 0 || differ > 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "fill") == 0 && argc == 4) return fill(argv[2], argv[3]);
  if (strcmp(what, "inputs") == 0 && argc >= 7)
    return inputs(argv[2], atoll(argv[3]), atoll(argv[4]), argv[5], argc - 6, argv + 6);
  if (strcmp(what, "maps") == 0 && argc > 6 && argc <= 5 + 2 * (SURGERY_MAX_RANK - 1))
    return maps(argv[2], atoll(argv[3]), atoi(argv[4]), argc - 5, argv + 5);
  if (strcmp(what, "texts") == 0 && argc == 8)
    return texts(argv[2], atoll(argv[3]), atoll(argv[4]), strtoull(argv[5], NULL, 10), atoll(argv[6]),
                 strcmp(argv[7], "masked") == 0);
  if (strcmp(what, "forward") == 0 && argc == 6) return forward(argv[2], argv[3], argv[4], atof(argv[5]));
  if (strcmp(what, "gradients") == 0 && argc == 7)
    return gradients(argv[2], argv[3], argv[4], atof(argv[5]), atof(argv[6]));
  if (strcmp(what, "losses") == 0 && argc == 6) return losses(argv[2], argv[3], argv[4], "loss", atof(argv[5]));
  if (strcmp(what, "rates") == 0 && argc == 6) return losses(argv[2], argv[3], argv[4], "lr", atof(argv[5]));
  if (strcmp(what, "values") == 0 && argc >= 7)
    return values(argv[2], atoll(argv[3]), atoll(argv[4]), argv[5], argc - 6, argv + 6);
  if (strcmp(what, "inspect") == 0 && argc == 5) return inspected(argv[2], argv[3], atof(argv[4]));
  if (strcmp(what, "tensor") == 0 && argc == 7) return tensor(argv[2], argv[3], argv[4], argv[5], atof(argv[6]));
  if (strcmp(what, "names") == 0 && argc == 4) return names(argv[2], argv[3]);
  if (strcmp(what, "same") == 0 && argc == 5) return same(argv[2], argv[3], argv[4]);
  fprintf(stderr, "numtool: wrong usage\n");
  return 2;
}
