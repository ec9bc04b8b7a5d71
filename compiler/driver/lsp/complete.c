/* Completion: what may stand at the cursor, from the network as it is before this statement, the tables, the script's
 * own names and the disk. Judges by the words in front of the cursor, which may be the beginning of anything. */
#include "compiler/driver/lsp/complete.h"
#include <strings.h>

void add_item(Completion *c, ItemKind kind, const char *label, const char *detail, const char *insert,
              const char *snippet) {
  enum { MOST = 1000 };
  const char *text = insert ? insert : label;
  if (strncasecmp(text, c->typed, strlen(c->typed)) != 0 && strncasecmp(label, c->typed, strlen(c->typed)) != 0) return;
  if (json_array_size(c->items) >= MOST) {
    c->cut = true;
    return;
  }
  MapEntry *entry = map_add_text(c->r->arena, &c->seen, arena_strdup(c->r->arena, label));
  if (entry->value >= 0) return;
  entry->value = 1;
  Span span = {c->r->source, c->begin, c->r->offset};
  bool filled = snippet && c->r->server->snippets;
  json_t *edit =
      json_pack("{s:o, s:o}", "range", request_range(c->r, span), "newText", json_clean(filled ? snippet : text));
  json_t *item = json_pack("{s:o, s:i, s:o, s:i}", "label", json_clean(label), "kind", kind, "textEdit", edit,
                           "insertTextFormat", filled ? 2 : 1);
  if (detail && *detail) json_object_set_new(item, "detail", json_clean(detail));
  json_array_append_new(c->items, item);
}

/* ---- names of the tables ---- */

static void add_keywords(Completion *c, const StmtKind *kinds, size_t count) {
  for (size_t i = 0; i < count; i++)
    add_item(c, ITEM_KEYWORD, keywords[kinds[i]].word, keywords[kinds[i]].doc, NULL, NULL);
}
#define KEYWORDS(c, ...)                                                                                               \
  add_keywords((c), (const StmtKind[]){__VA_ARGS__}, sizeof((const StmtKind[]){__VA_ARGS__}) / sizeof(StmtKind))

static void add_words(Completion *c, const char *const *words) {
  for (; *words; words++) add_item(c, ITEM_KEYWORD, *words, NULL, NULL, NULL);
}
#define WORDS(c, ...) add_words((c), (const char *const[]){__VA_ARGS__, NULL})

/* "Linear(${1:_}, ${2:out_features})": the arguments that must be given. */
static const char *call_snippet(Arena *arena, const Callable *call) {
  const char *text = arena_printf(arena, "%s(", call->name);
  int place = 0;
  for (size_t i = 0; i < call->args.count; i++) {
    const CallArg *a = &call->args.at[i];
    if (a->fallback || strchr(a->name, '[')) continue;
    place++;
    text = arena_printf(arena, "%s%s${%d:%s}", text, place > 1 ? ", " : "", place, a->hole ? "_" : a->name);
  }
  return arena_printf(arena, place ? "%s)" : "%s$1)", text);
}

static void add_callable(Completion *c, ItemKind kind, const char *name) {
  Callable call = find_callable(c->r, &c->cursor, name);
  if (!call.known) return;
  const char *detail = callable_text(c->r->arena, &call, NULL, NULL);
  bool bare = call.args.count == 0;
  add_item(c, kind, name, detail, bare ? arena_printf(c->r->arena, "%s()", name) : NULL,
           bare ? NULL : call_snippet(c->r->arena, &call));
}

static void add_layer_types(Completion *c) {
  NameList names = {0};
  op_names(c->r->arena, true, &names);
  if (c->r->a->script.constants) scope_kind_names(c->r->arena, c->r->a->script.constants, CONST_MODEL, &names);
  for (const Stmt *s = c->r->view->tree; s; s = s->next)
    if (s->kind == STMT_MODEL) vec_push(c->r->arena, &names, s->name);
  for (size_t i = 0; i < names.count; i++) add_callable(c, ITEM_CLASS, names.at[i]);
}

