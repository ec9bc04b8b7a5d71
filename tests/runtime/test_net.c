/* Opening networks with right and wrong weights, running them, saving parts. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>
#include "runtime/base/content_hash.h"
#include "runtime/net/net.h"
#include "runtime/base/pages.h"
#include "runtime/base/random.h"
#include "tests/runtime/fake.h"

static surgery_error err;

static void expect_message(const char *part) {
  if (!strstr(err.message, part)) fail_msg("'%s' is not in:\n%s", part, err.message);
}

static surgery_net *open_fake(sg_network *network, FakeKind kind, const char *weights) {
  *network = fake_network(&(FakeOptions){.kind = kind});
  surgery_net *net = surgery_open(network, weights, &err);
  if (!net) fail_msg("%s", err.message);
  return net;
}

static void close_fake(surgery_net *net, sg_network *network) {
  surgery_close(net);
  free((void *)network->manifest);
}

static void test_open_and_forward(void **state) {
  (void)state;
  sg_network network;
  float x[3 * FAKE_INPUT + 1], y[3 * FAKE_CLASSES + 1], z[FAKE_CLASSES];
  fake_write_weights(test_path("w.safetensors"), 1);
  surgery_net *net = open_fake(&network, FAKE_FULL, test_path("w.safetensors"));
  random_fill_uniform(5, "x", 1, x, 3 * FAKE_INPUT + 1);
  assert_int_equal(surgery_forward(net, 0, x, y), 0);
  fake_packs = 0;
  assert_int_equal(surgery_forward(net, 3, x + 1, y + 1), 0); /* no alignment is asked of the caller */
  assert_int_equal(surgery_forward(net, 1, x + 1 + FAKE_INPUT, z), 0);
  for (int i = 0; i < FAKE_CLASSES; i++) assert_true(y[1 + FAKE_CLASSES + i] == z[i]);
  assert_int_equal(fake_packs, 1); /* once: the weights did not change */
  assert_true(net->arena_bytes >= 3 * 128);
  assert_int_equal(net_arena_bytes(net->manifest, net_first_phase(net), NET_FORWARD, INT64_MAX / 2, 1), -1);
  assert_int_equal(surgery_forward(net, SIZE_MAX, x, y), -1);
  assert_int_equal(surgery_forward(net, (size_t)1 << 55, x, y), -1); /* no such memory */
  assert_int_equal(surgery_forward(net, 3, x + 1, y + 1), 0);
  close_fake(net, &network);
}

/* Zeroes on the kernels' boundary, small from malloc and large from the system. */
static void test_pages(void **state) {
  (void)state;
  static const int64_t sizes[] = {0, 1, 4096, (2 << 20) - 64, (2 << 20) - 63, 2 << 20, (7 << 20) + 5};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    unsigned char *p = sg_pages_new(sizes[i]);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    for (int64_t k = 0; k < sizes[i]; k++) assert_int_equal(p[k], 0);
    memset(p, 1, (size_t)sizes[i]);
    sg_pages_free(p);
  }
  assert_null(sg_pages_new(-1));
  assert_null(sg_pages_new(INT64_MAX));
  assert_null(sg_pages_new((int64_t)1 << 55));
  sg_pages_free(NULL);
}

/* Every byte, its place, the length and the borders count. */
static void test_content_hash(void **state) {
  (void)state;
  enum { MOST = 100 };
  unsigned char bytes[MOST] = {0};
  ContentHash seen[2 * MOST + 8 * MOST], none = {{0}};
  int count = 0;
  for (size_t size = 0; size < MOST; size++) seen[count++] = content_hash(none, bytes, size);
  for (size_t size = 1; size < MOST; size++)
    seen[count++] = content_hash(content_hash(none, bytes, size), bytes, MOST - size);
  for (size_t i = 0; i < MOST; i++)
    for (int bit = 0; bit < 8; bit++) {
      bytes[i] = (unsigned char)(1 << bit);
      seen[count++] = content_hash(none, bytes, MOST);
      bytes[i] = 0;
    }
  for (int i = 0; i < count; i++)
    for (int k = 0; k < i; k++) {
      if (seen[i].word[0] == seen[k].word[0] || seen[i].word[1] == seen[k].word[1])
        fail_msg("hashes %d and %d meet", i, k);
    }
  assert_true(content_hash_equal(content_hash(none, bytes, MOST), seen[MOST - 1]) == 0);
  assert_true(content_hash_equal(content_hash(none, bytes, 5), seen[5]));
  assert_false(content_hash_equal(content_hash_text(none, NULL), content_hash_text(none, "")));
}

