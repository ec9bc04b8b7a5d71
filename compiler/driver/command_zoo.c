/* `surgeryc zoo`: the built-in architectures with their input, output and size, each built and measured here.
 */
#include "compiler/driver/driver.h"

static void print_model(Session *s, const char *name) {
  Expr *call = arena_new(s->arena, Expr);
  call->kind = EXPR_NAME;
  call->text = name;
  call->span = SPAN_NONE;
  Graph *g = build_donor(s, zoo_scope(s), call, SPAN_NONE);
  if (!g || !infer_shapes(s, g)) return;
  int64_t count = 0;
  ParamList all = graph_state_dict(g, s->arena, false);
  for (size_t i = 0; i < all.count; i++) count += shape_count(&g->params.at[all.at[i]].shape);
  printf("%-16s %-20s %-12s %12lld ", name, shape_text(s->arena, &g->input.shape),
         shape_text(s->arena, &g->values.at[g->outputs.at[0].value].shape), (long long)count);
  for (size_t i = 0; i < g->stages.count; i++) printf("%s%s", i ? ", " : " ", g->stages.at[i].name);
  putchar('\n');
}

ExitStatus command_zoo(Session *s, const Options *o) {
  printf("%-16s %-20s %-12s %12s  %s\n", "model", "input", "output", "parameters", "stages");
  size_t count;
  const char *const *names = zoo_models(s, &count);
  for (size_t i = 0; i < count; i++) print_model(s, names[i]);
  report(s, o);
  return may_go_on(s, o) ? EXIT_DONE : EXIT_BUG;
}
