/* The messages of selectors: how they are said, what was looked for where nothing matches, and the nearest thing there
 * is. Called by selector*.c. */
#include "runtime/base/nearest.h"
#include "runtime/base/selector_parts.h"
#include <ctype.h>

typedef VEC(const char *) Names;

/* ---- how they are said ---- */

#define SAY(c, what, code, span, format)                                                                               \
  do {                                                                                                                 \
    va_list args;                                                                                                      \
    va_start(args, format);                                                                                            \
    (c)->host->say((c)->host, what, code, span, arena_vprintf((c)->arena, format, args));                              \
    va_end(args);                                                                                                      \
  } while (0)

void select_report(SelectContext *c, const char *code, Span span, const char *format, ...) {
  c->helps = 0;
  SAY(c, SELECT_REPORT, code, span, format);
}

void select_caret(SelectContext *c, const char *text) { c->host->say(c->host, SELECT_CARET, NULL, SPAN_NONE, text); }

void select_note(SelectContext *c, const char *format, ...) { SAY(c, SELECT_NOTE, NULL, SPAN_NONE, format); }

void select_help(SelectContext *c, const char *format, ...) {
  c->helps++;
  SAY(c, SELECT_HELP, NULL, SPAN_NONE, format);
}

void select_fix(SelectContext *c, Span span, const char *format, ...) { SAY(c, SELECT_FIX, NULL, span, format); }

void select_suggest(SelectContext *c, Span span, const char *near) {
  select_help(c, "did you mean '%s'?", near);
  select_fix(c, span, "%s", near);
}

/* ---- names ---- */

const char *select_written(Arena *arena, const char *name) {
  static const char *const words[] = {"all", "backbone", "head", "every"};
  bool plain = *name != '\0';
  for (const char *at = name; *at; at++) plain = plain && (isalnum((unsigned char)*at) || *at == '_' || *at == '.');
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) plain = plain && !streq(name, words[i]);
  if (plain) return name;
  char *text = arena_alloc(arena, 2 * strlen(name) + 3), *to = text;
  *to++ = '"';
  for (const char *at = name; *at; at++) {
    if (strchr("\"\\", *at)) *to++ = '\\';
    if (strchr("{}", *at)) *to++ = *at;
    *to++ = *at;
  }
  *to++ = '"', *to = '\0';
  return text;
}

/* "did you mean", with the name as it is written; of a template only the help. */
static void suggest_selector(SelectContext *c, const Selector *sel, const char *name) {
  const char *written = select_written(c->lasting, name);
  if (sel->is_template) select_help(c, "the nearest is '%s'", name);
  else if (written == name) select_suggest(c, sel->span, name);
  else {
    select_help(c, "did you mean %s?", written);
    select_fix(c, sel->span, "%s", written);
  }
}

/* Everything that has a name: layers, functions, parameters. */
static Names all_names(const SelectContext *c) {
  const SelectNet *net = c->net;
  Names names = {0};
  for (size_t i = 1; i < net->modules.count; i++)
    if (net->modules.at[i].alive) vec_push(c->arena, &names, net->modules.at[i].name);
  for (size_t i = 0; i < net->nodes.count; i++)
    if (net->nodes.at[i].alive && net->nodes.at[i].module == NO_ID) vec_push(c->arena, &names, net->nodes.at[i].name);
  for (size_t i = 0; i < net->params.count; i++)
    if (net->modules.at[net->params.at[i].module].alive) vec_push(c->arena, &names, net->params.at[i].name);
  return names;
}

/* "weight" of "fc.weight". */
static const char *local_param(const SelectNet *net, ParamId id) {
  const SelectParam *p = &net->params.at[id];
  size_t above = strlen(net->modules.at[p->module].name);
  return p->name + (above && p->name[above] == '.' ? above + 1 : 0);
}

/* `conv2` where only layer1.0.conv2 and its like exist. */
static const char *deeper_name(const SelectContext *c, const char *local, size_t *count) {
  const char *first = NULL;
  *count = 0;
  for (size_t i = 1; i < c->net->modules.count; i++) {
    const SelectModule *m = &c->net->modules.at[i];
    if (!m->alive || !streq(m->local, local)) continue;
    if (!first) first = m->name;
    ++*count;
  }
  return first;
}

/* `downsampel` where layer2.0.downsample and its like exist. */
static const char *near_local(const SelectContext *c, const char *wrong) {
  Names names = {0};
  if (strlen(wrong) > GLOB_MAX_LENGTH || strchr(wrong, '.')) return NULL;
  for (size_t i = 1; i < c->net->modules.count; i++)
    if (c->net->modules.at[i].alive) vec_push(c->arena, &names, c->net->modules.at[i].local);
  return nearest_name(wrong, names.at, names.count);
}