#define READS "\"pack_reads\": [[0]], \"eval_reads\": [1, 2, 3], "

/* What pack() alone reads comes to memory for it, and not to stay. */
static void test_open_to_eval(void **state) {
  (void)state;
  enum { N = 2 };
  static float x[N * FAKE_INPUT], want[N * FAKE_CLASSES], got[N * FAKE_CLASSES];
  fake_write_weights(test_path("eval.safetensors"), 3);
  random_fill_uniform(5, "x", 1, x, N * FAKE_INPUT);
  sg_network network = fake_network(&(FakeOptions){.kind = FAKE_HEAD, .reads = READS});
  surgery_net *net = surgery_open(&network, test_path("eval.safetensors"), &err);
  assert_non_null(net);
  assert_null(net->source);
  assert_int_equal(surgery_forward(net, N, x, want), 0);
  surgery_close(net);
  net = net_open_to_eval(&network, test_path("eval.safetensors"), &err);
  if (!net) fail_msg("%s", err.message);
  assert_non_null(net->source);
  const float *fc1 = (const float *)(const void *)net->weights;
  for (int i = 0; i < FAKE_INPUT * FAKE_HIDDEN; i++) assert_true(fc1[i] == 0);
  /* the file shrinks meanwhile: an error, and nothing lost */
  size_t size;
  char *whole = test_read("eval.safetensors", &size);
  assert_int_equal(truncate(test_path("eval.safetensors"), 2000), 0);
  assert_int_equal(net_forward(net, N, x, NULL, got, &err), -1);
  expect_message("ends at byte 2000");
  test_write("eval.safetensors", whole, size);
  free(whole);
  assert_int_equal(net_forward(net, N, x, NULL, got, &err), 0);
  assert_memory_equal(got, want, sizeof got);
  assert_null(net->source);
  for (int i = 0; i < FAKE_INPUT * FAKE_HIDDEN; i++) assert_true(fc1[i] == 0);
  assert_int_equal(net_forward(net, N, x, NULL, got, &err), 0); /* packed once */
  assert_memory_equal(got, want, sizeof got);
  surgery_close(net);
  /* a program and a manifest that do not belong together */
  net = net_open_to_eval(&network, test_path("eval.safetensors"), &err);
  fake_pack_call = 1;
  assert_int_equal(net_forward(net, N, x, NULL, got, &err), -1);
  expect_message("more calls than its manifest tells");
  fake_pack_call = 0;
  close_fake(net, &network);
}

static void test_reads_of_the_manifest(void **state) {
  (void)state;
  static const char *const wrong[] = {"\"pack_reads\": [[5]], \"eval_reads\": [], ",
                                      "\"pack_reads\": [[-1]], \"eval_reads\": [], ",
                                      "\"pack_reads\": [[0]], \"eval_reads\": [\"x\"], "};
  for (size_t i = 0; i < 3; i++) {
    sg_network network = fake_network(&(FakeOptions){.kind = FAKE_FROZEN, .reads = wrong[i]});
    assert_null(net_open_to_eval(&network, test_path("eval.safetensors"), &err));
    expect_message("names no tensor");
    free((void *)network.manifest);
  }
  /* where it says nothing, all is read at once */
  sg_network network = fake_network(&(FakeOptions){.kind = FAKE_FROZEN});
  surgery_net *net = net_open_to_eval(&network, test_path("eval.safetensors"), &err);
  assert_non_null(net);
  assert_null(net->source);
  close_fake(net, &network);
}

