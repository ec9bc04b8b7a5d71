/* Tensors in other files: read from the model's folder and below, refused wherever the name leads out of it,
 * by "..", by an absolute name, over symbolic and hard links; and sizes that do not agree. Also external data
 * as weights alone. */
#include "tests/onnx/build.h"
#include <sys/stat.h>
#include <unistd.h>

/* x (N, 4) → gemm → y (N, 2), the weight of 32 bytes in `location`. NULL leaves an entry out. */
static const char *model(const char *location, const char *offset, const char *length) {
  Build *b = build_begin();
  const char *keys[] = {"location", "offset", "length", "checksum"}, *values[] = {location, offset, length, "0"};
  build_input(b, "x", "? 4");
  build_output(b, "y", "? 2");
  Onnx__TensorProto *t = build_tensor(b, "fc.weight", "2 4");
  t->has_raw_data = 0;
  t->has_data_location = 1;
  t->data_location = 1;
  t->external_data = arena_array(b->arena, Onnx__StringStringEntryProto *, 4);
  for (int k = 0; k < 4; k++) {
    if (!values[k]) continue;
    Onnx__StringStringEntryProto *entry = arena_new(b->arena, Onnx__StringStringEntryProto);
    onnx__string_string_entry_proto__init(entry);
    entry->key = arena_strdup(b->arena, keys[k]);
    entry->value = arena_strdup(b->arena, values[k]);
    t->external_data[t->n_external_data++] = entry;
  }
  with_int(b, build_node(b, "Gemm", "", "x fc.weight", "y"), "transB", 1);
  const char *path = build_write(b, "model/net.onnx");
  build_end(b);
  return path;
}

static int make_files(void **state) {
  float values[12];
  for (int i = 0; i < 12; i++) values[i] = (float)(100 + i);
  if (mkdir(scratch("model"), 0700) || mkdir(scratch("model/data"), 0700) || mkdir(scratch("elsewhere"), 0700))
    return -1;
  write_bytes(scratch("model/w.bin"), values, sizeof values);
  write_bytes(scratch("model/data/w.bin"), values, sizeof values);
  write_bytes(scratch("elsewhere/w.bin"), values, sizeof values);
  write_bytes(scratch("model/two.bin"), values, sizeof values);
  return symlink("../elsewhere/w.bin", scratch("model/link.bin")) || symlink("w.bin", scratch("model/near.bin")) ||
         symlink("../elsewhere", scratch("model/folder")) ||
         link(scratch("model/two.bin"), scratch("elsewhere/two.bin")) || mkfifo(scratch("model/pipe"), 0600);
}

static void expect_first(const char *location, const char *offset, const char *length, float first) {
  Imported i = import_file(model(location, offset, length));
  int64_t count;
  if (!i.graph) fail_msg("%s: %s", location, i.messages);
  const float *got = param_values(&i, "fc.weight", &count);
  assert_int_equal(count, 8);
  for (int k = 0; k < 8; k++) assert_true(got[k] == first + (float)k);
  /* For the dependency file: the model and its data. */
  assert_int_equal(i.s->dependencies.count, 2);
  import_end(&i);
}

static void test_read(void **state) {
  expect_first("w.bin", NULL, NULL, 100);
  expect_first("w.bin", "16", "32", 104);
  expect_first("data/w.bin", "4", NULL, 101);
  expect_first("./data//w.bin", "0", "32", 100);
}

static void test_refused(void **state) {
  static const struct {
    const char *location, *offset, *length, *part;
  } cases[] = {
      {"../elsewhere/w.bin", NULL, NULL, "lead out of the folder with '..'"},
      {"data/../../elsewhere/w.bin", NULL, NULL, "lead out of the folder with '..'"},
      {"data/../w.bin", NULL, NULL, "lead out of the folder with '..'"},
      {"..", NULL, NULL, "lead out of the folder with '..'"},
      {"/etc/passwd", NULL, NULL, "have an absolute name"},
      {"link.bin", NULL, NULL, "lead over a symbolic link"},
      {"near.bin", NULL, NULL, "lead over a symbolic link"},
      {"folder/w.bin", NULL, NULL, "lead over a symbolic link"},
      {"two.bin", NULL, NULL, "are a file with several names (hard links)"},
      {"data", NULL, NULL, "are no regular file"},
      {"data/", NULL, NULL, "are no file's name"},
      {".", NULL, NULL, "are no file's name"},
      {"pipe", NULL, NULL, "are no regular file"},
      {"absent.bin", NULL, NULL, "cannot be opened: No such file or directory"},
      {"w.bin/x", NULL, NULL, "cannot be opened: Not a directory"},
      {"", NULL, NULL, "name no location"},
      {NULL, NULL, NULL, "name no location"},
      {"w.bin", "20", NULL, "32 bytes from byte 20, go past the end of 'w.bin' (48 bytes)"},
      {"w.bin", "9223372036854775807", NULL, "is no number of bytes"},
      {"w.bin", "922337203685477579", NULL, "go past the end of 'w.bin'"},
      {"w.bin", "-4", NULL, "the offset '-4' of its external data is no number of bytes"},
      {"w.bin", "", NULL, "the offset of its external data is empty"},
      {"w.bin", NULL, "16", "takes 32 bytes, but its external data are 16"},
      {"w.bin", NULL, "0x20", "the length '0x20' of its external data is no number"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    Imported i = import_file(model(cases[k].location, cases[k].offset, cases[k].length));
    if (i.graph || !strstr(i.messages, "E0601") || !strstr(i.messages, "tensor 'fc.weight'") ||
        !strstr(i.messages, cases[k].part))
      fail_msg("%s: wanted '%s', got: %s", cases[k].location, cases[k].part, i.graph ? "(accepted)" : i.messages);
    import_end(&i);
  }
}

static void test_both_places(void **state) {
  Build *b = build_begin();
  build_input(b, "x", "? 4");
  build_output(b, "y", "? 2");
  Onnx__TensorProto *t = build_tensor(b, "w", "2 4");
  t->has_data_location = 1;
  t->data_location = 1;
  build_node(b, "Gemm", "", "x w", "y");
  Imported i = import_file(build_write(b, "model/both.onnx"));
  assert_null(i.graph);
  assert_non_null(strstr(i.messages, "its values stand here and in another file"));
  import_end(&i);
  t->has_raw_data = 0;
  t->data_location = 2;
  i = import_file(build_write(b, "model/both.onnx"));
  assert_non_null(strstr(i.messages, "data_location is neither 0 nor 1"));
  import_end(&i);
  build_end(b);
}

/* The data may shrink between the opening and the reading: a message, never a signal. */
static void test_shrinks(void **state) {
  surgery_error err = {0};
  float values[8];
  const char *path = model("w.bin", NULL, NULL);
  surgery_weights *w = surgery_weights_open(path, &err);
  if (!w) fail_msg("%s", err.message);
  assert_string_equal(surgery_weights_note(w), "onnx");
  assert_int_equal(truncate(scratch("model/w.bin"), 5), 0);
  assert_int_equal(surgery_weights_read(w, surgery_weights_find(w, "fc.weight"), values, 8, &err), -1);
  assert_non_null(strstr(err.message, "ends at byte 5"));
  surgery_weights_close(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_refused),
                                     cmocka_unit_test(test_both_places), cmocka_unit_test(test_shrinks)};
  return cmocka_run_group_tests(tests, make_files, NULL);
}
