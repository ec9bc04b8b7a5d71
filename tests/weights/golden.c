/* Every tensor of the fixtures and of the real files in the shared data folder, against what PyTorch and
 * numpy read out of them
 * (*.golden, made by make_goldens.py): names in order, dtypes, shapes, and checksums of the values as f32 and
 * as i64. */
#include "tests/weights/support.h"
#include "runtime/base/io.h"

#include <inttypes.h>
#include <unistd.h>
#include <zlib.h>

static void check_tensor(surgery_weights *w, size_t index, const char *line) {
  char name[300], dtype[8], shape[200], sum64[16], actual[1000];
  unsigned sum32;
  assert_int_equal(sscanf(line, "tensor %299s %7s %199s %x %15s", name, dtype, shape, &sum32, sum64), 5);
  const surgery_tensor *t = surgery_weights_at(w, index);
  assert_non_null(t);
  char dims[200] = "-";
  for (int d = 0, used = 0; d < t->rank; d++) used += sprintf(dims + used, d ? ",%" PRId64 : "%" PRId64, t->shape[d]);
  surgery_error err = {0};
  float *values = malloc((size_t)t->count * 4 + 1);
  int64_t *integers = malloc((size_t)t->count * 8 + 1);
  if (surgery_weights_read(w, t, values, t->count, &err)) fail_msg("%s", err.message);
  uLong crc = crc32_z(0, (const Bytef *)values, (size_t)t->count * 4);
  int used =
      snprintf(actual, sizeof actual, "tensor %s %s %s %08lx ", t->name, surgery_dtype_name(t->dtype), dims, crc);
  if (surgery_weights_read_i64(w, t, integers, t->count, &err)) {
    if (t->dtype >= SURGERY_I64) fail_msg("%s", err.message);
    snprintf(actual + used, sizeof actual - (size_t)used, "-");
  } else {
    snprintf(actual + used, sizeof actual - (size_t)used, "%08lx",
             crc32_z(0, (const Bytef *)integers, (size_t)t->count * 8));
  }
  free(values);
  free(integers);
  assert_string_equal(actual, line);
  assert_ptr_equal(surgery_weights_find(w, t->name), t);
}

/* All at once as one by one. */
static void check_all(surgery_weights *w) {
  size_t count = surgery_weights_count(w);
  surgery_weights_part *parts = calloc(count + 1, sizeof *parts);
  surgery_error err = {0};
  assert_non_null(parts);
  for (size_t i = 0; i < count; i++) {
    const surgery_tensor *t = surgery_weights_at(w, i);
    bool i64 = t->dtype == SURGERY_I64;
    void *to = malloc((size_t)t->count * (i64 ? 8 : 4) + 1);
    parts[i] = (surgery_weights_part){t, i64 ? NULL : to, i64 ? to : NULL, t->count};
  }
  if (surgery_weights_read_all(w, parts, count, &err)) fail_msg("%s", err.message);
  for (size_t i = 0; i < count; i++) {
    size_t bytes = (size_t)parts[i].count * (parts[i].i64 ? 8 : 4);
    void *got = parts[i].i64 ? (void *)parts[i].i64 : parts[i].f32, *alone = malloc(bytes + 1);
    if (parts[i].i64) assert_int_equal(surgery_weights_read_i64(w, parts[i].tensor, alone, parts[i].count, &err), 0);
    else assert_int_equal(surgery_weights_read(w, parts[i].tensor, alone, parts[i].count, &err), 0);
    if (memcmp(got, alone, bytes) != 0) fail_msg("%s differs when it is read with the others", parts[i].tensor->name);
    free(got), free(alone);
  }
  free(parts);
}

static bool next_line(FILE *f, char *line, size_t size) {
  do {
    if (!fgets(line, (int)size, f)) return false;
  } while (line[0] == '#');
  line[strcspn(line, "\n")] = '\0';
  return true;
}

