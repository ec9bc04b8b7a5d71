/* The messages of a selector that matches nothing: what was looked for, and the nearest thing there is.
 * Called by select*.c. */
#include "compiler/graph/select.h"
#include "compiler/graph/glob.h"
#include <ctype.h>

typedef VEC(const char *) Names;

/* Everything that has a name: layers, functions, parameters. */
static Names all_names(const SelectContext *c) {
  const Graph *g = c->g;
  Names names = {0};
  for (size_t i = 1; i < g->modules.count; i++)
    if (g->modules.at[i].alive) vec_push(c->arena, &names, g->modules.at[i].name);
  for (size_t i = 0; i < g->nodes.count; i++)
    if (g->nodes.at[i].alive && g->nodes.at[i].module == NO_ID)
      vec_push(c->arena, &names, g->nodes.at[i].name);
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
  return suggest_name(wrong, names.at, names.count);
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

static void help_nearest(SelectContext *c, Diag *d, const char *name) {
  Names names = all_names(c);
  const char *near = strlen(name) <= GLOB_MAX_LENGTH ? suggest_name(name, names.at, names.count) : NULL;
  size_t count = 0;
  const char *local = near ? NULL : near_local(c, name);
  const char *deeper = strchr(name, '.') ? NULL : deeper_name(c, local ? local : name, &count);
  if (deeper && count == 1)
    diag_help(&c->s->diags, d, "did you mean '%s'?", deeper);
  else if (deeper)
    diag_help(&c->s->diags, d, "did you mean '%s'? '**.%s' picks all %zu of that name", deeper,
              local ? local : name, count);
  else if (near)
    diag_help(&c->s->diags, d, "did you mean '%s'?", near);
  else
    help_children(c, d, name);
}

static bool is_cut(const Graph *g, const char *name) {
  for (size_t i = 1; i < g->modules.count; i++)
    if (!g->modules.at[i].alive && g->modules.at[i].cut && streq(g->modules.at[i].name, name)) return true;
  for (size_t i = 0; i < g->nodes.count; i++)
    if (!g->nodes.at[i].alive && g->nodes.at[i].cut && streq(g->nodes.at[i].name, name)) return true;
  return false;
}

bool select_unknown_name(SelectContext *c, const Selector *sel) {
  const char *name = sel->text;
  if (is_cut(c->g, name)) {
    Diag *d = diag_report(&c->s->diags, DIAG_E0202, sel->span,
                          "'%s' is not in the network: the take%s cut it off", name,
                          streq(c->g->outputs.at[0].name, "output") ? "" : " or an output");
    diag_help(&c->s->diags, d, "take a longer slice, or put a new layer in its place: replace %s with …",
              name);
    return false;
  }
  Diag *d = diag_report(&c->s->diags, DIAG_E0201, sel->span, "there is no layer or parameter '%s'", name);
  help_nearest(c, d, name);
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

bool select_no_match(SelectContext *c, const Selector *sel, const char *what) {
  if (what) {
    diag_report(&c->s->diags, DIAG_E0201, sel->span, "%s", what);
    return false;
  }
  const char *quote = sel->kind == SELECT_REGEX ? "/" : "'";
  Diag *d = diag_report(&c->s->diags, DIAG_E0201, sel->span, "no layer and no parameter matches %s%s%s",
                        quote, sel->text, quote);
  const char *plain = plain_text(c, sel->text);
  if (*plain) help_nearest(c, d, plain);
  if (sel->is_glob && strchr(sel->text, '*') && !strstr(sel->text, "**"))
    diag_help(&c->s->diags, d, "'*' stays within one component; '**.%s' looks at every depth", plain);
  return false;
}

bool select_no_type(SelectContext *c, const Selector *sel, bool inside) {
  if (inside) {
    Diag *d = diag_report(&c->s->diags, DIAG_E0203, sel->span, "there is no %s in what stands behind 'in'",
                          sel->text);
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
  const char *near =
      strlen(sel->text) <= GLOB_MAX_LENGTH ? suggest_name(sel->text, types.at, types.count) : NULL;
  if (near) diag_help(&c->s->diags, d, "did you mean '%s'?", near);
  const char *list = "";
  for (size_t i = 0; i < types.count && i < 12; i++)
    list = arena_printf(c->arena, "%s%s%s", list, i ? ", " : "", types.at[i]);
  if (!near && *list) diag_help(&c->s->diags, d, "the types in it are %s", list);
  return false;
}
