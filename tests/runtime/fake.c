/* The network of fake.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/random.h"
#include "tests/runtime/fake.h"

enum { I = FAKE_INPUT, H = FAKE_HIDDEN, C = FAKE_CLASSES };
enum { W1 = 0, B1 = 4 * I * H, W2 = B1 + 4 * H, B2 = W2 + 4 * H * C, TRACKED = B2 + 64, WEIGHTS = TRACKED + 64 };

_Atomic int fake_packs, fake_prefixes;
int fake_pack_call;

static float *floats(const void *base, int64_t bytes) { return (float *)((char *)base + bytes); }

static void check(const sg_run *run) { /* what the contract promises to generated code */
  const void *pointers[] = {run->weights, run->packed, run->arena, run->x, run->y[0]};
  for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) MUST(((uintptr_t)pointers[i] & 63) == 0);
  MUST(run->n > 0 && run->arena && run->x && run->y[0] && run->rng);
}

static void pack(const sg_run *run) { /* fc1.weight transposed */
  const void *weights = sg_pack_weights(run, fake_pack_call);
  fake_packs++;
  for (int i = 0; i < I; i++)
    for (int h = 0; h < H; h++) floats(run->packed, 0)[i * H + h] = floats(weights, W1)[h * I + i];
}

static void hidden(const sg_run *run, int64_t n, float *to) {
  const float *bias = floats(run->weights, B1), *w = floats(run->packed, 0);
  for (int h = 0; h < H; h++) to[h] = bias[h];
  for (int i = 0; i < I; i++)
    for (int h = 0; h < H; h++) to[h] += w[i * H + h] * ((const float *)run->x)[n * I + i];
  for (int h = 0; h < H; h++) to[h] = to[h] > 0 ? to[h] : 0;
}

static void logits(const sg_run *run, const float *h, float *to) {
  for (int c = 0; c < C; c++) {
    to[c] = floats(run->weights, B2)[c];
    for (int k = 0; k < H; k++) to[c] += floats(run->weights, W2)[c * H + k] * h[k];
  }
}

static void forward(const sg_run *run) {
  check(run);
  for (int64_t n = 0; n < run->n; n++) {
    float *h = floats(run->arena, n * 4 * H);
    hidden(run, n, h);
    logits(run, h, floats(run->y[0], n * 4 * C));
  }
}

static void prefix(const sg_run *run) {
  check(run);
  for (int64_t n = 0; n < run->n; n++) hidden(run, n, floats(run->y[0], n * 4 * H));
  fake_prefixes += (int)run->n;
}

static void tail(const sg_run *run) {
  check(run);
  for (int64_t n = 0; n < run->n; n++) logits(run, floats(run->x, n * 4 * H), floats(run->y[0], n * 4 * C));
}

/* Softmax, cross entropy and fc2's gradients of one sample; dh: the gradient of the hidden values. */
static void head_gradients(const sg_run *run, int64_t n, const float *h, float *dw2, float *db2, float *dh) {
  float *y = floats(run->y[0], n * 4 * C), largest = -INFINITY, sum = 0;
  int target = ((const int32_t *)run->target)[n];
  logits(run, h, y);
  for (int c = 0; c < C; c++) largest = fmaxf(largest, y[c]);
  for (int c = 0; c < C; c++) sum += expf(y[c] - largest);
  *run->loss += (logf(sum) + largest - y[target]) / (float)run->n;
  for (int k = 0; k < H; k++) dh[k] = 0;
  for (int c = 0; c < C; c++) {
    float d = (expf(y[c] - largest) / sum - (c == target)) / (float)run->n;
    db2[c] += d;
    for (int k = 0; k < H; k++) dw2[c * H + k] += d * h[k], dh[k] += d * floats(run->weights, W2)[c * H + k];
  }
}