static void check_list(const char *list, const char *folder, unsigned least) {
  char line[1000], path[600], name[300];
  snprintf(path, sizeof path, FOLDER "/%s", list);
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  unsigned files = 0, count;
  while (next_line(f, line, sizeof line)) {
    assert_int_equal(sscanf(line, "file %299s %u", name, &count), 2);
    snprintf(path, sizeof path, "%.250s/%s", folder, name);
    surgery_weights *w = open_ok(path);
    if (surgery_weights_count(w) != count) fail_msg("%s: %zu tensors, not %u", path, surgery_weights_count(w), count);
    for (unsigned i = 0; i < count; i++) {
      assert_true(next_line(f, line, sizeof line));
      check_tensor(w, i, line);
    }
    check_all(w);
    assert_null(surgery_weights_find(w, "no such tensor"));
    assert_null(surgery_weights_at(w, count));
    surgery_weights_close(w);
    files++;
  }
  fclose(f);
  assert_true(files >= least);
}

static void need_shared_data(void) {
  if (access(SHARED_DATA "/README.md", R_OK) == 0) return;
  print_message("SKIPPED: no shared data in " SHARED_DATA " (CMake variable SURGERY_SHARED_DATA)\n");
  skip();
}

static void test_fixtures(void **state) {
  check_list("fixtures.golden", FOLDER "/fixtures", 11);
  check_list("checkpoints.golden", FOLDER "/fixtures", 5);
}
static void test_shared(void **state) {
  need_shared_data();
  check_list("shared.golden", SHARED_DATA, 11);
}

static void expect_note(const char *path, const char *expected) {
  surgery_weights *w = open_ok(path);
  assert_string_equal(surgery_weights_note(w), expected);
  surgery_weights_close(w);
}

static void test_notes(void **state) {
  expect_note(FOLDER "/fixtures/zip_in_state_dict.pth", "pytorch-zip; under 'state_dict'; prefix 'module.' taken off");
  expect_note(FOLDER "/fixtures/legacy_in_model.pth", "pytorch-legacy; under 'model'; under 'state_dict'");
  expect_note(FOLDER "/fixtures/zip_in_net.pth",
              "pytorch-zip; under 'net'; prefix '_orig_mod.' taken off; prefix 'module.' taken off");
  expect_note(FOLDER "/fixtures/zip_module.pth",
              "pytorch-zip; a whole module, 'torch.nn.modules.container.Sequential'");
  expect_note(FOLDER "/fixtures/tar.pth", "pytorch-tar");
  expect_note(FOLDER "/fixtures/sharded.index.json", "index of 3 shards");
  surgery_weights *w = open_ok(FOLDER "/fixtures/all.safetensors");
  assert_string_equal(surgery_weights_metadata(w, "format"), "pt");
  assert_string_equal(surgery_weights_metadata(w, "naïve"), "ü\n");
  assert_null(surgery_weights_metadata(w, "absent"));
  surgery_weights_close(w);
}

static void expect_rest(surgery_weights *w, const char *under, const char *expected, const char *tensor) {
  const char *rest = NULL;
  surgery_error err = {0};
  assert_int_equal(surgery_weights_choose(w, under, &rest, &err), 0);
  assert_string_equal(rest, expected);
  assert_non_null(surgery_weights_find(w, tensor));
  assert_int_equal(read_all(w, &err), true);
}