static void add_functions(Completion *c) {
  NameList names = {0};
  op_names(c->r->arena, false, &names);
  for (size_t i = 0; i < names.count; i++) add_callable(c, ITEM_FUNCTION, names.at[i]);
}

static void add_rows(Completion *c, const TrainRows *rows) {
  for (int i = 0; i < rows->count; i++)
    if (rows->at[i].name) add_callable(c, ITEM_CLASS, rows->at[i].name);
}

static void add_networks(Completion *c) {
  size_t count;
  const char *const *names = zoo_models(&c->r->a->s, &count);
  for (size_t i = 0; i < count; i++) add_item(c, ITEM_CLASS, names[i], zoo_origin(&c->r->a->s, names[i]), NULL, NULL);
  for (const Stmt *s = c->r->view->tree; s; s = s->next)
    if (s->kind == STMT_MODEL) add_item(c, ITEM_CLASS, s->name, "declared in this file", NULL, NULL);
  if (!c->r->a->script.constants) return;
  NameList models = {0};
  scope_kind_names(c->r->arena, c->r->a->script.constants, CONST_MODEL, &models);
  for (size_t i = 0; i < models.count; i++)
    if (!scope_own(c->r->a->s.zoo, models.at[i])) add_item(c, ITEM_CLASS, models.at[i], NULL, NULL, NULL);
}

/* ---- the script's own names ---- */

static const Stmt *innermost(const Stmt *first, uint32_t offset, StmtKind kind) {
  const Stmt *found = NULL;
  for (const Stmt *s = first; s; s = s->next) {
    if (s->span.begin > offset || offset > s->span.end) continue;
    if (s->kind == kind) found = s;
    const Stmt *inner = innermost(s->body, offset, kind);
    if (!inner) inner = innermost(s->other, offset, kind);
    if (inner) found = inner;
  }
  return found;
}

static void add_args(Completion *c, const Arg *args, const char *detail) {
  for (const Arg *a = args; a; a = a->next)
    if (a->name) add_item(c, ITEM_VARIABLE, a->name, detail, NULL, NULL);
}

static void add_assigned(Completion *c, const Stmt *first, const char *detail) {
  for (const Stmt *s = first; s; s = s->next) {
    if ((s->kind == STMT_ASSIGN || s->kind == STMT_LET) && s->name)
      add_item(c, ITEM_VARIABLE, s->name, detail, NULL, NULL);
    if (s->kind != STMT_FORWARD && s->kind != STMT_MODEL)
      add_assigned(c, s->body, detail), add_assigned(c, s->other, detail);
  }
}

static void add_constants(Completion *c) {
  const SourceView *view = c->r->view;
  const Scope *constants = c->r->a->script.constants;
  for (const Stmt *s = view->tree; s; s = s->next)
    if (s->kind == STMT_LET || s->kind == STMT_PARAM) {
      const Const *value = constants ? scope_get(constants, s->name) : NULL;
      add_item(c, ITEM_VARIABLE, s->name, value ? const_text(c->r->arena, value) : NULL, NULL, NULL);
    }
  const Stmt *model = innermost(view->tree, c->r->offset, STMT_MODEL);
  if (model) add_args(c, model->params, arena_printf(c->r->arena, "argument of %s", model->name));
  const Stmt *loop = innermost(view->tree, c->r->offset, STMT_FOR);
  if (loop) add_args(c, loop->params, "of the loop");
  if (constants) {
    NameList all = {0};
    for (ConstKind k = CONST_INT; k <= CONST_LIST; k++) scope_kind_names(c->r->arena, constants, k, &all);
    for (size_t i = 0; i < all.count; i++) add_item(c, ITEM_VARIABLE, all.at[i], NULL, NULL, NULL);
  }
}

static void add_forward_names(Completion *c) {
  const Stmt *model = innermost(c->r->view->tree, c->r->offset, STMT_MODEL);
  const Stmt *forward = innermost(c->r->view->tree, c->r->offset, STMT_FORWARD);
  if (forward) add_args(c, forward->params, "value"), add_assigned(c, forward->body, "value");
  if (model) add_assigned(c, model->body, "layer");
  add_functions(c);
  add_constants(c);
}

