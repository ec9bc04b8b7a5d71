/* The messages of a selector that matches nothing: what was looked for, and the nearest thing there is.
 * Called by select*.c. */
#include "compiler/select/select.h"
#include "compiler/select/glob.h"
#include <ctype.h>

typedef VEC(const char *) Names;

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

/* "did you mean", with the name as it is written; of a template the help alone. */
static void suggest_selector(SelectContext *c, Diag *d, const Selector *sel, const char *name) {
  const char *written = select_written(c->s->arena, name);
  if (sel->is_template) diag_help(&c->s->diags, d, "the nearest is '%s'", name);
  else if (written == name) diag_suggest(&c->s->diags, d, sel->span, name);
  else {
    diag_help(&c->s->diags, d, "did you mean %s?", written);
    diag_fix(&c->s->diags, d, sel->span, "%s", written);
  }
}

/* Everything that has a name: layers, functions, parameters. */
static Names all_names(const SelectContext *c) {
  const Graph *g = c->g;
  Names names = {0};
  for (size_t i = 1; i < g->modules.count; i++)
    if (g->modules.at[i].alive) vec_push(c->arena, &names, g->modules.at[i].name);
  for (size_t i = 0; i < g->nodes.count; i++)
    if (g->nodes.at[i].alive && g->nodes.at[i].module == NO_ID) vec_push(c->arena, &names, g->nodes.at[i].name);
  for (size_t i = 0; i < g->params.count; i++)
    if (g->modules.at[g->params.at[i].module].alive) vec_push(c->arena, &names, g->params.at[i].name);
  return names;
}

/* `conv2` where only layer1.0.conv2 and its like exist. */
static const char *deeper_name(const SelectContext *c, const char *local, size_t *count) {
  const char *first = NULL;
  *count = 0;
  for (size_t i = 1; i < c->g->modules.count; i++) {
    const Module *m = &c->g->modules.at[i];
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
  for (size_t i = 1; i < c->g->modules.count; i++)
    if (c->g->modules.at[i].alive) vec_push(c->arena, &names, c->g->modules.at[i].local);
  return nearest_name(wrong, names.at, names.count);
}

/* The innermost container of a dotted name that exists, and what it holds. */
static void help_children(SelectContext *c, Diag *d, const char *name) {
  char *prefix = arena_strdup(c->arena, name);
  ModuleId found = NO_ID;
  while (found == NO_ID) {
    char *dot = strrchr(prefix, '.');
    if (!dot) return;
    *dot = 0;
    found = graph_find_module(c->g, prefix);
  }
  const Module *m = &c->g->modules.at[found];
  const char *text = "";
  size_t shown = 0;
  for (size_t i = 0; i < m->children.count && shown < 12; i++) {
    const Module *child = &c->g->modules.at[m->children.at[i]];
    if (child->alive) text = arena_printf(c->arena, "%s%s%s", text, shown++ ? ", " : "", child->local);
  }
  for (size_t i = 0; i < m->params.count && shown < 12; i++)
    text = arena_printf(c->arena, "%s%s%s", text, shown++ ? ", " : "", op_info(m->op)->params[i].name);
  if (shown > 0) diag_help(&c->s->diags, d, "%s has %s", m->name, text);
}

/* `model.layer4`: names begin inside the network. */
static bool help_prefix(SelectContext *c, Diag *d, const Selector *sel) {
  static const char *const objects[] = {"model", "net", "network", "self", "module"};
  const char *dot = strchr(sel->text, '.');
  if (!dot || graph_find_module(c->g, arena_strndup(c->arena, sel->text, (size_t)(dot - sel->text))) != NO_ID)
    return false;
  bool known = strncmp(sel->text, c->g->name, (size_t)(dot - sel->text)) == 0 && !c->g->name[dot - sel->text];
  for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
    known = known || (strncmp(objects[i], sel->text, (size_t)(dot - sel->text)) == 0 && !objects[i][dot - sel->text]);
  if (!known) return false;
  diag_help(&c->s->diags, d, "names begin inside the network");
  suggest_selector(c, d, sel, dot + 1);
  return true;
}

/* `conv1.bias`, `layer1.0.conv3`: what the part in front of the last dot has. False where there is no such part. */
static bool help_inside(SelectContext *c, Diag *d, const Selector *sel) {
  const char *dot = strrchr(sel->text, '.');
  ModuleId found = dot ? graph_find_module(c->g, arena_strndup(c->arena, sel->text, (size_t)(dot - sel->text))) : NO_ID;
  if (found == NO_ID) return false;
  const Module *m = &c->g->modules.at[found];
  Names names = {0};
  for (size_t i = 0; i < m->children.count; i++)
    if (c->g->modules.at[m->children.at[i]].alive)
      vec_push(c->arena, &names, c->g->modules.at[m->children.at[i]].local);
  for (size_t i = 0; i < m->params.count; i++)
    vec_push(c->arena, &names, op_info(m->op)->params[c->g->params.at[m->params.at[i]].role].name);
  const char *near = nearest_name(dot + 1, names.at, names.count);
  if (near) suggest_selector(c, d, sel, arena_printf(c->s->arena, "%s.%s", m->name, near));
  else help_children(c, d, sel->text);
  return true;
}

/* A name that only stands deeper: all of them, or the one. */
static void help_deeper(SelectContext *c, Diag *d, const Selector *sel, const char *local, const char *first,
                        size_t count) {
  Diags *diags = &c->s->diags;
  if (count == 1) {
    suggest_selector(c, d, sel, first);
    return;
  }
  if (select_written(c->s->arena, local) != local) { /* no pattern can be written of it */
    suggest_selector(c, d, sel, first);
    return;
  }
  if (sel->is_template) {
    diag_help(diags, d, "the nearest is '%s'; '**.%s' picks all %zu of that name", first, local, count);
    return;
  }
  diag_help(diags, d, "did you mean '%s'? '**.%s' picks all %zu of that name", first, local, count);
  diag_fix(diags, d, sel->span, "%s", select_written(c->s->arena, first));
  diag_fix(diags, d, sel->span, "**.%s", local);
}

/* `fc`, `classifier`, `head`: what users of other networks call the last layer. */
static bool help_head(SelectContext *c, Diag *d, const Selector *sel) {
  static const char *const heads[] = {"fc",           "classifier", "head",        "heads", "linear",
                                      "out",          "fc1",        "fc2",         "fc3",   "classifier.1",
                                      "classifier.6", "last_layer", "output_layer"};
  const Graph *g = c->g;
  const char *last = NULL;
  bool known = false;
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) known = known || strcmp(heads[i], sel->text) == 0;
  for (size_t i = 0; known && i < g->order.count; i++) {
    const Node *n = &g->nodes.at[g->order.at[i]];
    if (n->alive && n->module != NO_ID &&
        g->modules.at[n->module].params.count > 0) /* a head is the last that has weights */
      last = g->modules.at[n->module].op == OP_Linear ? g->modules.at[n->module].name : NULL;
  }
  if (!last) return false;
  diag_help(&c->s->diags, d, "the head of this network is %s", last);
  diag_fix(&c->s->diags, d, sel->span, "%s", last);
  return true;
}