/* Several sets in a file: each is chosen by its name, or by a name in it, as it is in the file. */
static void test_sets(void **state) {
  static const char *const names[] = {"state_dict", "state_dict_ema", "critic", "channelwise"};
  surgery_weights *w = open_ok(FOLDER "/fixtures/checkpoint_sets.pth");
  size_t tensors;
  assert_int_equal(surgery_weights_sets(w), 4);
  for (size_t i = 0; i < 4; i++) assert_string_equal(surgery_weights_set(w, i, &tensors), names[i]);
  assert_null(surgery_weights_set(w, 4, &tensors));
  expect_rest(w, "conv", "conv", "conv.weight");
  expect_rest(w, "state_dict", "", "conv.weight");
  expect_rest(w, "state_dict.fc", "fc", "fc.bias");
  expect_rest(w, "fc.weight", "fc.weight", "fc.weight");
  expect_rest(w, "critic", "", "bias");
  assert_string_equal(surgery_weights_note(w),
                      "pytorch-zip; under 'critic'; a whole module, 'torch.nn.modules.linear.Linear'; other "
                      "weights in the file: under \"state_dict\", \"state_dict_ema\", \"channelwise\"");
  expect_rest(w, "state_dict_ema.module.conv", "conv", "conv.bias");
  expect_rest(w, "module", "", "conv.bias");
  expect_rest(w, "module.conv", "conv", "conv.bias");
  expect_rest(w, "con", "con", "conv.bias"); /* a part of a name is none */
  expect_rest(w, "state_dict_em", "state_dict_em", "conv.bias");
  const char *rest;
  surgery_error err = {0};
  assert_int_equal(surgery_weights_choose(w, "channelwise", &rest, &err), -1);
  assert_non_null(strstr(err.message, "tensor 'w': is quantised (per_channel_affine); of quantised tensors"));
  surgery_weights_close(w);
  w = open_ok(FOLDER "/fixtures/checkpoint_inside.pth");
  expect_rest(w, "model.conv._orig_mod", "conv", "conv.bias");
  expect_rest(w, "conv._orig_mod._checkpoint_wrapped_module", "conv", "conv.bias");
  surgery_weights_close(w);
  expect_refused(FOLDER "/fixtures/checkpoint_channelwise.pth",
                 "byte 492: tensor 'w': is quantised (per_channel_affine); of quantised tensors those of 8 "
                 "bits with one scale "
                 "(torch.per_tensor_affine) are read. Save the network as it was before it was quantised, or "
                 "its tensors after "
                 "tensor.dequantize()");
  expect_note(FOLDER "/fixtures/checkpoint_quantised.pth",
              "pytorch-zip; quantised: 1 tensor of 8-bit integers, read as f32");
  expect_note(FOLDER "/fixtures/checkpoint_beside.pth",
              "pytorch-zip; under 'model'; skipped, none of it was run: argparse.Namespace, "
              "omegaconf.dictconfig.DictConfig, "
              "datetime.datetime, __main__.AttributeDict, numpy._core.multiarray._reconstruct, "
              "__builtin__.min and others");
}

/* A tensor beside a numpy array, which is left out. */
static void test_beside(void **state) {
  need_shared_data();
  expect_note(SHARED_DATA "/refused/hf_trainer_rng_state.pth",
              "pytorch-zip; skipped, none of it was run: numpy._core.multiarray._reconstruct");
}

#define ADVICE "; nothing was run. Save the tensors alone instead: torch.save(model.state_dict(), path)"

static void test_refused(void **state) {
  need_shared_data();
  expect_refused(SHARED_DATA "/refused/silero_vad.jit",
                 "is a TorchScript program (torch.jit.save), which holds code. Load it in "
                 "PyTorch and save its tensors: torch.save(model.state_dict(), path)");
  expect_refused(SHARED_DATA "/refused/mnist_cnn_abc3698.pt",
                 "is a TorchScript program of a PyTorch before 1.4 (torch.jit.save), which "
                 "holds code. Load it in PyTorch and save its tensors: torch.save(model.state_dict(), path)");
  expect_refused(SHARED_DATA "/refused/hf_trainer_training_args.bin",
                 "byte 325: the pickle (of a 'transformers.training_args.TrainingArguments') "
                 "calls 'transformers.trainer_utils.IntervalStrategy', a global that is not allowed in a "
                 "weight file" ADVICE);
}