/* ---- layers ---- */

static void add_layers(Completion *c) {
  Analysis *a;
  const Moment *m = request_moment(c->r, view_statement_begin(&c->cursor), &a);
  size_t typed = strlen(c->typed);
  bool cut = c->cursor.stmt == STMT_REPLACE; /* it may put back what the take cut off */
  for (size_t i = 0; m && m->layers && i < m->layers->count; i++) {
    const LayerName *l = &m->layers->at[i];
    if ((l->cut && !cut) || strncmp(l->name, c->typed, typed) != 0) continue;
    const char *dot = strchr(l->name + typed, '.'); /* one component further; a container has a name of its own */
    if (dot) continue;
    const char *detail = l->type;
    if (a->script.graph)
      detail = l->function ? node_text(a->script.graph, c->r->arena, l->id)
                           : module_text(a->script.graph, c->r->arena, l->id);
    if (l->cut) detail = arena_printf(c->r->arena, "%s, cut off", detail);
    const char *written = select_written(c->r->arena, l->name);
    add_item(c, ITEM_MODULE, l->name, detail, *written == '"' && *c->typed == '\0' ? written : NULL, NULL);
  }
  const Graph *g = a->script.graph;
  const char *dot = strrchr(c->typed, '.');
  ModuleId module =
      g && dot ? graph_find_module(g, arena_strndup(c->r->arena, c->typed, (size_t)(dot - c->typed))) : NO_ID;
  for (size_t i = 0; module != NO_ID && i < module_at(g, module)->params.count; i++) {
    const Param *p = param_at(g, module_at(g, module)->params.at[i]);
    add_item(c, ITEM_FIELD, p->name, p->shape.rank < 0 ? NULL : shape_text_plain(c->r->arena, &p->shape), NULL, NULL);
  }
  if (typed == 0 || !strchr(c->typed, '.')) WORDS(c, "all", "every", "backbone", "head");
}

static void add_types_there(Completion *c) {
  Analysis *a;
  const Moment *m = request_moment(c->r, view_statement_begin(&c->cursor), &a);
  for (size_t i = 0; m && m->layers && i < m->layers->count; i++)
    if (!m->layers->at[i].cut) add_item(c, ITEM_CLASS, m->layers->at[i].type, NULL, NULL, NULL);
}

/* ---- by what is in front of the cursor ---- */

static void complete_start(Completion *c) {
  switch (c->cursor.block) {
  case BLOCK_TRAIN:
  case BLOCK_PHASE:
    for (int i = 0; i < SETTING_KINDS; i++)
      if (train_settings[i].scope != SCOPE_PHASE || c->cursor.block == BLOCK_PHASE)
        add_item(c, ITEM_PROPERTY, train_settings[i].arg.name, train_settings[i].doc, NULL, NULL);
    KEYWORDS(c, STMT_GROUP, STMT_PHASE, STMT_FREEZE, STMT_UNFREEZE, STMT_SAVE, STMT_LET, STMT_FOR, STMT_IF);
    return;
  case BLOCK_INPUT:
    for (int i = 0; i < PREPROCESS_STEPS; i++)
      add_item(c, ITEM_PROPERTY, preprocess_steps[i].name, preprocess_steps[i].doc, NULL, NULL);
    return;
  case BLOCK_MODEL:
    KEYWORDS(c, STMT_FORWARD, STMT_LET, STMT_FOR, STMT_IF, STMT_STAGES, STMT_INPUT);
    add_layer_types(c);
    return;
  case BLOCK_FORWARD:
    KEYWORDS(c, STMT_RETURN, STMT_LET, STMT_FOR, STMT_IF);
    add_forward_names(c);
    return;
  default: break;
  }
  for (int i = 0; i < STMT_KINDS; i++)
    if (keywords[i].word && i != STMT_GROUP && i != STMT_PHASE && i != STMT_FORWARD && i != STMT_RETURN &&
        i != STMT_STAGES)
      add_item(c, ITEM_KEYWORD, keywords[i].word, keywords[i].doc, NULL, NULL);
}

