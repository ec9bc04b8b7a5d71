/* What may be called at some place of a script, with its arguments: from the rows of ops.def and train.def and from the
 * models of the script and the zoo. Called by hover, signature help and completion. */
#include "compiler/driver/lsp/cursor.h"

static const char *op_type(const ArgInfo *info) {
  static const char *const names[] = {[ARG_INT] = "integer",  [ARG_PAIR] = "integer or (height, width)",
                                      [ARG_FLOAT] = "number", [ARG_BOOL] = "true or false",
                                      [ARG_TEXT] = "text",    [ARG_INTS] = "integer or (…)"};
  return names[info->type];
}

static void add_op(Request *r, Callable *c, const OpInfo *op) {
  c->doc = op->doc;
  c->layer = op->is_layer;
  for (int i = 0; !op->is_layer && i < (op->inputs == INPUTS_MANY ? 1 : op->inputs); i++)
    vec_push(r->arena, &c->args,
             (CallArg){op->inputs == INPUTS_MANY ? "[x, …]"
                       : i                       ? arena_printf(r->arena, "x%d", i + 1)
                                                 : "x",
                       NULL,
                       "value",
                       {0},
                       false});
  for (const ArgInfo *a = op->args; a->name; a++)
    vec_push(r->arena, &c->args, (CallArg){a->name, a->fallback, op_type(a), {a->words[0], a->words[1]}, a->hole});
}

static const char *train_type(const TrainArg *arg) {
  static const char *const names[] = {[TYPE_NUMBER] = "number",
                                      [TYPE_POSITIVE] = "number above 0",
                                      [TYPE_COUNT] = "integer",
                                      [TYPE_SWITCH] = "true or false",
                                      [TYPE_WORD] = "text",
                                      [TYPE_PAIR] = "two numbers",
                                      [TYPE_RANGE] = "number or (from, to)",
                                      [TYPE_SIZE] = "integer or (height, width)",
                                      [TYPE_NUMBERS] = "numbers, one for each class",
                                      [TYPE_STEPS] = "integers that go upwards"};
  return (size_t)arg->type < LENGTH(names) ? names[arg->type] : "";
}

static void add_train(Request *r, Callable *c, const TrainRow *row) {
  c->doc = row->doc;
  c->torch = row->torch;
  for (const TrainArg *a = row->args(); a->name; a++) {
    CallArg arg = {a->name, a->fallback, train_type(a), {0}, false};
    if (a->type == TYPE_WORD) { /* the default names all words */
      const char *word = a->fallback;
      for (size_t i = 0; i + 1 < LENGTH(arg.words) && *word; i++) {
        size_t length = strcspn(word, "|");
        arg.words[i] = arena_strndup(r->arena, word, length);
        word += length + (word[length] == '|');
      }
      arg.fallback = arena_printf(r->arena, "\"%s\"", arg.words[0] ? arg.words[0] : "");
    }
    vec_push(r->arena, &c->args, arg);
  }
}

const TrainRows *setting_rows(const char *setting) {
  static const struct {
    const char *name;
    const TrainRows *rows;
  } families[] = {
      {"optimizer", &optimizer_rows}, {"loss", &loss_rows}, {"schedule", &schedule_rows}, {"augment", &augment_rows}};
  for (size_t i = 0; i < LENGTH(families); i++)
    if (streq(families[i].name, setting)) return families[i].rows;
  return NULL;
}

/* ---- models ---- */

static const Stmt *model_in(const Stmt *first, const char *name) {
  for (const Stmt *s = first; s; s = s->next)
    if (s->kind == STMT_MODEL && streq(s->name, name)) return s;
  return NULL;
}

const Stmt *find_model(Request *r, const char *name, const char **origin) {
  *origin = NULL;
  const Stmt *found = model_in(r->view->tree, name);
  for (uint32_t i = r->a->root; !found && i < r->a->s.sources.files.count; i++) {
    const SourceView *view = analysis_view(r->a, i);
    if (view) found = model_in(view->tree, name);
  }
  if (found) return found;
  const Const *built_in = r->a->s.zoo ? scope_own(r->a->s.zoo, name) : NULL;
  if (!built_in || !built_in->model) return NULL;
  *origin = zoo_origin(&r->a->s, name);
  return built_in->model;
}

static void add_model(Request *r, Callable *c, const Stmt *model) {
  for (const Arg *p = model->params; p; p = p->next) {
    const char *fallback = p->value ? front_text(&r->a->s, p->value->span) : NULL;
    vec_push(r->arena, &c->args, (CallArg){p->name, fallback, "", {0}, false});
  }
}

/* ---- what a name means ---- */

static const TrainRow *train_row(const TrainRows *rows, const char *name) {
  int kind = rows ? train_find(*rows, name) : -1;
  return kind >= 0 ? &rows->at[kind] : NULL;
}

Callable find_callable(Request *r, const Cursor *c, const char *name) {
  Callable found = {.name = name, .known = true};
  bool settings = c->block == BLOCK_TRAIN || c->block == BLOCK_PHASE;
  const TrainRow *row = settings ? train_row(setting_rows(word_text(r->arena, c->view, c->first)), name) : NULL;
  static const TrainRows *const families[] = {&optimizer_rows, &loss_rows, &schedule_rows, &augment_rows};
  for (size_t i = 0; settings && !row && i < LENGTH(families); i++) row = train_row(families[i], name);
  if (settings && streq(name, "early_stop")) row = &early_stop_row;
  if (row) return add_train(r, &found, row), found;
  const char *origin;
  const Stmt *model = find_model(r, name, &origin);
  if (model) {
    found.doc = origin;
    found.layer = true;
    return add_model(r, &found, model), found;
  }
  OpId layer = op_find(name, true), function = op_find(name, false);
  OpId op = c->block == BLOCK_FORWARD && function != OP_NONE ? function : layer != OP_NONE ? layer : function;
  if (op != OP_NONE) return add_op(r, &found, op_info(op)), found;
  if (streq(name, "Sequential")) {
    found.doc = "layers one after the other; each may have a name";
    found.layer = true;
    vec_push(r->arena, &found.args, (CallArg){"LAYER, …", NULL, "", {0}, false});
    return found;
  }
  found.known = false;
  return found;
}

const char *callable_text(Arena *arena, const Callable *callable, size_t *at, size_t *end) {
  const char *text = arena_printf(arena, "%s(", callable->name);
  for (size_t i = 0; i < callable->args.count; i++) {
    const CallArg *a = &callable->args.at[i];
    text = arena_printf(arena, "%s%s", text, i ? ", " : "");
    if (at) at[i] = strlen(text);
    text = arena_printf(arena, "%s%s%s%s", text, a->name, a->fallback ? "=" : "", a->fallback ? a->fallback : "");
    if (end) end[i] = strlen(text);
  }
  return arena_printf(arena, "%s)", text);
}
