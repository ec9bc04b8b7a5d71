/* Holding what a load asks for against the file: missing, unexpected, shapes, dtypes, less what `allow` excuses. All of
 * it goes into one message. Changes nothing. Called by load.c. */
#include "compiler/edit/load.h"

enum { MAX_LINES = 40 };

/* ---- allow ---- */

static const char *const kinds[] = {"missing", "unexpected", "shape", "dtype"};

bool load_read_allows(Load *l) {
  EditContext *e = l->e;
  bool ok = true;
  for (const Allow *a = l->stmt->allow; a; a = a->next) {
    LoadAllow allow = {.stmt = a};
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) known |= streq(kinds[i], a->what);
    if (!known) {
      const char *near = nearest_name(a->what, kinds, sizeof kinds / sizeof *kinds);
      Diag *d = diag_report(&e->s->diags, DIAG_E0407, a->what_span, "nothing of the kind '%s' can be allowed", a->what);
      if (near) diag_suggest(&e->s->diags, d, a->what_span, near);
      else diag_help(&e->s->diags, d, "allow knows missing, unexpected, shape and dtype");
      ok = false;
      continue;
    }
    if (!streq(a->what, "unexpected")) {
      Picked picked;
      if (!select_units(e->s, e->graph, e->scope, a->selector, false, l->scratch, &picked)) {
        ok = false;
        continue;
      }
      allow.param = picked.param;
    }
    vec_push(l->scratch, &l->allows, allow);
  }
  return ok;
}

static bool allowed(Load *l, const char *what, ParamId param) {
  bool found = false;
  for (size_t i = 0; i < l->allows.count; i++) {
    LoadAllow *a = &l->allows.at[i];
    if (!streq(a->stmt->what, what) || !a->param[param]) continue;
    a->excused = found = true;
  }
  return found;
}

/* ---- names in the file, for `allow unexpected` ---- */

static bool name_picks(const char *name, const char *key) {
  size_t length = strlen(name);
  return strncmp(key, name, length) == 0 && (key[length] == 0 || key[length] == '.');
}

/* A glob of a layer's name picks all below it. */
static bool glob_picks(Load *l, Pattern *glob, const char *key) {
  const char *reason;
  for (size_t i = 1; key[i - 1]; i++)
    if ((key[i] == 0 || key[i] == '.') && pattern_match(glob, arena_strndup(l->scratch, key, i), &reason) == MATCH_YES)
      return true;
  return false;
}

static bool pattern_picks(Load *l, const Selector *sel, const char *key, bool *ok) {
  bool regex = sel->kind == SELECT_REGEX;
  const char *reason = NULL;
  Pattern *pattern = pattern_compile(regex ? PATTERN_REGEX : PATTERN_GLOB, sel->text, &reason);
  bool picks = pattern && (regex ? pattern_match(pattern, key, &reason) == MATCH_YES : glob_picks(l, pattern, key));
  pattern_free(pattern);
  if (!reason) return picks;
  diag_report(&l->e->s->diags, regex ? DIAG_E0207 : DIAG_E0206, sel->span, "the %s: %s",
              regex ? "regular expression cannot be used" : "glob cannot be read", reason);
  return *ok = false;
}

static bool picks_key(Load *l, const Selector *sel, const char *key, bool *ok) {
  switch (sel->kind) {
  case SELECT_ALL: return true;
  case SELECT_NAME: return sel->is_glob ? pattern_picks(l, sel, key, ok) : name_picks(sel->text, key);
  case SELECT_HEAD: return name_picks("head", key);
  case SELECT_BACKBONE: return name_picks("backbone", key);
  case SELECT_REGEX: return pattern_picks(l, sel, key, ok);
  case SELECT_UNION: /* at most AST_MAX_DEPTH deep, as all trees */
    return picks_key(l, sel->left, key, ok) || (*ok && picks_key(l, sel->right, key, ok));
  case SELECT_EXCEPT: return picks_key(l, sel->left, key, ok) && *ok && !picks_key(l, sel->right, key, ok);
  default:
    *ok = false;
    Diag *d = diag_report(&l->e->s->diags, DIAG_E0407, sel->span,
                          "allow unexpected picks names in the file, not layers of the network");
    diag_help(&l->e->s->diags, d, "write a name, a glob or a regular expression, as in /num_batches_tracked$/");
    return false;
  }
}

/* ---- comparing ---- */

