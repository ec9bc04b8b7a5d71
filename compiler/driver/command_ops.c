/* `surgeryc ops`: the operators of the language with their arguments, as the rows of grammar/ops.def have them. */
#include "compiler/driver/driver.h"

static const char *call_of(Arena *arena, const OpInfo *op) {
  const char *text = arena_printf(arena, "%s(%s", op->name,
                                  op->is_layer                ? ""
                                  : op->inputs == INPUTS_MANY ? "[x, …]"
                                                              : "x");
  for (int i = 1; i < op->inputs && !op->is_layer; i++) text = arena_printf(arena, "%s, x%d", text, i + 1);
  for (const ArgInfo *a = op->args; a->name; a++) {
    const char *comma = text[strlen(text) - 1] == '(' ? "" : ", ";
    text =
        arena_printf(arena, "%s%s%s%s%s", text, comma, a->name, a->fallback ? "=" : "", a->fallback ? a->fallback : "");
  }
  return arena_printf(arena, "%s)", text);
}

static void list(Arena *arena, bool layers) {
  for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
    const OpInfo *info = op_info((OpId)op);
    if (info->is_layer == layers) printf("  %s\n      %s\n", call_of(arena, info), info->doc);
  }
}

ExitStatus command_ops(Session *s, const Options *o) {
  puts("layers, which a model declares and then calls:");
  list(s->arena, true);
  puts("functions, which a forward calls:");
  list(s->arena, false);
  return EXIT_DONE;
}
