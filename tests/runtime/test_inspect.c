/* What `inspect` is made of, without a compiled network: colours and canvas, and the manifest's part of it, damaged.
 * How the whole command behaves is in tests/run/program/inspect.sh. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "runtime/cli/draw.h"
#include "runtime/data/dataset.h"
#include "tests/runtime/fake.h"

static double brightness(Colour c) { return 0.2126 * c.r + 0.7152 * c.g + 0.0722 * c.b; }

/* The map must still be one where colours are not seen. */
static void test_colours(void **state) {
  (void)state;
  for (int i = 1; i <= 100; i++)
    assert_true(brightness(map_colour(i / 100.0)) > brightness(map_colour((i - 1) / 100.0)));
  assert_int_equal(map_colour(-3).r, map_colour(0).r);
  assert_int_equal(map_colour(NAN).b, map_colour(0).b);
  assert_int_equal(map_colour(7).g, map_colour(1).g);
}

static void test_scales(void **state) {
  (void)state;
  static const int64_t sides[] = {1, 7, 14, 28, 56, 88, 89, 112, 224, 1000, 1 << 20};
  for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
    MapScale s = map_scale(sides[i], sides[i] / 2 + 1, 88);
    int pixels = map_pixels(sides[i], s);
    assert_true(s.zoom == 1 || s.shrink == 1);
    assert_true(pixels > 40 && pixels <= 88);
  }
}

/* Drawn over every edge, and read back by the decoder of the data sets. */
static void test_canvas(void **state) {
  (void)state;
  Canvas c;
  surgery_error err;
  float ramp[6] = {0, 1, 2, 3, 4, 5};
  assert_int_equal(canvas_new(&c, 40, 20, (Colour){255, 255, 255}, &err), 0);
  canvas_text(&c, -3, -3, 2, (Colour){0, 0, 0}, "edge \xc3\xa4\xff");
  canvas_text(&c, 35, 15, 2, (Colour){0, 0, 0}, "edge");
  canvas_fill(&c, -5, 18, 100, 100, (Colour){1, 2, 3});
  canvas_map(&c, 10, 8, ramp, 2, 3, (MapScale){4, 1}, 0, 5);
  assert_int_equal(canvas_write(&c, test_path("canvas.png"), &err), 0);
  Image p;
  assert_int_equal(image_decode(test_path("canvas.png"), &p, &err), 0);
  assert_true(p.width == 40 && p.height == 20 && p.channels == 3);
  assert_memory_equal(p.pixels, c.pixels, 40 * 20 * 3);
  assert_memory_equal(p.pixels + 3 * (19 * 40 + 39), ((uint8_t[]){1, 2, 3}), 3);
  Colour last = map_colour(1), first = map_colour(0);
  assert_memory_equal(p.pixels + 3 * (8 * 40 + 10), &first, 3);
  assert_memory_equal(p.pixels + 3 * (15 * 40 + 21), &last, 3);
  free(p.pixels);
  canvas_free(&c);
  assert_int_equal(text_width("abc", 2), 34);
  assert_int_equal(text_width("\xc3\xa4", 1), 5);
  assert_int_equal(canvas_new(&c, 0, 20, last, &err), -1);
  assert_int_equal(canvas_new(&c, 20, 1 << 30, last, &err), -1);
  assert_int_equal(canvas_new(&c, 1, 1, last, &err), 0);
  assert_int_equal(canvas_write(&c, "/nowhere/at/all.png", &err), -1);
  assert_int_equal(err.status, SURGERY_ENVIRONMENT);
  canvas_free(&c);
}