static void test_train_step(void **state) {
  (void)state;
  sg_network network;
  static float x[64 * FAKE_INPUT];
  static int32_t label[64];
  float loss, first = 0;
  test_clusters(3, 64, x, label);
  fake_write_weights(test_path("w.safetensors"), 1);
  surgery_net *net = open_fake(&network, FAKE_FULL, test_path("w.safetensors"));
  fake_packs = 0;
  for (int i = 0; i < 100; i++) {
    assert_int_equal(surgery_train_step(net, 64, x, label, &loss), 0);
    if (i == 0) first = loss;
  }
  assert_true(loss < first * 0.8f);
  assert_int_equal(fake_packs, 100);
  assert_int_equal(surgery_train_step(net, 0, x, label, &loss), 0);
  label[5] = 10;
  assert_int_equal(surgery_train_step(net, 64, x, label, &loss), SURGERY_BAD_TARGET); /* would read past the logits */
  label[5] = -1;
  assert_int_equal(surgery_train_step(net, 64, x, label, NULL), SURGERY_BAD_TARGET);
  close_fake(net, &network);
  net = open_fake(&network, FAKE_FROZEN, test_path("w.safetensors"));
  assert_int_equal(surgery_train_step(net, 1, x, label, &loss), SURGERY_NOT_TRAINABLE); /* nothing is trainable */
  close_fake(net, &network);
}

static void test_frozen_stays(void **state) {
  (void)state;
  sg_network network;
  static float x[64 * FAKE_INPUT];
  static int32_t label[64];
  float loss;
  test_clusters(3, 64, x, label);
  fake_write_weights(test_path("w.safetensors"), 1);
  surgery_net *net = open_fake(&network, FAKE_HEAD, test_path("w.safetensors"));
  unsigned char before[9664];
  memcpy(before, net->weights, sizeof before);
  fake_packs = 0;
  for (int i = 0; i < 10; i++) assert_int_equal(surgery_train_step(net, 64, x, label, &loss), 0);
  assert_memory_equal(before, net->weights, 4 * (FAKE_INPUT + 1) * FAKE_HIDDEN); /* fc1, bit for bit */
  assert_memory_not_equal(before + 8320, net->weights + 8320, 1280);
  assert_int_equal(fake_packs, 1); /* "repack": false */
  close_fake(net, &network);
}

/* A weight file with fc1.weight of the wrong shape, fc2.bias missing and a stranger in it. */
static void write_wrong(const char *path) {
  static float numbers[64 * 64];
  const surgery_tensor_out tensors[] = {{"fc1.weight", SURGERY_F32, 2, {64, 32}, numbers},
                                        {"fc1.bias", SURGERY_F32, 1, {32}, numbers},
                                        {"fc2.weight", SURGERY_F32, 2, {10, 32}, numbers},
                                        {"fc3.weight", SURGERY_F32, 1, {4}, numbers},
                                        {"optimizer.exp_avg.fc1.bias", SURGERY_F32, 1, {32}, numbers}};
  assert_int_equal(surgery_weights_write(path, tensors, 5, NULL, &err), 0);
}

static void test_wrong_weights(void **state) {
  (void)state;
  sg_network network = fake_network(&(FakeOptions){.kind = FAKE_FULL});
  write_wrong(test_path("wrong.safetensors"));
  assert_null(surgery_open(&network, test_path("wrong.safetensors"), &err));
  expect_message("shape of fc1.weight: (64, 32) in the file, (32, 64) in the network"); /* all in one message */
  expect_message("missing fc2.bias");
  expect_message("not in the network: fc3.weight");
  assert_null(strstr(err.message, "optimizer."));
  assert_null(strstr(err.message, "num_batches_tracked"));
  assert_int_equal(err.status, SURGERY_BAD_INPUT);
  assert_null(surgery_open(&network, test_path("none.safetensors"), &err));
  assert_int_equal(err.status, SURGERY_ENVIRONMENT);
  expect_message("none.safetensors");
  assert_null(surgery_open(&network, NULL, &err));
  expect_message("--weights");
  test_write("garbage.safetensors", "garbage garbage garbage", 23);
  assert_null(surgery_open(&network, test_path("garbage.safetensors"), &err));
  expect_message("garbage.safetensors");
  assert_null(surgery_open(&network, NULL, NULL)); /* err may be NULL */
  network.abi = 99;
  assert_null(surgery_open(&network, NULL, &err));
  expect_message("version 99");
  free((void *)network.manifest);
}