static void complete_call(Completion *c) {
  const char *name = word_text(c->r->arena, c->r->view, c->cursor.call - 1);
  Callable call = find_callable(c->r, &c->cursor, name);
  const char *named = word_text(c->r->arena, c->r->view, c->cursor.named);
  bool sequential = streq(name, "Sequential");
  for (size_t i = 0; i < call.args.count && c->cursor.named < 0 && !sequential; i++) {
    const CallArg *a = &call.args.at[i];
    const char *detail = a->fallback ? arena_printf(c->r->arena, "%s, default %s", a->type, a->fallback) : a->type;
    add_item(c, ITEM_PROPERTY, arena_printf(c->r->arena, "%s=", a->name), detail, NULL, NULL);
  }
  for (size_t i = 0; i < call.args.count; i++) {
    const CallArg *a = &call.args.at[i];
    bool here = c->cursor.named >= 0 ? streq(a->name, named) : (int)i == c->cursor.argument;
    for (int k = 0; here && k < 4 && a->words[k]; k++)
      add_item(c, ITEM_VALUE, arena_printf(c->r->arena, "\"%s\"", a->words[k]), NULL, NULL, NULL);
    if (here && streq(a->type, "true or false")) WORDS(c, "true", "false");
    if (here && a->hole) add_item(c, ITEM_VALUE, "_", "inferred from what flows in", NULL, NULL);
  }
  if (sequential || !call.known) add_layer_types(c);
  if (c->cursor.block == BLOCK_FORWARD) add_forward_names(c);
  else add_constants(c);
}

/* What may follow a selector. */
static void complete_joining(Completion *c) {
  switch (c->cursor.stmt) {
  case STMT_REPLACE:
  case STMT_INIT: WORDS(c, "with", "except"); return;
  case STMT_RENAME:
  case STMT_SAVE: WORDS(c, "to", "except"); return;
  case STMT_ADAPT: WORDS(c, "to channels"); return;
  case STMT_LOAD: WORDS(c, "from", "under", "allow", "except"); return;
  case STMT_TAKE: WORDS(c, "from", "under"); return;
  case STMT_INSERT: WORDS(c, "before", "after"); return;
  case STMT_APPEND:
  case STMT_PREPEND: WORDS(c, "from"); return;
  case STMT_GROUP:
    for (const TrainArg *a = group_row.args(); a->name; a++)
      add_item(c, ITEM_PROPERTY, arena_printf(c->r->arena, "%s=", a->name), "of the group", NULL, NULL);
    WORDS(c, "except");
    return;
  default: WORDS(c, "except", "in"); return;
  }
}

static bool before_is(const Completion *c, const char *word) { return word_is(c->r->view, c->cursor.before, word); }

static bool ends_selector(ScriptWordKind kind) {
  return kind == WORD_LAYER || kind == WORD_CONSTANT || kind == WORD_REGEX || kind == WORD_TYPE || kind == WORD_STRING;
}

static void complete_selector(Completion *c) {
  ScriptWordKind before = c->r->view->words.at[c->cursor.before].kind;
  if (before_is(c, "every")) add_types_there(c);
  else if (before_is(c, "allow")) WORDS(c, "missing", "unexpected", "shape", "dtype");
  else if (ends_selector(before) || before_is(c, "]")) complete_joining(c);
  else if (c->cursor.stmt == STMT_LOAD && before_is(c, "=")) complete_keys(c, false);
  else {
    add_layers(c);
    if (c->cursor.before == c->cursor.first && (c->cursor.stmt == STMT_FREEZE || c->cursor.stmt == STMT_UNFREEZE))
      WORDS(c, "parameters of");
  }
}

static void complete_setting(Completion *c) {
  const char *setting = word_text(c->r->arena, c->r->view, c->cursor.first);
  const TrainRows *rows = setting_rows(setting);
  if (rows) add_rows(c, rows);
  else if (streq(setting, "normalize")) WORDS(c, "imagenet");
  else add_constants(c);
}