static void help_nearest(SelectContext *c, Diag *d, const Selector *sel, const char *name) {
  if (strlen(name) > GLOB_MAX_LENGTH) return;
  bool written = sel->kind == SELECT_NAME && !sel->is_glob; /* else the selector is no name that can be replaced */
  if (written && (help_prefix(c, d, sel) || help_inside(c, d, sel) || help_head(c, d, sel))) return;
  Names names = all_names(c);
  const char *near = nearest_name(name, names.at, names.count);
  size_t count = 0;
  const char *local = near ? NULL : near_local(c, name);
  const char *deeper = strchr(name, '.') ? NULL : deeper_name(c, local ? local : name, &count);
  if (deeper && written) help_deeper(c, d, sel, local ? local : name, deeper, count);
  else if (near && written) suggest_selector(c, d, sel, near);
  else if (deeper || near) diag_help(&c->s->diags, d, "there is %s", near ? near : deeper);
  else help_children(c, d, name);
}

/* freeze "layer4.*": between quotes stands a name. */
static bool help_quoted_pattern(SelectContext *c, Diag *d, const Selector *sel) {
  if (!sel->is_quoted || sel->is_template || !strpbrk(sel->text, "*?")) return false;
  for (const char *at = sel->text; *at; at++)
    if (!isalnum((unsigned char)*at) && !strchr("_.*?", *at)) return false;
  diag_help(&c->s->diags, d, "a pattern stands without quotes: %s", sel->text);
  diag_fix(&c->s->diags, d, sel->span, "%s", sel->text);
  return true;
}

/* `param part = "layer4"; freeze part` */
static bool help_constant(SelectContext *c, Diag *d, const Selector *sel) {
  const Const *known = sel->is_quoted || sel->is_glob ? NULL : scope_get(c->scope, sel->text);
  if (!known || known->kind != CONST_TEXT || graph_find_module(c->g, known->text) == NO_ID) return false;
  diag_help(&c->s->diags, d, "'%s' is a constant: its value is meant by {%s}", sel->text, sel->text);
  diag_fix(&c->s->diags, d, sel->span, "{%s}", sel->text);
  return true;
}