static void test_where_weights_are(void **state) {
  (void)state;
  fake_write_weights(test_path("own.safetensors"), 1);
  sg_network network = fake_network(&(FakeOptions){.kind = FAKE_FULL, .weights_path = test_path("own.safetensors")});
  surgery_net *net = surgery_open(&network, NULL, &err);
  assert_non_null(net);
  assert_string_equal(net->weights_path, test_path("own.safetensors"));
  close_fake(net, &network);
  network = fake_network(&(FakeOptions){.kind = FAKE_FULL, .weights_path = "/nonexistent/gone.safetensors"});
  assert_null(surgery_open(&network, NULL, &err)); /* neither there nor beside the program: both are named */
  expect_message("/nonexistent/gone.safetensors");
  char program[512], beside[600];
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  program[length] = 0;
  snprintf(beside, sizeof beside, "%.*s/gone.safetensors", (int)(strrchr(program, '/') - program), program);
  expect_message(beside);
  fake_write_weights(beside, 1);
  net = surgery_open(&network, NULL, &err);
  unlink(beside);
  assert_non_null(net);
  close_fake(net, &network);
}

static void test_embedded(void **state) {
  (void)state;
  size_t size;
  fake_write_weights(test_path("w.safetensors"), 4);
  char *image = test_read("w.safetensors", &size);
  sg_network network = fake_network(&(FakeOptions){.kind = FAKE_FULL});
  network.embedded = image, network.embedded_bytes = size;
  surgery_net *net = surgery_open(&network, NULL, &err);
  if (!net) fail_msg("%s", err.message);
  float expected[32];
  random_fill_uniform(4, "fc1.bias", 0.125, expected, 32);
  assert_memory_equal(net->weights + 8192, expected, sizeof expected);
  surgery_close(net);
  network.embedded_bytes = size / 2;
  assert_null(surgery_open(&network, NULL, &err));
  free(image);
  free((void *)network.manifest);
}

static void test_save(void **state) {
  (void)state;
  sg_network network;
  fake_write_weights(test_path("w.safetensors"), 1);
  surgery_net *net = open_fake(&network, FAKE_FULL, test_path("w.safetensors"));
  assert_int_equal(surgery_save(net, test_path("head.safetensors"), "fc2", &err), 0);
  surgery_weights *file = surgery_weights_open(test_path("head.safetensors"), &err);
  assert_int_equal(surgery_weights_count(file), 2);
  assert_non_null(surgery_weights_find(file, "fc2.bias"));
  surgery_weights_close(file);
  assert_int_equal(surgery_save(net, test_path("x.safetensors"), "fc22", &err), -1);
  expect_message("did you mean 'fc2'");
  assert_int_equal(surgery_save(net, "/nonexistent/x.safetensors", NULL, &err), -1);
  assert_int_equal(err.status, SURGERY_ENVIRONMENT);
  close_fake(net, &network);
}

/* A full disk: the old file stays, no other is left behind. */
static void test_full_disk(void **state) {
  (void)state;
  sg_network network;
  fake_write_weights(test_path("w.safetensors"), 1);
  surgery_net *net = open_fake(&network, FAKE_FULL, test_path("w.safetensors"));
  size_t before;
  test_write("full/old.safetensors", "precious", 8);
  struct rlimit limit, small;
  getrlimit(RLIMIT_FSIZE, &limit);
  small = limit, small.rlim_cur = 4096;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  int status = surgery_save(net, test_path("full/old.safetensors"), NULL, &err);
  setrlimit(RLIMIT_FSIZE, &limit);
  signal(SIGXFSZ, handler);
  assert_int_equal(status, -1);
  assert_int_equal(err.status, SURGERY_ENVIRONMENT);
  char *text = test_read("full/old.safetensors", &before);
  assert_int_equal(before, 8);
  assert_memory_equal(text, "precious", 8);
  free(text);
  assert_int_equal(rmdir(test_path("full")), -1); /* holds old.safetensors */
  unlink(test_path("full/old.safetensors"));
  assert_int_equal(rmdir(test_path("full")), 0); /* and held nothing else */
  close_fake(net, &network);
}

