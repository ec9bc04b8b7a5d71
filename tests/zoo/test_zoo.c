/* Each built-in model: children, calls, state-dict keys, shapes, order and the number of parameters equal
 * torchvision's, as lists/NAME.txt has them; its stages reduce the size as timm's feature levels do. */
#include "compiler/script/script.h"
#include "compiler/model/model.h"
#include "compiler/ops/shape.h"
#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static Session *session_create(void) {
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  return s;
}

static Graph *build(Session *s, const char *text) {
  int source = sources_add_text(&s->sources, "test", text, strlen(text));
  Expr *expr = parse_expression(s->arena, &s->diags, &s->sources, (uint32_t)source, 0);
  Graph *g = expr ? build_donor(s, NULL, expr, SPAN_NONE) : NULL;
  if (!g || !infer_shapes(s, g)) {
    diag_print_text(&s->diags, stderr, false);
    fail_msg("%s was refused", text);
  }
  return g;
}

/* The lines of lists/NAME.txt, as the graph would write them; without the calls where torchvision does not know the
 * model. */
static const char *list_of(Session *s, const Graph *g, bool nodes) {
  Arena *a = s->arena;
  const char *text = "children";
  const Module *root = &g->modules.at[0];
  for (size_t i = 0; i < root->children.count; i++)
    text = arena_printf(a, "%s %s", text, g->modules.at[root->children.at[i]].local);
  int64_t count = 0;
  ParamList params = graph_state_dict(g, a, true);
  for (size_t i = 0; i < params.count; i++) {
    const Param *p = &g->params.at[params.at[i]];
    if (!p->is_buffer) count += shape_count(&p->shape);
  }
  text = arena_printf(a, "%s\nparameters %" PRId64 "\n%s", text, count, nodes ? "nodes" : "");
  for (size_t i = 0; nodes && i < g->order.count; i++)
    text = arena_printf(a, "%s %s", text, g->nodes.at[g->order.at[i]].name);
  if (nodes) text = arena_printf(a, "%s\n", text);
  for (size_t i = 0; i < params.count; i++) {
    const Param *p = &g->params.at[params.at[i]];
    text = arena_printf(a, "%s%s %s\n", text, p->name, shape_text_plain(a, &p->shape));
  }
  return text;
}

static char *read_list(const char *name) {
  char path[512], *text = NULL;
  size_t size = 0;
  snprintf(path, sizeof path, "%s/%s.txt", ZOO_LISTS, name);
  FILE *f = fopen(path, "r");
  if (!f) fail_msg("no list for the built-in model %s: run tests/zoo/make_lists.py", name);
  assert_true(getdelim(&text, &size, '\0', f) > 0);
  fclose(f);
  return text;
}

/* A list without its model is one that was lost. */
static size_t list_count(void) {
  size_t count = 0;
  DIR *folder = opendir(ZOO_LISTS);
  assert_non_null(folder);
  for (struct dirent *entry; (entry = readdir(folder));) count += strstr(entry->d_name, ".txt") != NULL;
  closedir(folder);
  return count;
}

/* Names the first line that differs. */
static void compare(const char *name, const char *got, const char *wanted) {
  for (int line = 1; *got || *wanted; line++) {
    size_t g = strcspn(got, "\n"), w = strcspn(wanted, "\n");
    if (g != w || strncmp(got, wanted, g) != 0)
      fail_msg("%s, line %d:\n got    %.*s\n wanted %.*s", name, line, (int)g, got, (int)w, wanted);
    got += g + (got[g] == '\n');
    wanted += w + (wanted[w] == '\n');
  }
}

static void lists(void **state) {
  Session *names = session_create();
  size_t count;
  const char *const *models = zoo_models(names, &count);
  assert_int_equal(count, list_count());
  for (size_t i = 0; i < count; i++) {
    Session *s = session_create();
    char *wanted = read_list(models[i]);
    compare(models[i], list_of(s, build(s, models[i]), strstr(wanted, "\nnodes ") != NULL), wanted);
    free(wanted);
    arena_destroy(s->arena);
  }
  arena_destroy(names->arena);
}

/* The shape at the end of each stage. */
static const char *stage_shapes(Session *s, const Graph *g) {
  const char *text = "";
  for (size_t stage = 0; stage < g->stages.count; stage++) {
    NodeId last = NO_ID;
    for (size_t i = 0; i < g->order.count; i++)
      if (g->nodes.at[g->order.at[i]].stage == (int)stage) last = g->order.at[i];
    assert_int_not_equal(last, NO_ID);
    const Shape *shape = &g->values.at[g->nodes.at[last].output].shape;
    text = arena_printf(s->arena, "%s%s%" PRId64 "x%" PRId64, text, stage ? " " : "", shape->dim[0], shape->dim[1]);
  }
  return text;
}

static void stages(void **state) {
  static const struct {
    const char *model, *shapes; /* channels x height at the end of each stage */
  } table[] = {
      {"resnet18", "64x56 64x56 128x28 256x14 512x7"},
      {"resnet152", "64x56 256x56 512x28 1024x14 2048x7"},
      {"vgg11", "64x224 128x112 256x56 512x28 512x14 512x7"},
      {"vgg11_bn", "64x224 128x112 256x56 512x28 512x14 512x7"},
      {"vgg16", "64x224 128x112 256x56 512x28 512x14 512x7"},
      {"vgg16_bn", "64x224 128x112 256x56 512x28 512x14 512x7"},
      {"alexnet", "64x55 192x27 256x13 256x6"},
      {"squeezenet1_0", "96x109 256x54 512x27 512x13"},
      {"squeezenet1_1", "64x111 128x55 256x27 512x13"},
      {"mobilenet_v2", "16x112 24x56 32x28 96x14 320x7"},
      {"lenet", "6x14 16x5"},
      {"mlp", ""},
      {"bert_base", "128x768 128x768"}, /* tokens x features */
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    Session *s = session_create();
    const char *got = stage_shapes(s, build(s, table[i].model));
    if (strcmp(got, table[i].shapes) != 0)
      fail_msg("%s has the stages %s, not %s", table[i].model, got, table[i].shapes);
    arena_destroy(s->arena);
  }
}

static void arguments(void **state) {
  Session *s = session_create();
  Graph *g = build(s, "resnet50(classes=7)");
  assert_string_equal(shape_text(s->arena, &g->values.at[g->outputs.at[0].value].shape), "(N, 7)");
  assert_string_equal(g->name, "resnet50");
  assert_int_equal(g->modules.at[graph_find_module(g, "layer2.0.conv2")].args.Conv2d.stride[0], 2); /* not conv1 */
  assert_int_equal(g->modules.at[graph_find_module(g, "layer2.0.conv1")].args.Conv2d.stride[0], 1);
  assert_int_equal(g->input.preprocess.count, 3);
  assert_int_equal(g->input.preprocess.at[0].size[0], 256);
  assert_true(g->modules.at[graph_find_module(g, "relu")].args.ReLU.inplace);
  g = build(s, "mobilenet_v2(classes=5, dropout=0.1)");
  assert_true(g->modules.at[graph_find_module(g, "classifier.0")].args.Dropout.p == 0.1);
  g = build(s, "squeezenet1_1");
  assert_true(g->modules.at[graph_find_module(g, "features.2")].args.MaxPool2d.ceil_mode);
  arena_destroy(s->arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(lists), cmocka_unit_test(stages), cmocka_unit_test(arguments)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