static void complete_words(Completion *c) {
  bool settings = c->cursor.block == BLOCK_TRAIN || c->cursor.block == BLOCK_PHASE || c->cursor.block == BLOCK_INPUT;
  StmtKind stmt = c->cursor.stmt;
  bool directly = c->cursor.before == c->cursor.first;
  if (c->cursor.call > 0) complete_call(c);
  else if (stmt == STMT_KINDS && settings) complete_setting(c);
  else if (before_is(c, "from")) WORDS(c, "random");
  else if (before_is(c, "with") && stmt == STMT_INIT)
    for (size_t i = 0; init_name(i); i++)
      add_item(c, ITEM_FUNCTION, init_name(i), "torch.nn.init", arena_printf(c->r->arena, "%s()", init_name(i)), NULL);
  else if (before_is(c, "with") ||
           (before_is(c, "=") && (stmt == STMT_INSERT || stmt == STMT_APPEND || stmt == STMT_PREPEND)))
    add_layer_types(c);
  else if (stmt == STMT_TAKE && directly) add_networks(c);
  else if ((stmt == STMT_APPEND || stmt == STMT_PREPEND) && directly) add_layer_types(c), add_networks(c);
  else if (stmt == STMT_INPUT && directly) WORDS(c, "image", "tensor", "tokens");
  else if (before_is(c, "before") || before_is(c, "after")) add_layers(c);
  else if (stmt != STMT_KINDS && keywords[stmt].flags & STMT_SELECTS) complete_selector(c);
  else if (c->cursor.block == BLOCK_FORWARD) add_forward_names(c);
  else if (c->cursor.block == BLOCK_MODEL && before_is(c, "=")) add_layer_types(c), add_constants(c);
  else if (stmt == STMT_LET || stmt == STMT_PARAM || stmt == STMT_FOR || stmt == STMT_IF) add_constants(c);
  else complete_joining(c);
}

static bool in_string(const Completion *c) {
  if (c->cursor.word < 0) return false;
  const ScriptWord *w = &c->r->view->words.at[c->cursor.word];
  const char *text = c->r->view->text.at;
  if (w->kind != WORD_STRING || c->r->offset <= w->span.begin || text[w->span.begin] != '"') return false;
  bool closed = w->span.end - w->span.begin >= 2 && text[w->span.end - 1] == '"';
  return !closed || c->r->offset < w->span.end;
}

static void complete_string(Completion *c) {
  static const char *const scripts[] = {".surgery", NULL};
  static const char *const weights[] = {".pth",  ".pt",         ".bin", ".safetensors", ".npz", ".onnx",
                                        ".gguf", ".index.json", NULL};
  if (before_is(c, "include")) complete_files(c, scripts);
  else if (before_is(c, "from") || before_is(c, "take") || before_is(c, "to")) complete_files(c, weights);
  else if (before_is(c, "under")) complete_keys(c, true);
  else if (c->cursor.call > 0) {
    c->begin--; /* with the quotes */
    c->typed = arena_printf(c->r->arena, "\"%s", c->typed);
    complete_call(c);
  }
}

static bool path_byte(char ch) {
  return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '.';
}

json_t *answer_completion(Request *r) {
  Completion c = {.r = r, .cursor = cursor_at(r->view, r->offset), .begin = r->offset, .items = json_array()};
  const char *text = r->view->text.at;
  bool string = in_string(&c);
  if (string) c.begin = r->view->words.at[c.cursor.word].span.begin + 1;
  else
    while (c.begin > 0 && path_byte(text[c.begin - 1])) c.begin--;
  c.typed = arena_strndup(r->arena, text + c.begin, r->offset - c.begin);
  if (!string && c.begin < r->offset) { /* the words as they are without the one that is written */
    bool comment = c.cursor.in_comment;
    c.cursor = cursor_at(r->view, c.begin);
    c.cursor.in_comment = comment;
  }
  if (c.cursor.in_comment) return c.items;
  if (string) complete_string(&c);
  else if (c.cursor.first < 0) complete_start(&c);
  else complete_words(&c);
  return json_pack("{s:b, s:o}", "isIncomplete", c.cut || strchr(c.typed, '.') != NULL, "items", c.items);
}