static void check_selector(const surgery_net *net, const char *selector, const char *names) {
  surgery_tensor_out *tensors;
  size_t count;
  char got[400] = "";
  if (net_select(net, selector, &tensors, &count, &err)) fail_msg("'%s': %s", selector, err.message);
  for (size_t i = 0; i < count; i++) strcat(strcat(got, i ? " " : ""), tensors[i].name);
  if (strcmp(got, names) != 0) fail_msg("'%s' picks %s, not %s", selector, got, names);
  free(tensors);
}

/* Each kind of selector, and what is said of one that picks nothing. */
static void test_selectors(void **state) {
  (void)state;
#define FC1 "fc1.weight fc1.bias"
#define FC2 "fc2.weight fc2.bias"
#define BN "bn.num_batches_tracked"
  static const struct {
    const char *selector, *names;
  } rows[] = {{"all", FC1 " " FC2 " " BN},
              {NULL, FC1 " " FC2 " " BN},
              {"fc1", FC1},
              {"fc2.bias", "fc2.bias"},
              {" fc2 , bn ", FC2 " " BN},
              {"fc?", FC1 " " FC2},
              {"**.bias", "fc1.bias fc2.bias"},
              {"*", FC1 " " FC2 " " BN},
              {"{fc,conv}2.*", FC2},
              {"/^fc.*t$/", "fc1.weight fc2.weight"},
              {"every Linear", FC1 " " FC2},
              {"every Linear in fc2", FC2},
              {"every Linear in (fc1, relu)", FC1},
              {"fc1..relu", FC1},
              {"fc1..fc2", FC1 " " FC2},
              {"[0]", FC1},
              {"[:], bn", FC1 " " BN},
              {"backbone", FC1},
              {"head", FC2},
              {"children[2:]", FC2 " " BN},
              {"parameters[-1]", "fc2.bias"},
              {"fc1.parameters[:1]", "fc1.weight"},
              {"all except fc1, bn", FC2},
              {"(fc1, fc2) except /bias/", "fc1.weight fc2.weight"},
              {"\"bn\"", BN}};
  static const struct {
    const char *selector, *message;
  } wrong[] = {
      {"fc22", "there is no layer or parameter 'fc22'; did you mean 'fc2'?"},
      {"fc1, fc22", "there is no layer or parameter 'fc22'; did you mean 'fc2'?"},
      {"conv*", "no layer and no parameter matches 'conv*'"},
      {"every Conv2d", "there is no Conv2d in the network; the types in it are Linear, ReLU, BatchNorm1d"},
      {"every Liner", "there is no Liner in the network; did you mean 'Linear'?"},
      {"fc2..fc1", "the range ends before it begins"},
      {"[1]", "[1] is out of range: fake has 1 stages; they are first"},
      {"/(/", "the regular expression cannot be used: missing closing parenthesis; it has the syntax of PCRE2"},
      {"/^(\\w+\\.*)+[!?]/", "more than 200000 steps"},
      {"{a,b", "the glob cannot be read: a '{' is not closed"},
      {"relu", "the selector 'relu' matches no tensor"},
      {"fc1 except fc1", "nothing is left"},
      {"", "the selector '' cannot be read: a layer is expected at its end"},
      {"fc1,", "cannot be read: a layer is expected at its end"},
      {"fc1 fc2", "cannot be read: ',' or 'except' is expected, before 'fc2'"},
      {"(fc1", "a ')' is expected at its end"},
      {"fc1[", "a number or a range is expected at its end"},
      {"fc1[1", "a ']' is expected at its end"},
      {"fc1.weight[:, 1]", "a region of a tensor cannot be picked here, before ', 1]'"},
      {"/fc", "the '/' that closes the regular expression is missing"},
      {"\"fc", "a '\"' is missing"}};
  sg_network network;
  fake_write_weights(test_path("w.safetensors"), 1);
  surgery_net *net = open_fake(&network, FAKE_FULL, test_path("w.safetensors"));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check_selector(net, rows[i].selector, rows[i].names);
  surgery_tensor_out *tensors;
  size_t count;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    if (net_select(net, wrong[i].selector, &tensors, &count, &err) == 0) fail_msg("'%s' is right", wrong[i].selector);
    expect_message(wrong[i].message);
  }
  char deep[2001] = "";
  memset(deep, '(', sizeof deep - 1);
  assert_int_equal(net_select(net, deep, &tensors, &count, &err), -1);
  expect_message("nested too deep");
  close_fake(net, &network);
}

