/* `bench`: how long forward and a training step take here, on random numbers. */
#include <math.h>
#include <stdlib.h>
#include "runtime/cli/cli.h"
#include "runtime/base/error.h"
#include "runtime/base/random.h"
#include "runtime/train/batch_source.h"
#include "runtime/train/optimizer.h"

typedef struct BenchArguments {
  int64_t batch, runs;
  bool step; /* only that */
} BenchArguments;

typedef struct Bench {
  surgery_net *net;
  const ManifestPhase *phase;
  Optimizer *optimizer; /* NULL: nothing is trainable */
  int64_t n;
  float *x;
  void *target;
} Bench;

static int forward(Bench *b, surgery_error *err) {
  return net_run(b->net, &(NetRun){NET_FORWARD, .n = b->n, .x = b->x}, err);
}

static int step(Bench *b, surgery_error *err) {
  float loss;
  const void *x = b->x;
  if (net_has(b->net, b->phase, NET_PREFIX)) {
    if (net_features(b->net, b->phase, b->n, b->x, NULL, err)) return -1;
    x = b->net->features;
  }
  NetRun run = {NET_STEP, b->phase, .n = b->n, .x = x, .target = b->target, .loss = &loss};
  if (net_gradients(b->net, &run, err)) return -1;
  optimizer_step(b->optimizer, b->net);
  return 0;
}

static int head_step(Bench *b,
                     surgery_error *err) { /* on features that are there: what the feature cache leaves to do */
  float loss;
  NetRun run = {NET_STEP, b->phase, .n = b->n, .x = b->net->features, .target = b->target, .loss = &loss};
  if (net_gradients(b->net, &run, err)) return -1;
  optimizer_step(b->optimizer, b->net);
  return 0;
}

static int measure(Bench *b, const char *what, int (*work)(Bench *, surgery_error *), int64_t runs,
                   surgery_error *err) {
  double *ms = malloc((size_t)runs * sizeof *ms);
  if (!ms || work(b, err)) { /* the first run packs the weights and warms up */
    if (!ms) *err = (surgery_error){.status = SURGERY_ENVIRONMENT, .message = "no memory"};
    free(ms);
    return -1;
  }
  for (int64_t i = 0; i < runs; i++) {
    double start = seconds_now();
    if (work(b, err)) {
      free(ms);
      return -1;
    }
    ms[i] = 1e3 * (seconds_now() - start);
  }
  double median = cli_median(ms, runs);
  cli_print(stdout, "%-18s  %10.3f ms  %12.1f samples/s\n", what, median, median > 0 ? 1e3 * (double)b->n / median : 0);
  free(ms);
  return 0;
}

static int make_batch(Bench *b, surgery_error *err) {
  const Manifest *m = b->net->manifest;
  int64_t count, targets = net_takes_floats(m) ? m->outputs[0].shape.count : net_positions(m), wanted;
  void *x = NULL;
  if (__builtin_mul_overflow(m->input.shape.count, b->n, &count) || __builtin_mul_overflow(targets, b->n, &wanted) ||
      count > INT64_MAX / 8 || wanted > INT64_MAX / 8 || posix_memalign(&x, 64, (size_t)count * 4 + 64) ||
      !(b->target = calloc((size_t)wanted + 1, 4))) {
    free(x);
    *err = (surgery_error){.status = SURGERY_ENVIRONMENT, .message = "no memory for the batch"};
    return -1;
  }
  b->x = x;
  random_fill_uniform(0, "bench", 1, b->x, count);
  Random random = random_stream(0, 1);
  for (int64_t i = 0; i < count && m->input.kind == INPUT_TOKENS; i++)
    ((int32_t *)(void *)b->x)[i] = (int32_t)random_below(&random, (uint64_t)m->input.vocabulary);
  for (int64_t i = 0; i < wanted && !net_takes_floats(m); i++)
    ((int32_t *)b->target)[i] = (int32_t)random_below(&random, (uint64_t)net_classes(m));
  return 0;
}

static int bench(const BenchArguments *a, surgery_net *net, surgery_error *err) {
  Bench b = {.net = net, .phase = net_first_phase(net), .n = a->batch};
  char cpu[128], bytes[32];
  int status = make_batch(&b, err);
  cli_cpu(cpu, sizeof cpu);
  if (status == 0)
    cli_print(stdout, "%s, n = %lld, %d threads, median of %lld runs; %s\n", net->manifest->name, (long long)a->batch,
              surgery_threads(), (long long)a->runs, cpu);
  bool trains = net_has(net, b.phase, NET_STEP);
  if (status == 0 && a->step && !trains)
    status = sg_fail(err, SURGERY_BAD_INPUT, "--step: nothing in this network is trainable: all of it is frozen");
  if (status == 0 && !a->step) status = measure(&b, "forward", forward, a->runs, err);
  if (status == 0 && trains && !(b.optimizer = optimizer_new(net->manifest, b.phase, err))) status = -1;
  if (status == 0 && trains) {
    optimizer_set_lr(b.optimizer, 0); /* random targets must not drive the weights away */
    status = measure(&b, "train step", step, a->runs, err);
    if (status == 0 && net_has(net, b.phase, NET_PREFIX))
      status = measure(&b, "  on features", head_step, a->runs, err);
  }
  if (status == 0) cli_print(stdout, "arena               %s\n", cli_bytes((double)net->arena_bytes, bytes));
  optimizer_free(b.optimizer), free(b.x), free(b.target);
  return status;
}

static ExitStatus run(Cli *cli) {
  BenchArguments a = {.batch = 1, .runs = 20};
  ExitStatus status;
  surgery_error err;
  if (!cli_parse(cli, &a, &status)) return status;
  surgery_net *net = cli_open(cli, &err);
  if (!net) return cli_error(cli, &err);
  status = bench(&a, net, &err) ? cli_error(cli, &err) : EXIT_DONE;
  surgery_close(net);
  return status;
}

static const Option options[] = {
    {"batch", OPTION_COUNT, offsetof(BenchArguments, batch), "N", "samples at once (default 1)"},
    {"runs", OPTION_COUNT, offsetof(BenchArguments, runs), "N", "runs to take the median of (default 20)"},
    {"step", OPTION_FLAG, offsetof(BenchArguments, step), NULL, "the training step alone"},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};
const CliCommand command_bench = {
    "bench", "[options]", "how long forward and a training step take on this machine", NULL, options, false, run};
