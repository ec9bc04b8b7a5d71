/* `surgeryc diff A B`: two networks, scripts or weight files; a network against a weight file is compared by
 * its tensors. Prints nothing where there is no difference, as diff does. Its exit status is diff's, too: 1
 * is "they differ", so that whatever is wrong with an input is 3. */
#include "compiler/driver/diff/diff.h"

static ExitStatus print_networks(Session *s, const Options *o, const CommandOperand *a, const CommandOperand *b,
                                 json_t **json) {
  LayerDiffs diffs = diff_layers(s->arena, a->script.graph, b->script.graph);
  Totals ta = module_totals(a->script.graph, 0, true), tb = module_totals(b->script.graph, 0, true);
  bool differ = diffs.count > 0 || diff_ends(a->script.graph, b->script.graph) || ta.all != tb.all ||
                ta.trained != tb.trained || ta.buffers != tb.buffers;
  if (o->json) *json = layer_diffs_json(s, a, b, &diffs);
  if (!o->json && differ) print_layer_diffs(s, a, b, &diffs, use_color(o, 1));
  return differ ? EXIT_DIFFERENT : EXIT_DONE;
}

static ExitStatus print_tensors(Session *s, const Options *o, const CommandOperand *a, const CommandOperand *b,
                                json_t **json) {
  TensorDiffs diffs;
  if (!diff_tensors(s, a, b, &diffs)) return EXIT_ENVIRONMENT;
  if (o->json) *json = tensor_diffs_json(s, a, b, &diffs);
  if (!o->json && diffs.count > 0) print_tensor_diffs(s, a, b, &diffs, use_color(o, 1));
  return diffs.count > 0 ? EXIT_DIFFERENT : EXIT_DONE;
}

static ExitStatus compare(Session *s, const Options *o, const CommandOperand *a, const CommandOperand *b) {
  bool networks = !a->weights && !b->weights;
  json_t *json = NULL;
  ExitStatus status = networks ? print_networks(s, o, a, b, &json) : print_tensors(s, o, a, b, &json);
  if (!o->json || status == EXIT_ENVIRONMENT) return status;
  json_t *whole =
      json_pack("{s:s, s:s, s:o, s:o, s:b}", "kind", "diff", "of", networks ? "networks" : "tensors", "a",
                name_json(s->arena, a->given), "b", name_json(s->arena, b->given), "equal", status == EXIT_DONE);
  if (json_object_update(whole, json) != 0) json_decref(whole), whole = NULL;
  json_decref(json);
  print_json(whole);
  return status;
}

/* Each script takes the -D that it knows; one that neither knows is a mistake. */
static bool defines_known(const Session *s) {
  for (size_t i = 0; i < s->defines.count; i++) {
    bool known = false;
    for (size_t k = 0; k < s->all_params.count; k++) known |= streq(s->all_params.at[k], s->defines.at[i].name);
    if (known) continue;
    fprintf(stderr, "surgeryc: -D %s: neither script has a param of that name\n", s->defines.at[i].name);
    return false;
  }
  return true;
}

ExitStatus command_diff(Session *s, const Options *o) {
  CommandOperand a = {0}, b = {0};
  s->shared_defines = true;
  ExitStatus status = operand_open(s, o->script, &a), second = operand_open(s, o->rest.at[0], &b);
  bool good = status == EXIT_DONE && second == EXIT_DONE && may_go_on(s, o);
  if (good && !defines_known(s)) status = EXIT_USAGE;
  else status = good ? compare(s, o, &a, &b) : EXIT_ENVIRONMENT;
  report(s, o);
  operand_close(&a);
  operand_close(&b);
  return status;
}