/* The innermost container of a dotted name that exists, and what it holds. */
static void help_children(SelectContext *c, const char *name) {
  char *prefix = arena_strdup(c->arena, name);
  ModuleId found = NO_ID;
  while (found == NO_ID) {
    char *dot = strrchr(prefix, '.');
    if (!dot) return;
    *dot = 0;
    found = select_find_module(c->net, prefix);
  }
  const SelectModule *m = &c->net->modules.at[found];
  const char *text = "";
  size_t shown = 0;
  for (size_t i = 0; i < m->children.count && shown < 12; i++) {
    const SelectModule *child = &c->net->modules.at[m->children.at[i]];
    if (child->alive) text = arena_printf(c->arena, "%s%s%s", text, shown++ ? ", " : "", child->local);
  }
  for (size_t i = 0; i < m->params.count && shown < 12; i++)
    text = arena_printf(c->arena, "%s%s%s", text, shown++ ? ", " : "", local_param(c->net, m->params.at[i]));
  if (shown > 0) select_help(c, "%s has %s", m->name, text);
}

/* `model.layer4`: names begin inside the network. */
static bool help_prefix(SelectContext *c, const Selector *sel) {
  static const char *const objects[] = {"model", "net", "network", "self", "module"};
  const char *dot = strchr(sel->text, '.');
  if (!dot || select_find_module(c->net, arena_strndup(c->arena, sel->text, (size_t)(dot - sel->text))) != NO_ID)
    return false;
  bool known = strncmp(sel->text, c->net->name, (size_t)(dot - sel->text)) == 0 && !c->net->name[dot - sel->text];
  for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
    known = known || (strncmp(objects[i], sel->text, (size_t)(dot - sel->text)) == 0 && !objects[i][dot - sel->text]);
  if (!known) return false;
  select_help(c, "names begin inside the network");
  suggest_selector(c, sel, dot + 1);
  return true;
}

/* `conv1.bias`, `layer1.0.conv3`: what the part in front of the last dot has. False where there is no such part. */
static bool help_inside(SelectContext *c, const Selector *sel) {
  const char *dot = strrchr(sel->text, '.');
  ModuleId found =
      dot ? select_find_module(c->net, arena_strndup(c->arena, sel->text, (size_t)(dot - sel->text))) : NO_ID;
  if (found == NO_ID) return false;
  const SelectModule *m = &c->net->modules.at[found];
  Names names = {0};
  for (size_t i = 0; i < m->children.count; i++)
    if (c->net->modules.at[m->children.at[i]].alive)
      vec_push(c->arena, &names, c->net->modules.at[m->children.at[i]].local);
  for (size_t i = 0; i < m->params.count; i++) vec_push(c->arena, &names, local_param(c->net, m->params.at[i]));
  const char *near = nearest_name(dot + 1, names.at, names.count);
  if (near) suggest_selector(c, sel, arena_printf(c->lasting, "%s.%s", m->name, near));
  else help_children(c, sel->text);
  return true;
}

/* A name that only stands deeper: all of them, or the one. */
static void help_deeper(SelectContext *c, const Selector *sel, const char *local, const char *first, size_t count) {
  if (count == 1) {
    suggest_selector(c, sel, first);
    return;
  }
  if (select_written(c->lasting, local) != local) { /* no pattern can be written of it */
    suggest_selector(c, sel, first);
    return;
  }
  if (sel->is_template) {
    select_help(c, "the nearest is '%s'; '**.%s' picks all %zu of that name", first, local, count);
    return;
  }
  select_help(c, "did you mean '%s'? '**.%s' picks all %zu of that name", first, local, count);
  select_fix(c, sel->span, "%s", select_written(c->lasting, first));
  select_fix(c, sel->span, "**.%s", local);
}

/* `fc`, `classifier`, `head`: what users of other networks call the last layer. */
static bool help_head(SelectContext *c, const Selector *sel) {
  static const char *const heads[] = {"fc",           "classifier", "head",        "heads", "linear",
                                      "out",          "fc1",        "fc2",         "fc3",   "classifier.1",
                                      "classifier.6", "last_layer", "output_layer"};
  const SelectNet *net = c->net;
  const char *last = NULL;
  bool known = false;
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) known = known || strcmp(heads[i], sel->text) == 0;
  for (size_t i = 0; known && i < net->order.count; i++) {
    const SelectNode *n = &net->nodes.at[net->order.at[i]];
    if (n->alive && n->module != NO_ID &&
        net->modules.at[n->module].params.count > 0) /* a head is the last that has weights */
      last = streq(net->modules.at[n->module].type, "Linear") ? net->modules.at[n->module].name : NULL;
  }
  if (!last) return false;
  select_help(c, "the head of this network is %s", last);
  select_fix(c, sel->span, "%s", last);
  return true;
}

static void help_nearest(SelectContext *c, const Selector *sel, const char *name) {
  if (strlen(name) > GLOB_MAX_LENGTH) return;
  bool written = sel->kind == SELECT_NAME && !sel->is_glob; /* else the selector is no name that can be replaced */
  if (written && (help_prefix(c, sel) || help_inside(c, sel) || help_head(c, sel))) return;
  Names names = all_names(c);
  const char *near = nearest_name(name, names.at, names.count);
  size_t count = 0;
  const char *local = near ? NULL : near_local(c, name);
  const char *deeper = strchr(name, '.') ? NULL : deeper_name(c, local ? local : name, &count);
  if (deeper && written) help_deeper(c, sel, local ? local : name, deeper, count);
  else if (near && written) suggest_selector(c, sel, near);
  else if (deeper || near) select_help(c, "there is %s", near ? near : deeper);
  else help_children(c, name);
}

