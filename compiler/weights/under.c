/* What to write behind `under`, when a weight file has all that is wanted but with something before the
 * names, or in the middle, or in another of its sets of weights. Called after a mismatch, never otherwise. */
#include "compiler/weights/weights.h"

enum { PROBES = 6, MOST_CANDIDATES = 32, MOST_TOLD = 8 };

typedef struct Search {
  Session *s;
  Arena *scratch;
  const WantedList *wanted;
  size_t more_than;
  FoundList *found;
  surgery_weights *file;
  size_t set;
  bool under; /* something is written behind it already */
  VEC(const char *) tried;
} Search;

static bool ends_with_part(const char *name, const char *end) {
  size_t whole = strlen(name), tail = strlen(end);
  return whole > tail + 1 && name[whole - tail - 1] == '.' && streq(name + whole - tail, end);
}

static const char *in_set(const Search *q, const char *prefix) {
  const char *set = surgery_weights_set(q->file, q->set, NULL);
  if (q->set == 0) return prefix;
  return *prefix ? arena_printf(q->s->arena, "%s.%s", set, prefix) : arena_strdup(q->s->arena, set);
}

/* "with 'model.' before the names, as in model.conv1.weight" */
static const char *where_text(const Search *q, const char *rest, const char *inner, const char *example) {
  Arena *a = q->s->arena;
  const char *set = q->set ? arena_printf(a, "in its weights '%s'", surgery_weights_set(q->file, q->set, NULL)) : "";
  if (!*rest) return *set ? set : "as they are";
  const char *gap = *set ? ", " : "";
  if (inner) return arena_printf(a, "%s%swith '%s' in the place of '%s', as in %s", set, gap, rest, inner, example);
  return arena_printf(a, "%s%swith '%s.' before the names, as in %s", set, gap, rest, example);
}

/* How much of what is wanted is there with `rest` before the names, or in the place of `inner`. */
static void try_candidate(Search *q, const char *rest, const char *inner) {
  for (size_t i = 0; i < q->tried.count; i++)
    if (streq(q->tried.at[i], rest)) return;
  if (q->tried.count == MOST_CANDIDATES) return;
  vec_push(q->scratch, &q->tried, rest);
  DonorFile there = {.open = q->file, .rest = rest, .inner = inner};
  FoundUnder found = {0};
  const char *example = NULL;
  for (size_t i = 0; i < q->wanted->count; i++) {
    const WantedTensor *w = &q->wanted->at[i];
    const surgery_tensor *t = donor_find_named(q->scratch, &there, w->name);
    if (!t && w->optional) found.fit++;
    if (!t || (w->shape->rank >= 0 && !donor_has_shape(t, w->shape))) continue;
    found.fit++;
    if (!example && (!inner || strncmp(t->name, rest, strlen(rest)) == 0)) example = t->name;
  }
  if (found.fit <= q->more_than || !example) return;
  found.where = where_text(q, rest, inner, example);
  found.under = arena_strdup(q->s->arena, in_set(q, rest));
  found.inner = inner ? arena_strdup(q->s->arena, inner) : NULL;
  vec_push(q->s->arena, q->found, found);
}

/* What stands before the probe in the file's names. */
static void try_fronts(Search *q, const char *probe) {
  for (size_t k = 0; k < surgery_weights_count(q->file); k++) {
    const char *name = surgery_weights_at(q->file, k)->name;
    if (ends_with_part(name, probe))
      try_candidate(q, arena_strndup(q->scratch, name, strlen(name) - strlen(probe) - 1), NULL);
  }
}

/* The probe "features.0.weight" and the file's "features.module.0.weight": "features.module" in the place of
 * "features". */
static void try_middles(Search *q, const char *probe) {
  for (const char *dot = strchr(probe, '.'); dot; dot = strchr(dot + 1, '.')) {
    size_t length = (size_t)(dot - probe);
    for (size_t k = 0; k < surgery_weights_count(q->file); k++) {
      const char *name = surgery_weights_at(q->file, k)->name;
      if (strncmp(name, probe, length + 1) != 0 || !ends_with_part(name, dot + 1)) continue;
      size_t rest = strlen(name) - strlen(dot);
      if (rest > length + 1)
        try_candidate(q, arena_strndup(q->scratch, name, rest), arena_strndup(q->scratch, probe, length));
    }
  }
}

