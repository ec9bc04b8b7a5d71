/* Selectors by pattern: globs, regular expressions, `every TYPE`. A pattern is tried on the dotted names of
 * layers and of the functions in the data flow; when none of these fits, on the keys of the parameters, so
 * that
 * `**.bias` and /^fc\./ pick tensors. Called by select.c. */
#include "compiler/select/select.h"
#include "compiler/select/glob.h"
#include <regex.h>
#include <stdlib.h>

#define REGEX_MAX_LENGTH 512
#define REGEX_MAX_REPEAT 1000

typedef bool NameTest(void *pattern, const char *name);

/* Inside a layer that fits already? Then it is no unit of its own. */
static bool under_match(const Graph *g, const bool *fits, ModuleId module) {
  for (ModuleId m = module; m != NO_ID; m = g->modules.at[m].parent)
    if (fits[m]) return true;
  return false;
}

static bool pick_layers(SelectContext *c, NameTest *test, void *pattern, Picked *into) {
  const Graph *g = c->g;
  bool *fits = arena_array(c->arena, bool, g->modules.count + 1), any = false;
  for (size_t i = 1; i < g->modules.count; i++)
    fits[i] = g->modules.at[i].alive && test(pattern, g->modules.at[i].name);
  for (size_t i = 1; i < g->modules.count; i++) {
    if (!fits[i]) continue;
    any = true;
    if (!under_match(g, fits, g->modules.at[i].parent)) picked_add_module(g, into, (ModuleId)i);
  }
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    ModuleId home = node_home(g, id);
    if (!g->nodes.at[id].alive || (home != NO_ID && under_match(g, fits, home))) continue;
    if (!test(pattern, g->nodes.at[id].name)) continue;
    any = true;
    picked_add_node(g, into, id);
  }
  return any;
}

static bool pick_tensors(SelectContext *c, NameTest *test, void *pattern, Picked *into) {
  const Graph *g = c->g;
  bool any = false;
  for (size_t i = 0; i < g->params.count; i++) {
    if (!g->modules.at[g->params.at[i].module].alive || !test(pattern, g->params.at[i].name)) continue;
    picked_add_param(g, into, (ParamId)i);
    any = true;
  }
  return any;
}

static bool test_glob(void *pattern, const char *name) { return glob_match(pattern, name); }

bool select_glob(SelectContext *c, const Selector *sel, Picked *into) {
  const char *reason = NULL;
  Glob *glob = glob_compile(c->arena, sel->text, &reason);
  if (!glob) {
    Diag *d = diag_report(&c->s->diags, DIAG_E0206, sel->span, "the glob cannot be read: %s", reason);
    diag_help(&c->s->diags, d, "'*' and '?' stay within one component, '**' is any number, {a,b} is either");
    return false;
  }
  if (pick_layers(c, test_glob, glob, into) || pick_tensors(c, test_glob, glob, into)) return true;
  return select_no_match(c, sel, NULL);
}

/* What the system's library may be given: no back-references (exponential), no repeats whose product is large
 * (memory). NULL when it is safe. */
const char *select_regex_danger(const char *text) {
  if (strlen(text) > REGEX_MAX_LENGTH) return "it is longer than 512 characters";
  int64_t product = 1;
  for (const char *p = text; *p; p++) {
    if (*p == '\\' && p[1] >= '1' && p[1] <= '9') return "back-references are not supported";
    if (*p == '\\' && p[1]) {
      p++;
    } else if (*p == '{') {
      char *end;
      long low = strtol(p + 1, &end, 10), high = *end == ',' ? strtol(end + 1, &end, 10) : low;
      long most = high > low ? high : low;
      if (most > REGEX_MAX_REPEAT) return "it repeats more than 1000 times";
      if (most > 1) product *= most;
      if (product > REGEX_MAX_REPEAT) return "its repeats multiply to more than 1000";
    }
  }
  return NULL;
}

static bool test_regex(void *pattern, const char *name) { return regexec(pattern, name, 0, NULL, 0) == 0; }

static bool bad_regex(SelectContext *c, const Selector *sel, const char *reason) {
  Diag *d = diag_report(&c->s->diags, DIAG_E0207, sel->span, "the regular expression cannot be used: %s", reason);
  diag_help(&c->s->diags, d, "it is a POSIX extended one, searched for in the dotted name; \\. is a dot");
  return false;
}

bool select_regex(SelectContext *c, const Selector *sel, Picked *into) {
  const char *danger = select_regex_danger(sel->text);
  if (danger) return bad_regex(c, sel, danger);
  regex_t regex;
  int status = regcomp(&regex, sel->text, REG_EXTENDED | REG_NOSUB);
  if (status != 0) {
    char reason[128];
    regerror(status, &regex, reason, sizeof reason);
    return bad_regex(c, sel, reason);
  }
  bool any = pick_layers(c, test_regex, &regex, into) || pick_tensors(c, test_regex, &regex, into);
  regfree(&regex);
  return any || select_no_match(c, sel, NULL);
}

/* ---- every TYPE [in SEL] ---- */

bool select_every(SelectContext *c, const Selector *sel, Picked *into) {
  const Graph *g = c->g;
  Picked area;
  if (sel->right) {
    area = picked_create(g, c->arena);
    if (!select_pick(c, sel->right, &area)) return false;
  }
  bool any = false, outside = false;
  for (size_t i = 1; i < g->modules.count; i++) {
    if (!g->modules.at[i].alive || !streq(g->modules.at[i].type, sel->text)) continue;
    bool inside = !sel->right || area.module[i];
    outside |= !inside;
    any |= inside;
    if (inside) picked_add_module(g, into, (ModuleId)i);
  }
  for (size_t i = 0; i < g->order.count; i++) { /* functions: every add */
    NodeId id = g->order.at[i];
    const Node *n = &g->nodes.at[id];
    if (!n->alive || n->module != NO_ID || !streq(op_info(n->op)->name, sel->text)) continue;
    bool inside = !sel->right || area.node[id];
    outside |= !inside;
    any |= inside;
    if (inside) picked_add_node(g, into, id);
  }
  return any || select_no_type(c, sel, outside);
}