/* freeze "layer4.*": between quotes stands a name. */
static bool help_quoted_pattern(SelectContext *c, const Selector *sel) {
  if (!sel->is_quoted || sel->is_template || !strpbrk(sel->text, "*?")) return false;
  for (const char *at = sel->text; *at; at++)
    if (!isalnum((unsigned char)*at) && !strchr("_.*?", *at)) return false;
  select_help(c, "a pattern stands without quotes: %s", sel->text);
  select_fix(c, sel->span, "%s", sel->text);
  return true;
}

/* `param part = "layer4"; freeze part` */
static bool help_constant(SelectContext *c, const Selector *sel) {
  const char *value = sel->is_quoted || sel->is_glob ? NULL : c->host->constant(c->host, sel->text);
  if (!value || select_find_module(c->net, value) == NO_ID) return false;
  select_help(c, "'%s' is a constant: its value is meant by {%s}", sel->text, sel->text);
  select_fix(c, sel->span, "{%s}", sel->text);
  return true;
}

bool select_unknown_name(SelectContext *c, const Selector *sel) {
  const char *name = sel->text;
  if (select_was_cut(c->net, name)) {
    select_report(c, "E0202", sel->span, "'%s' is not in the network: the take%s cut it off", name,
                  c->net->own_output ? " or an output" : "");
    select_help(c, "take a longer slice, or put a new layer in its place: replace %s with …", name);
    return false;
  }
  if (c->host->excused(c->host, name)) return false;
  select_report(c, "E0201", sel->span, "there is no layer or parameter '%s'", name);
  if (help_quoted_pattern(c, sel) || help_constant(c, sel)) return false;
  help_nearest(c, sel, name);
  return false;
}

/* A pattern without its special characters, to be compared with names. */
static const char *plain_text(SelectContext *c, const char *pattern) {
  char *text = arena_strdup(c->arena, pattern), *to = text;
  for (const char *p = pattern; *p; p++)
    if (isalnum((unsigned char)*p) || *p == '_' || *p == '.') *to++ = *p;
  *to = 0;
  while (*text == '.') text++;
  return text;
}

static void help_some_names(SelectContext *c) {
  Names names = all_names(c);
  const char *text = "";
  for (size_t i = 0; i < names.count && i < 6; i++)
    text = arena_printf(c->arena, "%s%s%s", text, i ? ", " : "", names.at[i]);
  if (*text) select_help(c, "the names are %s%s", text, names.count > 6 ? ", …" : "");
}

bool select_no_match(SelectContext *c, const Selector *sel, const char *what) {
  if (what) {
    select_report(c, "E0201", sel->span, "%s", what);
    return false;
  }
  if (c->host->excused(c->host, NULL)) return false;
  const char *quote = sel->kind == SELECT_REGEX ? "/" : "'";
  select_report(c, "E0201", sel->span, "no layer and no parameter matches %s%s%s", quote, sel->text, quote);
  const char *plain = plain_text(c, sel->text);
  size_t count = 0;
  if (strncmp(sel->text, "*.", 2) == 0 && deeper_name(c, plain, &count)) {
    select_help(c, "'*' is one component of a name; '**.%s' looks at every depth", plain);
    select_fix(c, sel->span, "**.%s", plain);
    return false;
  }
  if (*plain) help_nearest(c, sel, plain);
  if (c->helps == 0) help_some_names(c);
  return false;
}

bool select_no_type(SelectContext *c, const Selector *sel, bool inside) {
  if (c->host->excused(c->host, NULL)) return false;
  if (inside) {
    select_report(c, "E0203", sel->span, "there is no %s in what stands behind 'in'", sel->text);
    select_help(c, "without 'in', every %s picks those of the whole network", sel->text);
    return false;
  }
  select_report(c, "E0203", sel->span, "there is no %s in the network", sel->text);
  Names types = {0};
  for (size_t i = 1; i < c->net->modules.count; i++) {
    const SelectModule *m = &c->net->modules.at[i];
    bool known = !m->alive;
    for (size_t k = 0; k < types.count && !known; k++) known = streq(types.at[k], m->type);
    if (!known) vec_push(c->arena, &types, m->type);
  }
  const char *near = strlen(sel->text) <= GLOB_MAX_LENGTH ? nearest_name(sel->text, types.at, types.count) : NULL;
  if (near) select_suggest(c, sel->type_span, near);
  const char *list = "";
  for (size_t i = 0; i < types.count && i < 12; i++)
    list = arena_printf(c->arena, "%s%s%s", list, i ? ", " : "", types.at[i]);
  if (!near && *list) select_help(c, "the types in it are %s", list);
  return false;
}