static void test_bad_manifests(void **state) {
  (void)state;
  sg_network good = fake_network(&(FakeOptions){.kind = FAKE_HEAD, .train = "{\"batch\": 4}"});
  static const struct {
    const char *from, *to;
  } rows[] = {{"\"weights_bytes\": ", "\"weights_bytes\": -"},
              {"\"offset\": 8192", "\"offset\": 819200"},
              {"[32, 64]", "[32, -64]"},
              {"[32, 64]", "[3037000500, 3037000500]"},
              {"\"dtype\": \"f32\"", "\"dtype\": \"f16\""},
              {"\"group\": 0", "\"group\": 7"},
              {"\"kind\": \"tensor\"", "\"kind\": \"smell\""},
              {"\"outputs\"", "\"inputs\""},
              {"{", "["}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const char *at = strstr(good.manifest, rows[i].from);
    assert_non_null(at);
    char *text;
    if (asprintf(&text, "%.*s%s%s", (int)(at - good.manifest), good.manifest, rows[i].to, at + strlen(rows[i].from)) <
        0)
      abort();
    err.message[0] = 0;
    if (manifest_parse(text, good.train, &err)) fail_msg("accepted: %s", rows[i].to);
    expect_message("manifest");
    free(text);
  }
  free((void *)good.manifest);
}

static void test_random(void **state) {
  (void)state;
  Random a = random_stream(1, 2), b = random_stream(1, 2), c = random_stream(1, 3);
  int64_t order[100];
  double mean = 0;
  bool seen[100] = {false}, moved = false;
  for (int i = 0; i < 1000; i++) {
    uint64_t v = random_u64(&a);
    assert_true(v == random_u64(&b));
    if (i == 0) assert_true(v != random_u64(&c));
  }
  /* Philox4x32-10 with key and counter 0, the first known answer of the authors' Random123: 6627e8d5 e169c58d
   * bc57ac4c 9b00dbd8 */
  Random zero = random_stream(0, 0);
  assert_true(random_u64(&zero) == 0x6627e8d5e169c58du && random_u64(&zero) == 0xbc57ac4c9b00dbd8u);
  for (int i = 0; i < 10000; i++) {
    assert_true(random_below(&a, 7) < 7);
    mean += random_uniform(&a) / 10000;
  }
  assert_true(fabs(mean - 0.5) < 0.02);
  random_permutation(1, 2, order, 100);
  for (int i = 0; i < 100; i++) {
    assert_true(order[i] >= 0 && order[i] < 100 && !seen[order[i]]);
    seen[order[i]] = true;
    moved |= order[i] != i;
  }
  assert_true(moved);
}

int run_net_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_open_and_forward),

                                     cmocka_unit_test(test_pages),
                                     cmocka_unit_test(test_content_hash),
                                     cmocka_unit_test(test_open_to_eval),
                                     cmocka_unit_test(test_reads_of_the_manifest),
                                     cmocka_unit_test(test_train_step),
                                     cmocka_unit_test(test_frozen_stays),
                                     cmocka_unit_test(test_wrong_weights),
                                     cmocka_unit_test(test_where_weights_are),
                                     cmocka_unit_test(test_embedded),
                                     cmocka_unit_test(test_save),
                                     cmocka_unit_test(test_full_disk),
                                     cmocka_unit_test(test_selectors),
                                     cmocka_unit_test(test_bad_manifests),
                                     cmocka_unit_test(test_random)};
  return cmocka_run_group_tests_name("networks", tests, NULL, NULL);
}