static void step_full(const sg_run *run) {
  check(run);
  float *dw1 = floats(run->grads, W1), *db1 = floats(run->grads, B1), dh[H];
  memset(run->grads, 0, TRACKED);
  *run->loss = 0;
  ++*(int64_t *)((char *)run->weights + TRACKED);
  for (int64_t n = 0; n < run->n; n++) {
    float *h = floats(run->arena, n * 4 * H);
    hidden(run, n, h);
    head_gradients(run, n, h, floats(run->grads, W2), floats(run->grads, B2), dh);
    for (int k = 0; k < H; k++) {
      if (h[k] <= 0) continue;
      db1[k] += dh[k];
      for (int i = 0; i < I; i++) dw1[k * I + i] += dh[k] * ((const float *)run->x)[n * I + i];
    }
  }
}

static void step_head(const sg_run *run) {
  check(run);
  float dh[H];
  memset(run->grads, 0, 4 * H * C + 64);
  *run->loss = 0;
  for (int64_t n = 0; n < run->n; n++)
    head_gradients(run, n, floats(run->x, n * 4 * H), floats(run->grads, 0), floats(run->grads, 4 * H * C), dh);
}

static void loss(const sg_run *run) { /* softmax and cross entropy */
  *run->loss = 0;
  for (int64_t n = 0; n < run->n; n++) {
    const float *y = floats(run->x, n * 4 * C);
    float largest = -INFINITY, sum = 0;
    for (int c = 0; c < C; c++) largest = fmaxf(largest, y[c]);
    for (int c = 0; c < C; c++) sum += expf(y[c] - largest);
    *run->loss += (logf(sum) + largest - y[((const int32_t *)run->target)[n]]) / (float)run->n;
  }
}