/* The manifest of the fake network with these values and blocks; whether it is taken. */
static bool takes(const char *values, const char *blocks, const char *calls) {
  sg_network fake = fake_network(&(FakeOptions){.kind = FAKE_FULL});
  char text[8000];
  snprintf(text, sizeof text, "%s", fake.manifest);
  free((void *)fake.manifest);
  char *end = strrchr(text, '}'), *functions = strstr(text, "\"functions\": {");
  snprintf(end, sizeof text - (size_t)(end - text), ", \"values\": %s, \"blocks\": %s, \"forward_calls\": %s}", values,
           blocks, calls);
  char whole[9000];
  int head = (int)(functions - text) + (int)strlen("\"functions\": {");
  snprintf(whole, sizeof whole, "%.*s\"inspect\": {\"per_sample\": 256, \"fixed\": 0, \"scratch\": 0}, %s", head, text,
           text + head);
  surgery_error err = {.status = SURGERY_OK};
  Manifest *m = manifest_parse(whole, NULL, &err);
  assert_true(m || strstr(err.message, "manifest"));
  bool taken = m != NULL;
  manifest_free(m);
  return taken;
}

#define VALUE(inputs, shape, place)                                                                                    \
  "[{\"name\": \"a\", \"type\": \"ReLU\", \"inputs\": " inputs ", \"shape\": " shape place "}]"
#define BLOCK(in, out, values)                                                                                         \
  "[{\"name\": \"a\", \"type\": \"ReLU\", \"in\": " in ", \"out\": " out ", \"values\": " values ", \"parameters\": "  \
  "0}]"

static void test_manifest(void **state) {
  (void)state;
  assert_true(takes("[]", "[]", "[]"));
  assert_true(takes(VALUE("[-1]", "[64]", ", \"offset\": 0"), BLOCK("-1", "0", "[0]"), "[0, -1]"));
  assert_true(takes(VALUE("[-1]", "[64]", ""), "[]", "[]")); /* the input itself */
  assert_true(takes(VALUE("[-1]", "[4, 2, 2]", ", \"offset\": 0, \"blocked\": true"), "[]", "[]"));
  assert_false(takes(VALUE("[-1]", "[32]", ""), "[]", "[]"));               /* has another size */
  assert_false(takes(VALUE("[0]", "[64]", ", \"offset\": 0"), "[]", "[]")); /* made of itself */
  assert_false(takes(VALUE("[-2]", "[64]", ", \"offset\": 0"), "[]", "[]"));
  assert_false(takes(VALUE("3", "[64]", ", \"offset\": 0"), "[]", "[]"));
  assert_false(takes(VALUE("[-1]", "[65]", ", \"offset\": 0"), "[]", "[]")); /* past the arena */
  assert_false(takes(VALUE("[-1]", "[64]", ", \"offset\": 64"), "[]", "[]"));
  assert_false(takes(VALUE("[-1]", "[1]", ", \"offset\": 3"), "[]", "[]"));
  assert_false(takes(VALUE("[-1]", "[17, 2, 2]", ", \"offset\": 0, \"blocked\": true"), "[]", "[]"));
  assert_false(takes(VALUE("[-1]", "[64]", ", \"offset\": 0, \"blocked\": true"), "[]", "[]"));
  assert_false(takes(VALUE("[-1]", "[0]", ", \"offset\": 0"), "[]", "[]"));
  assert_false(takes(VALUE("[-1]", "[4611686018427387904, 4]", ", \"offset\": 0"), "[]", "[]"));
  assert_false(takes("[1]", "[]", "[]"));
  assert_false(takes(VALUE("[-1]", "[64]", ", \"offset\": 0"), BLOCK("-1", "1", "[0]"), "[]"));
  assert_false(takes(VALUE("[-1]", "[64]", ", \"offset\": 0"), BLOCK("0", "-1", "[0]"), "[]"));
  assert_false(takes(VALUE("[-1]", "[32]", ", \"offset\": 0"), BLOCK("-1", "0", "[0]"), "[]")); /* ends of two sizes */
  assert_false(takes(VALUE("[-1]", "[64]", ", \"offset\": 0"), BLOCK("-1", "0", "[7]"), "[]"));
  assert_false(takes("[]", "[{}]", "[]"));
  assert_false(takes("[]", "[]", "[0]"));
}

int run_inspect_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_colours), cmocka_unit_test(test_scales),
                                     cmocka_unit_test(test_canvas), cmocka_unit_test(test_manifest)};
  return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