static void search_set(Search *q) {
  size_t count = q->wanted->count;
  q->tried.count = 0;
  if (q->set > 0 || q->under) try_candidate(q, "", NULL);
  for (int middle = 0; middle < 2; middle++)
    for (size_t i = 0; i < PROBES; i++) {
      const WantedTensor *w = &q->wanted->at[i * count / PROBES];
      if (w->optional) continue;
      if (middle) try_middles(q, w->name);
      else try_fronts(q, w->name);
    }
}

/* Those that give most come first; else they stay in the file's order. There are few. */
static void sort_by_fit(FoundList *found) {
  for (size_t i = 1; i < found->count; i++) {
    FoundUnder one = found->at[i];
    size_t k = i;
    for (; k > 0 && found->at[k - 1].fit < one.fit; k--) found->at[k] = found->at[k - 1];
    found->at[k] = one;
  }
}

void weights_find_under(Session *s, const DonorFile *donor, const WantedList *wanted, size_t fit, FoundList *found) {
  surgery_error err;
  if (!donor->open || wanted->count == 0) return;
  Search q = {
      .s = s, .scratch = arena_create(), .wanted = wanted, .more_than = fit, .found = found, .under = donor->under};
  size_t sets = surgery_weights_sets(donor->open);
  for (q.set = 0; q.set < sets; q.set++) { /* a file of its own for each: choosing closes the set before */
    const char *rest;
    q.file = surgery_weights_open(donor->path, &err);
    if (!q.file) break;
    if (q.set == 0 ||
        (surgery_weights_choose(q.file, surgery_weights_set(q.file, q.set, NULL), &rest, &err) == 0 && !*rest))
      search_set(&q);
    surgery_weights_close(q.file);
  }
  sort_by_fit(found);
  arena_destroy(q.scratch);
}

/* Can stand between quotes as it is. */
static bool is_plain_text(const char *text) {
  for (; *text; text++)
    if (*text == '"' || *text == '\\' || (unsigned char)*text < ' ') return false;
  return true;
}

static void fix_under(Session *s, Diag *d, const DonorFile *donor, const char *under) {
  const Span *at = &donor->span;
  if (!is_plain_text(under) || at->source >= s->sources.files.count) return;
  if (donor->under && !*under) /* it follows the file's name */
    diag_fix(&s->diags, d, (Span){at->source, at->end, donor->under_span.end}, "%s", "");
  else if (donor->under) diag_fix(&s->diags, d, donor->under_span, "\"%s\"", under);
  else if (s->sources.files.at[at->source].text[at->begin] == '"') /* the file's name, behind `from` */
    diag_fix(&s->diags, d, (Span){at->source, at->end, at->end}, " under \"%s\"", under);
}

/* Where a load names one layer, `under` stands in the place of its name. */
static const char *under_layer(Session *s, const FoundUnder *found, const char *layer) {
  return layer && !found->inner ? arena_printf(s->arena, "%s.%s", found->under, layer) : found->under;
}

bool weights_help_under(Session *s, Diag *d, const DonorFile *donor, const FoundList *found, size_t wanted,
                        const char *layer) {
  const FoundUnder *best = found->count ? &found->at[0] : NULL;
  if (!best || best->fit * 2 < wanted) return false;
  if (layer && best->inner && !streq(layer, best->inner)) return false; /* a part of the layer alone has another name */
  const char *under = under_layer(s, best, layer);
  bool all = best->fit == wanted;
  if (all) diag_note(&s->diags, d, "the file has all of them %s", best->where);
  else diag_note(&s->diags, d, "under \"%s\", %zu of the %zu would fit", under, best->fit, wanted);
  for (size_t i = 1; all && i < found->count && i < MOST_TOLD; i++)
    if (found->at[i].fit == wanted)
      diag_note(&s->diags, d, "it has others under \"%s\"", under_layer(s, &found->at[i], layer));
  if (!all) return false;
  if (*under) diag_help(&s->diags, d, "say where they are: under \"%s\"", under);
  else diag_help(&s->diags, d, "leave `under` out");
  fix_under(s, d, donor, under);
  return true;
}
