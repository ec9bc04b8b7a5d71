/* Measures what the functions of a compiled network use of their arena, and compares it with `surgeryc plan --json`.
 *   arena NET.so NAME PLAN.json WEIGHTS
 * For 1 and 3 samples each function runs in an arena of exactly the plan's bytes that ends at a page which may not be
 * touched: one byte more and the process is killed. Nor may the plan be too large: the last byte that was written lies
 * at the arena's end, up to the padding of each sample to 64 bytes, and except where a thread's scratch was not needed
 * to its end. Then the runtime runs the network itself, and what it allocated is compared. */
#include "runtime/abi.h"
#include "runtime/net/net.h"
#include <dlfcn.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int failed, compared;

static void expect(const char *what, const char *function, int64_t n, int64_t got, int64_t wanted) {
  compared++;
  if (got == wanted) return;
  fprintf(stderr, "%s of %s for n = %lld: %lld, and the plan says %lld\n", what, function, (long long)n, (long long)got,
          (long long)wanted);
  failed++;
}

static int64_t number(json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);
  if (!json_is_integer(value)) {
    fprintf(stderr, "the plan has no number %s\n", key);
    exit(99);
  }
  return json_integer_value(value);
}

static void *memory(int64_t bytes) {
  void *all = NULL;
  if (posix_memalign(&all, 64, (size_t)bytes + 64)) exit(99);
  return memset(all, 0, (size_t)bytes + 64);
}

/* ---- an arena that ends where its memory ends ---- */

enum { MARK = 0xA5 };
typedef struct Guarded {
  unsigned char *begin, *arena;
  size_t mapped, bytes;
} Guarded;

static Guarded guard(int64_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = ((size_t)bytes + page - 1) / page * page + page;
  Guarded g = {.mapped = whole + page, .bytes = (size_t)bytes};
  g.begin = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (g.begin == MAP_FAILED || mprotect(g.begin + whole, page, PROT_NONE)) exit(99);
  g.arena = g.begin + whole - bytes;
  memset(g.begin, MARK, whole);
  return g;
}

/* One behind the last byte that was written; a byte before the arena that was is a failure. */
static int64_t used(const Guarded *g) {
  for (const unsigned char *at = g->begin; at < g->arena; at++)
    if (*at != MARK) return -1;
  int64_t last = (int64_t)g->bytes;
  while (last > 0 && g->arena[last - 1] == MARK) last--;
  return last;
}

/* ---- one network ---- */

typedef struct Network {
  const sg_network *network;
  json_t *plan, *manifest;
  void *weights, *packed, *grads, *x, *features, *target, *y[SG_MAX_OUTPUTS];
} Network;

static int64_t count(json_t *shape) {
  int64_t all = 1;
  for (size_t i = 0; i < json_array_size(shape); i++) all *= json_integer_value(json_array_get(shape, i));
  return all;
}

static void fill(float *to, int64_t numbers) {
  for (int64_t i = 0; i < numbers; i++) to[i] = 0.01f * (float)(1 + i % 13);
}

static int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t features_bytes(json_t *phase) {
  json_t *features = json_object_get(phase, "features");
  return json_is_object(features) ? number(features, "bytes") : 0;
}

static void prepare(Network *w, int64_t most) {
  json_t *outputs = json_object_get(w->plan, "outputs");
  json_t *phases = json_object_get(w->manifest, "phases");
  int64_t features = features_bytes(w->manifest), grads = number(w->plan, "gradients_bytes");
  for (size_t i = 0; i < json_array_size(phases); i++) {
    features = most_of(features, features_bytes(json_array_get(phases, i)));
    grads = most_of(grads, number(json_array_get(phases, i), "grads_bytes"));
  }
  int64_t input = count(json_object_get(w->plan, "input")) * most;
  w->weights = memory(number(w->plan, "weights_bytes"));
  w->packed = memory(number(w->plan, "packed_bytes"));
  w->grads = memory(grads);
  w->x = memory(4 * input);
  w->features = memory(features * most);
  w->target = memory(4 * most);
  for (size_t i = 0; i < json_array_size(outputs); i++)
    w->y[i] = memory(4 * most * count(json_object_get(json_array_get(outputs, i), "shape")));
  fill(w->weights, number(w->plan, "weights_bytes") / 4);
  fill(w->x, input);
}

static void release(Network *w) {
  void *const blocks[] = {w->weights, w->packed, w->grads, w->x, w->features, w->target};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
  for (size_t i = 0; i < SG_MAX_OUTPUTS; i++) free(w->y[i]);
  json_decref(w->plan);
  json_decref(w->manifest);
}