typedef struct Mismatches {
  VEC(const char *) lines;
  size_t missing, unexpected, shapes, dtypes;
} Mismatches;

static bool item_fits(const Param *p, const LoadItem *item) {
  const surgery_tensor *t = item->tensor;
  Shape got = item->from ? region_shape(item->from, DTYPE_F32) : donor_shape(t);
  if (item->to) {
    Shape part = region_shape(item->to, DTYPE_F32);
    return shape_equal(&got, &part);
  }
  if (p->shape.rank < 0) return true; /* known behind the last edit: weights_check */
  if (!item->from) return donor_has_shape(t, &p->shape);
  return p->shape.rank == 0 ? shape_count(&got) == 1 : shape_equal(&got, &p->shape);
}

static void compare_item(Load *l, LoadItem *item, Mismatches *m) {
  EditContext *e = l->e;
  Arena *arena = e->s->arena;
  const Param *p = param_at(e->graph, item->param);
  const char *name = region_text(arena, p->name, item->to);
  const char *as = streq(item->key, p->name) && !item->from
                       ? ""
                       : arena_printf(arena, " (%s in the file)", region_text(arena, item->key, item->from));
  Shape part = item->to ? region_shape(item->to, p->shape.dtype) : p->shape;
  const char *wanted = shape_text_plain(arena, &part);
  if (!item->tensor) {
    if (donor_may_lack(e->graph, p) || allowed(l, "missing", item->param)) return;
    m->missing++;
    vec_push(arena, &m->lines, arena_printf(arena, "missing: %s%s %s", name, as, wanted));
    return;
  }
  Shape got = item->from ? region_shape(item->from, DTYPE_F32) : (Shape){0};
  const char *found = item->from ? shape_text_plain(arena, &got) : donor_shape_text(arena, item->tensor);
  if (!item_fits(p, item)) {
    if (allowed(l, "shape", item->param)) {
      item->skip = true;
      return;
    }
    m->shapes++;
    vec_push(arena, &m->lines,
             arena_printf(arena, "shape: %s%s is %s in the file, %s in the network", name, as, found, wanted));
    return;
  }
  if (!donor_wrong_dtype(p, item->tensor) || allowed(l, "dtype", item->param)) return;
  m->dtypes++;
  vec_push(arena, &m->lines,
           arena_printf(arena, "dtype: %s%s is %s in the file, %s in the network", name, as,
                        surgery_dtype_name(item->tensor->dtype), dtype_name(p->shape.dtype)));
}

/* Tensors of the file that `load all` has no place for. False when an `allow` cannot be read. */
static bool find_unexpected(Load *l, Mismatches *m) {
  Arena *arena = l->e->s->arena;
  const char *under = l->file.rest && !l->file.inner ? l->file.rest : "";
  size_t prefix = strlen(under);
  bool ok = true;
  for (size_t i = 0; i < donor_count(&l->file) && ok; i++) {
    const surgery_tensor *t = donor_at(&l->file, i);
    bool wanted = prefix && !(strncmp(t->name, under, prefix) == 0 && t->name[prefix] == '.');
    for (size_t k = 0; k < l->items.count && !wanted; k++) wanted = l->items.at[k].tensor == t;
    for (size_t k = 0; k < l->allows.count && !wanted && ok; k++) {
      LoadAllow *a = &l->allows.at[k];
      if (a->param || !picks_key(l, a->stmt->selector, t->name, &ok)) continue;
      a->excused = wanted = true;
    }
    if (wanted || !ok || donor_ignores(t->name)) continue;
    m->unexpected++;
    vec_push(arena, &m->lines, arena_printf(arena, "unexpected: %s %s", t->name, donor_shape_text(arena, t)));
  }
  return ok;
}

/* ---- the message ---- */

static const char *summary(Arena *arena, const Mismatches *m) {
  const struct {
    size_t count;
    const char *what;
  } parts[] = {{m->missing, "missing"},
               {m->unexpected, "unexpected"},
               {m->shapes, "of another shape"},
               {m->dtypes, "of another dtype"}};
  const char *text = "";
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (parts[i].count)
      text = arena_printf(arena, "%s%s%zu %s", text, *text ? ", " : "", parts[i].count, parts[i].what);
  return text;
}