static char *manifest(const FakeOptions *o) {
  bool full = o->kind == FAKE_FULL, head = full || o->kind == FAKE_HEAD;
  int at = full ? 0 : -1, w2 = full ? W2 : head ? 0 : -1, b2 = full ? B2 : head ? 4 * H * C : -1;
  char file[600] = "null", *text;
  const char *slash = o->weights_path ? strrchr(o->weights_path, '/') : NULL;
  if (slash) snprintf(file, sizeof file, "\"%s\", \"weights_path\": \"%s\"", slash + 1, o->weights_path);
  int made =
      asprintf(&text,
               "{\"name\": \"fake\", \"script\": \"fake.surgery\", \"compiler\": \"0.1.0\", "
               "\"weights_file\": %s,\n"
               " \"input\": %s, \"outputs\": [{\"name\": \"output\", \"shape\": [10]}], \"labels\": %s,\n"
               " \"tensors\": [\n"
               "  {\"name\": \"fc1.weight\", \"shape\": [32, 64], \"dtype\": \"f32\", \"offset\": %d, "
               "\"trainable\": %s, \"grad\": %d, \"group\": 0},\n"
               "  {\"name\": \"fc1.bias\", \"shape\": [32], \"dtype\": \"f32\", \"offset\": %d, "
               "\"trainable\": %s, \"grad\": %d, \"group\": 0},\n"
               "  {\"name\": \"fc2.weight\", \"shape\": [10, 32], \"dtype\": \"f32\", \"offset\": %d, "
               "\"trainable\": %s, \"grad\": %d, \"group\": 0,\n"
               "   \"fresh\": {\"kind\": \"uniform\", \"bound\": 0.1767767}},\n"
               "  {\"name\": \"fc2.bias\", \"shape\": [10], \"dtype\": \"f32\", \"offset\": %d, "
               "\"trainable\": %s, \"grad\": %d, \"group\": 0,\n"
               "   \"fresh\": {\"kind\": \"constant\", \"value\": 0}},\n"
               "  {\"name\": \"bn.num_batches_tracked\", \"shape\": [], \"dtype\": \"i64\", \"offset\": %d, "
               "\"buffer\": true, \"trainable\": false, \"grad\": -1}],\n"
               " %s\"weights_bytes\": %d, \"packed_bytes\": %d, \"grads_bytes\": %d, \"repack\": %s,\n"
               " \"functions\": {\"forward\": {\"per_sample\": 128, \"fixed\": 0, \"scratch\": 0}, "
               "\"prefix\": {\"per_sample\": 0, \"fixed\": 64, \"scratch\": 0},\n"
               "   \"tail\": {\"per_sample\": 0, \"fixed\": 64, \"scratch\": 0}, \"step\": {\"per_sample\": "
               "128, \"fixed\": 64, \"scratch\": 64}},\n"
               " \"features\": %s, \"parameters\": {\"total\": 2410, \"trainable\": %d, \"frozen\": %d}, "
               "\"flops\": 4736,\n"
               " \"modules\": [[\"\", \"Fake\"], [\"fc1\", \"Linear\", 0], [\"relu\", \"ReLU\", 0], [\"fc2\", "
               "\"Linear\", 0], [\"bn\", \"BatchNorm1d\", 0]],\n"
               " \"calls\": [[\"fc1\", null, 1, 0], [\"relu\", null, 2, 0], [\"add\", \"add\", 0, 0], [\"fc2\", null, "
               "3, -1]], \"stages\": [\"first\"],\n"
               " \"layers\": %s}",
               file, o->input ? o->input : "{\"kind\": \"tensor\", \"shape\": [64], \"preprocess\": []}",
               o->labels ? o->labels : "[]", W1, full ? "true" : "false", at, B1, full ? "true" : "false",
               full ? B1 : -1, W2, head ? "true" : "false", w2, B2, head ? "true" : "false", b2, TRACKED,
               o->reads ? o->reads : "", WEIGHTS, 4 * I * H,
               full   ? TRACKED
               : head ? 4 * H * C + 64
                      : 0,
               full ? "true" : "false", o->kind == FAKE_HEAD ? "{\"bytes\": 128, \"shape\": [32]}" : "null",
               full   ? 2410
               : head ? 330
                      : 0,
               full   ? 0
               : head ? 2080
                      : 2410,
               o->layers ? o->layers
                         : "[{\"name\": \"fc1\", \"type\": \"Linear\", \"shape\": [32], \"parameters\": "
                           "2080, \"frozen\": false},"
                           " {\"name\": \"fc2\", \"type\": \"Linear\", \"shape\": [10], \"parameters\": 330, "
                           "\"frozen\": false}]");
  MUST(made > 0);
  return text;
}

sg_network fake_network(const FakeOptions *o) {
  bool head = o->kind == FAKE_HEAD;
  return (sg_network){.abi = SG_ABI,
                      .size = sizeof(sg_network),
                      .manifest = manifest(o),
                      .train = test_recipe(o->train),
                      .cpu = "x86-64",
                      .pack = pack,
                      .forward = forward,
                      .prefix = head ? prefix : NULL,
                      .tail = head ? tail : NULL,
                      .loss = loss,
                      .step = o->kind == FAKE_FULL ? step_full
                              : head               ? step_head
                                                   : NULL};
}

void fake_write_weights(const char *path, uint64_t seed) {
  static float w1[I * H], b1[H], w2[H * C], b2[C];
  surgery_error err;
  random_fill_uniform(seed, "fc1.weight", 0.125, w1, I * H);
  random_fill_uniform(seed, "fc1.bias", 0.125, b1, H);
  random_fill_uniform(seed, "fc2.weight", 0.1767767, w2, H * C);
  const surgery_tensor_out tensors[] = {{"fc1.weight", SURGERY_F32, 2, {H, I}, w1},
                                        {"fc1.bias", SURGERY_F32, 1, {H}, b1},
                                        {"fc2.weight", SURGERY_F32, 2, {C, H}, w2},
                                        {"fc2.bias", SURGERY_F32, 1, {C}, b2}};
  if (surgery_weights_write(path, tensors, 4, NULL, &err)) fprintf(stderr, "%s\n", err.message), abort();
}