/* y: where the first output goes, or the features. */
static void run(Network *w, const char *name, sg_function *function, void *x, void *y, int64_t n) {
  json_t *planned = json_object_get(json_object_get(w->plan, "functions"), name);
  if (!function || !planned) {
    expect("presence", name, n, function != NULL, planned != NULL);
    return;
  }
  int64_t scratch = number(planned, "scratch") * sg_threads();
  int64_t bytes = number(planned, "per_sample") * n + number(planned, "fixed") + scratch;
  Guarded g = guard(bytes);
  uint64_t rng[2] = {1, 0};
  float loss = 0;
  sg_run r = {.weights = w->weights,
              .packed = w->packed,
              .grads = w->grads,
              .arena = g.arena,
              .n = n,
              .x = x,
              .target = w->target,
              .loss = &loss,
              .rng = rng,
              .threads = sg_threads()};
  memcpy(r.y, w->y, sizeof r.y);
  r.y[0] = y;
  function(&r);
  int64_t last = used(&g), padding = 64 * n - 1;
  bool full = last >= 0 && last + padding >= bytes - scratch;
#ifdef __SANITIZE_ADDRESS__ /* each value in the arena has a poisoned zone after it, which nothing writes */
  full = last >= 0;
#endif
  expect("arena", name, n, full ? bytes : last, bytes);
  munmap(g.begin, g.mapped);
}

/* Those of the first phase have plain names, "prefix"; of the second "prefix_2". */
static void run_phase(Network *w, const sg_phase *phase, size_t number, int64_t n) {
  char name[3][40], suffix[24] = "";
  if (number > 1) snprintf(suffix, sizeof suffix, "_%zu", number);
  snprintf(name[0], sizeof name[0], "prefix%s", suffix);
  snprintf(name[1], sizeof name[1], "tail%s", suffix);
  snprintf(name[2], sizeof name[2], "step%s", suffix);
  void *x = phase->prefix ? w->features : w->x;
  run(w, name[0], phase->prefix, w->x, w->features, n);
  run(w, name[1], phase->tail, x, w->y[0], n);
  run(w, name[2], phase->step, x, w->y[0], n);
}

/* ---- what the runtime allocates ---- */

static int64_t planned_bytes(const Network *w, const char *name, int64_t n) {
  json_t *f = json_object_get(json_object_get(w->plan, "functions"), name), *samples = json_object_get(f, "samples");
  if (json_is_integer(samples) && json_integer_value(samples) < n) n = json_integer_value(samples);
  return f ? number(f, "per_sample") * n + number(f, "fixed") + number(f, "scratch") * sg_threads() : 0;
}

static void run_whole(Network *w, const char *weights) {
  surgery_error err = {0};
  for (int64_t n = 1; n <= 3; n += 2) {
    surgery_net *net = surgery_open(w->network, weights, &err);
    if (!net) {
      fprintf(stderr, "%s\n", err.message);
      exit(99);
    }
    surgery_forward(net, (size_t)n, w->x, w->y[0]);
    int64_t pack = planned_bytes(w, "pack", 1), wanted = most_of(pack, planned_bytes(w, "forward", n));
    expect("allocation", "forward", n, net->arena_bytes, wanted);
    if (n > 1 && w->network->step) {
      float loss;
      surgery_train_step(net, (size_t)n, w->x, w->target, &loss);
      wanted = most_of(wanted, most_of(planned_bytes(w, "prefix", n), planned_bytes(w, "step", n)));
      expect("allocation", "train", n, net->arena_bytes, wanted);
    }
    surgery_close(net);
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  char symbol[300];
  json_error_t error;
  snprintf(symbol, sizeof symbol, "%s_network", argv[2]);
  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  Network w = {.network = library ? dlsym(library, symbol) : NULL, .plan = json_load_file(argv[3], 0, &error)};
  if (!w.network || !w.plan) {
    fprintf(stderr, "%s\n", w.network ? error.text : dlerror());
    return 99;
  }
  w.manifest = json_loads(w.network->manifest, 0, &error);
  expect("threads", "the plan", 1, sg_threads(), number(w.plan, "threads"));
  prepare(&w, 3);
  for (int64_t n = 1; n <= 3; n += 2) {
    run(&w, "pack", w.network->pack, w.x, w.y[0], 1);
    run(&w, "forward", w.network->forward, w.x, w.y[0], n);
    run_phase(&w, &(sg_phase){w.network->prefix, w.network->tail, w.network->step}, 1, n);
    for (size_t i = 0; i < w.network->later_phases; i++) run_phase(&w, &w.network->phases[i], i + 2, n);
  }
  run_whole(&w, argv[4]);
  release(&w);
  printf("%d comparisons\n", compared);
  return failed || compared < 8;
}