static void test_read_arguments(void **state) {
  surgery_weights *w = open_ok(FOLDER "/fixtures/zip_views.pth"), *other = open_ok(FOLDER "/fixtures/zip_bare.pth");
  const surgery_tensor *t = surgery_weights_find(w, "whole");
  float values[24];
  int64_t integers[24];
  surgery_error err;
  assert_int_equal(surgery_weights_read(w, t, values, 23, &err), -1);
  assert_string_equal(err.message, FOLDER "/fixtures/zip_views.pth: tensor 'whole' has 24 elements, 23 were asked for");
  assert_int_equal(surgery_weights_read_i64(w, t, integers, 24, &err), -1);
  assert_string_equal(err.message,
                      FOLDER "/fixtures/zip_views.pth: tensor 'whole' is f32; only integers can be read as i64");
  assert_int_equal(surgery_weights_read(other, t, values, 24, &err), -1);
  assert_string_equal(err.message, FOLDER "/fixtures/zip_bare.pth: the tensor asked for is not of this file");
  assert_int_equal(surgery_weights_read(w, NULL, values, 24, NULL), -1);
  surgery_weights_close(w);
  surgery_weights_close(other);
  surgery_weights_close(NULL);
}

/* Tensors larger than what a thread reads at once; then the file shrinks below the reader. */
static void test_read_all(void **state) {
  enum { ROWS = 1500, COLUMNS = 1001 };
  char path[] = "/tmp/surgery-read-all-XXXXXX.safetensors";
  surgery_error err = {0};
  float *numbers = malloc(sizeof *numbers * ROWS * COLUMNS), *to = malloc(sizeof *to * 2 * ROWS * COLUMNS);
  int fd = mkstemps(path, 12);
  assert_true(fd >= 0 && numbers && to);
  close(fd);
  for (int i = 0; i < ROWS * COLUMNS; i++) numbers[i] = (float)i;
  surgery_tensor_out out[] = {{"a", SURGERY_F32, 2, {ROWS, COLUMNS}, numbers},
                              {"b", SURGERY_F32, 2, {ROWS, COLUMNS}, numbers}};
  assert_int_equal(surgery_weights_write_as(path, out, 2, NULL, SURGERY_F16, NULL, &err), 0);
  surgery_weights *rounded = open_ok(path);
  check_all(rounded);
  surgery_weights_close(rounded);
  assert_int_equal(surgery_weights_write(path, out, 2, NULL, &err), 0);
  surgery_weights *w = open_ok(path);
  check_all(w);
  uint8_t *bytes; /* the same from memory; one that is cut off */
  size_t size;
  assert_int_equal(sg_read_file(path, &bytes, &size, &err), 0);
  surgery_weights *image = surgery_weights_open_memory(bytes, size, "the image", &err);
  if (!image) fail_msg("%s", err.message);
  check_all(image);
  surgery_weights_close(image);
  for (size_t cut = 0; cut < size; cut += cut < 200 ? 1 : size / 7) {
    assert_null(surgery_weights_open_memory(bytes, cut, "the image", &err));
    assert_non_null(strstr(err.message, "the image"));
  }
  free(bytes);
  surgery_weights_part parts[] = {{surgery_weights_find(w, "a"), to, NULL, ROWS * COLUMNS},
                                  {surgery_weights_find(w, "b"), to + ROWS * COLUMNS, NULL, ROWS * COLUMNS}};
  parts[1].count--;
  assert_int_equal(surgery_weights_read_all(w, parts, 2, &err), -1);
  assert_non_null(strstr(err.message, "tensor 'b' has 1501500 elements, 1501499 were asked for"));
  parts[1].count++;
  assert_int_equal(truncate(path, 3 << 20), 0); /* of 12 MB: many slices fail, the first is told */
  assert_int_equal(surgery_weights_read_all(w, parts, 2, &err), -1);
  assert_non_null(strstr(err.message, "ends at byte 3145728"));
  assert_int_equal(surgery_weights_read_all(w, parts, 2, NULL), -1);
  surgery_weights_close(w);
  unlink(path);
  free(numbers), free(to);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fixtures), cmocka_unit_test(test_notes),    cmocka_unit_test(test_read_arguments),
      cmocka_unit_test(test_shared),   cmocka_unit_test(test_refused),  cmocka_unit_test(test_beside),
      cmocka_unit_test(test_sets),     cmocka_unit_test(test_read_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