/* Is what is wanted there under another prefix, or in another set of the file's weights? */
static bool help_under(Load *l, Diag *d, size_t fit) {
  WantedList wanted = {0};
  FoundList found = {0};
  for (size_t i = 0; i < l->items.count; i++) {
    const Param *p = param_at(l->e->graph, l->items.at[i].param);
    vec_push(l->scratch, &wanted, (WantedTensor){p->name, &p->shape, donor_may_lack(l->e->graph, p)});
  }
  weights_find_under(l->e->s, &l->file, &wanted, fit, &found);
  return weights_help_under(l->e->s, d, &l->file, &found, wanted.count, load_one_layer(l));
}

/* Does the file have the first that is missing under the network's own name? */
static bool there_without_under(Load *l) {
  for (size_t i = 0; i < l->items.count; i++)
    if (!l->items.at[i].tensor) return donor_find(&l->file, param_at(l->e->graph, l->items.at[i].param)->name) != NULL;
  return false;
}

static void help_missing(Load *l, Diag *d) {
  Diags *diags = &l->e->s->diags;
  Arena *scratch = l->scratch;
  if (l->stmt->under && there_without_under(l)) {
    diag_help(diags, d, "leave `under` out: the file has these names as they are");
    return;
  }
  VEC(const char *) names = {0};
  for (size_t i = 0; i < donor_count(&l->file); i++) vec_push(scratch, &names, donor_at(&l->file, i)->name);
  for (size_t i = 0; i < l->items.count; i++) {
    if (l->items.at[i].tensor) continue;
    const char *near = nearest_name(l->items.at[i].key, names.at, names.count);
    const Selector *source = l->stmt->source;
    if (near) { /* where the file's name is written out, the right one can be put there */
      if (source && select_is_name(source) && !source->is_template && streq(source->text, l->items.at[i].key))
        diag_suggest(diags, d, source->span, select_written(l->e->s->arena, near));
      else diag_help(diags, d, "the nearest in the file is '%s'", near);
      return;
    }
    break;
  }
  diag_help(diags, d, "correct the selector or the file, or let them keep their values: allow missing SEL");
}

static bool report(Load *l, const Mismatches *m) {
  Diags *diags = &l->e->s->diags;
  Diag *d =
      diag_report(diags, DIAG_E0406, l->stmt->file_span, "%s does not fit: %s", l->file.path, summary(l->scratch, m));
  size_t fit = 0, count = donor_count(&l->file);
  for (size_t i = 0; i < l->items.count; i++) fit += l->items.at[i].tensor != NULL;
  if (m->missing && !l->stmt->source && !(l->stmt->under && there_without_under(l)) && help_under(l, d, fit))
    return false;
  for (size_t i = 0; i < m->lines.count && i < MAX_LINES; i++) diag_note(diags, d, "%s", m->lines.at[i]);
  if (m->lines.count > MAX_LINES) diag_note(diags, d, "and %zu more", m->lines.count - MAX_LINES);
  if (m->missing)
    diag_note(diags, d, "%zu of the %zu tensors that are needed are there; the file has %zu%s%s", fit, l->items.count,
              count, count ? ", the first is " : "", count ? donor_at(&l->file, 0)->name : "");
  if (m->missing) help_missing(l, d);
  if (m->unexpected)
    diag_help(diags, d,
              "to leave tensors of the file out: allow unexpected SEL; several in brackets, as in "
              "allow unexpected (queue, head.*)");
  if (m->shapes)
    diag_help(diags, d, "load a region, as in fc.weight[:10], or let them keep their values: allow shape SEL");
  if (m->dtypes) diag_help(diags, d, "to have them converted: allow dtype SEL");
  return false;
}

bool load_compare(Load *l) {
  Mismatches m = {0};
  for (size_t i = 0; i < l->items.count; i++) compare_item(l, &l->items.at[i], &m);
  bool all = l->stmt->selector->kind == SELECT_ALL && !l->stmt->source;
  if (all && !find_unexpected(l, &m)) return false;
  if (m.lines.count > 0) return report(l, &m);
  for (size_t i = 0; i < l->allows.count; i++) {
    const LoadAllow *a = &l->allows.at[i];
    if (a->excused) continue;
    Diag *d = diag_report(&l->e->s->diags, DIAG_W0204, a->stmt->selector->span, "this allow excuses nothing");
    if (!a->param && !all)
      diag_help(&l->e->s->diags, d, "only `load all` asks for all of the file: other loads ignore the rest");
    else diag_help(&l->e->s->diags, d, "leave it out, so that a file in which something is really missing is noticed");
  }
  return true;
}