bool select_was_cut(const Graph *g, const char *name) {
  for (size_t i = 1; i < g->modules.count; i++)
    if (!g->modules.at[i].alive && g->modules.at[i].cut && streq(g->modules.at[i].name, name)) return true;
  for (size_t i = 0; i < g->nodes.count; i++)
    if (!g->nodes.at[i].alive && g->nodes.at[i].cut && streq(g->nodes.at[i].name, name)) return true;
  return false;
}

bool select_unknown_name(SelectContext *c, const Selector *sel) {
  const char *name = sel->text;
  if (select_was_cut(c->g, name)) {
    Diag *d = diag_report(&c->s->diags, DIAG_E0202, sel->span, "'%s' is not in the network: the take%s cut it off",
                          name, streq(c->g->outputs.at[0].name, "output") ? "" : " or an output");
    diag_help(&c->s->diags, d, "take a longer slice, or put a new layer in its place: replace %s with …", name);
    return false;
  }
  if (diag_may_be_unmade(&c->s->diags, name)) return false; /* a statement that was wrong would have */
  if (diag_may_be_unread(&c->s->diags, name)) return false; /* a statement that could not be read may have made it */
  Diag *d = diag_report(&c->s->diags, DIAG_E0201, sel->span, "there is no layer or parameter '%s'", name);
  if (help_quoted_pattern(c, d, sel) || help_constant(c, d, sel)) return false;
  help_nearest(c, d, sel, name);
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

static void help_some_names(SelectContext *c, Diag *d) {
  Names names = all_names(c);
  const char *text = "";
  for (size_t i = 0; i < names.count && i < 6; i++)
    text = arena_printf(c->arena, "%s%s%s", text, i ? ", " : "", names.at[i]);
  if (*text) diag_help(&c->s->diags, d, "the names are %s%s", text, names.count > 6 ? ", …" : "");
}

bool select_no_match(SelectContext *c, const Selector *sel, const char *what) {
  if (what) {
    diag_report(&c->s->diags, DIAG_E0201, sel->span, "%s", what);
    return false;
  }
  if (c->s->diags.failed.count > 0) return false; /* what would have matched may not have been made */
  const char *quote = sel->kind == SELECT_REGEX ? "/" : "'";
  Diag *d = diag_report(&c->s->diags, DIAG_E0201, sel->span, "no layer and no parameter matches %s%s%s", quote,
                        sel->text, quote);
  const char *plain = plain_text(c, sel->text);
  size_t count = 0;
  if (strncmp(sel->text, "*.", 2) == 0 && deeper_name(c, plain, &count)) {
    diag_help(&c->s->diags, d, "'*' is one component of a name; '**.%s' looks at every depth", plain);
    diag_fix(&c->s->diags, d, sel->span, "**.%s", plain);
    return false;
  }
  size_t helps = d->help.count;
  if (*plain) help_nearest(c, d, sel, plain);
  if (d->help.count == helps) help_some_names(c, d);
  return false;
}

/* Of `every Conv in layer1` the type. */
static Span type_span(const SelectContext *c, const Selector *sel) {
  Span span = sel->span;
  if (span.source >= c->s->sources.files.count) return span;
  const char *text = c->s->sources.files.at[span.source].text;
  span.begin += (uint32_t)strlen("every");
  while (span.begin < span.end && (text[span.begin] == ' ' || text[span.begin] == '\t')) span.begin++;
  span.end = span.begin + (uint32_t)strlen(sel->text);
  return span;
}

bool select_no_type(SelectContext *c, const Selector *sel, bool inside) {
  if (c->s->diags.failed.count > 0) return false;
  if (inside) {
    Diag *d = diag_report(&c->s->diags, DIAG_E0203, sel->span, "there is no %s in what stands behind 'in'", sel->text);
    diag_help(&c->s->diags, d, "without 'in', every %s picks those of the whole network", sel->text);
    return false;
  }
  Diag *d = diag_report(&c->s->diags, DIAG_E0203, sel->span, "there is no %s in the network", sel->text);
  Names types = {0};
  for (size_t i = 1; i < c->g->modules.count; i++) {
    const Module *m = &c->g->modules.at[i];
    bool known = !m->alive;
    for (size_t k = 0; k < types.count && !known; k++) known = streq(types.at[k], m->type);
    if (!known) vec_push(c->arena, &types, m->type);
  }
  const char *near = strlen(sel->text) <= GLOB_MAX_LENGTH ? nearest_name(sel->text, types.at, types.count) : NULL;
  if (near) diag_suggest(&c->s->diags, d, type_span(c, sel), near);
  const char *list = "";
  for (size_t i = 0; i < types.count && i < 12; i++)
    list = arena_printf(c->arena, "%s%s%s", list, i ? ", " : "", types.at[i]);
  if (!near && *list) diag_help(&c->s->diags, d, "the types in it are %s", list);
  return false;
}
