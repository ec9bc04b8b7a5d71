/* The same tensor of the same file twice in the network, by stitching a donor on again or by two loads: where nothing
 * can change either, both are one tensor in memory and in the compiled network's weights. Where they are
 * trained they go ways of their own. Called behind the last edit. */
#include "compiler/weights/weights.h"
#include "compiler/edit/edit.h"
#include <stdlib.h>

static const Graph *sorted; /* for qsort */

/* The first donor that reads the same file. */
static int file_of(const Graph *g, int donor) {
  const DonorFile *file = &g->donors.at[donor];
  for (int i = 0; i < donor; i++)
    if (g->donors.at[i].path && donor_same_file(&g->donors.at[i], file)) return i;
  return donor;
}

/* Nothing but the tensor as it is in the file. */
static bool is_plain(const Graph *g, const Param *p) {
  return p->donor != NO_ID && p->donor_form == DONOR_AS_IS && !p->donor_region && p->adapt_from == 0 &&
         p->patches.count == 0 && module_at(g, p->module)->alive && p->shape.rank >= 0;
}

static bool is_fixed(const Graph *g, const Param *p) {
  return p->is_buffer ? module_at(g, p->module)->frozen : !p->trainable;
}

static int compare(const void *pa, const void *pb) {
  ParamId ia = *(const ParamId *)pa, ib = *(const ParamId *)pb;
  const Param *a = &sorted->params.at[ia], *b = &sorted->params.at[ib];
  int fa = file_of(sorted, a->donor), fb = file_of(sorted, b->donor);
  if (fa != fb) return fa < fb ? -1 : 1;
  int keys = strcmp(a->donor_key, b->donor_key);
  return keys ? keys : ia < ib ? -1 : ia > ib;
}

static bool same_tensor(const Graph *g, const Param *a, const Param *b) {
  return file_of(g, a->donor) == file_of(g, b->donor) && streq(a->donor_key, b->donor_key) &&
         shape_equal(&a->shape, &b->shape) && a->shape.dtype == b->shape.dtype;
}

typedef struct Twice { /* what one statement brought in again */
  Span span;
  size_t shared, apart;
  const char *name, *first;
} Twice;
typedef VEC(Twice) TwiceList;

static void note_pair(const Graph *g, Arena *scratch, TwiceList *list, const Param *first, const Param *again,
                      bool shared) {
  Span span = module_at(g, again->module)->origin, old = module_at(g, first->module)->origin;
  if (again->is_buffer || (span.source == old.source && span.begin == old.begin)) return;
  size_t i = 0;
  while (i < list->count && (list->at[i].span.source != span.source || list->at[i].span.begin != span.begin)) i++;
  if (i == list->count) vec_push(scratch, list, (Twice){.span = span, .name = again->name, .first = first->name});
  list->at[i].shared += shared;
  list->at[i].apart += !shared;
}

static void report(EditContext *e, const TwiceList *list) {
  for (size_t i = 0; i < list->count; i++) {
    const Twice *t = &list->at[i];
    if (t->shared > 0)
      diag_report(&e->s->diags, DIAG_N0204, t->span,
                  "%zu of these tensors are in the network already, as %s is %s: frozen, they share one copy",
                  t->shared, t->name, t->first);
    if (t->apart > 0)
      diag_report(&e->s->diags, DIAG_N0203, t->span,
                  "%zu of these tensors are in the network already, as %s is %s: not frozen, they are trained apart",
                  t->apart, t->name, t->first);
  }
}

void edit_share_weights(EditContext *e) {
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  ParamList state = graph_state_dict(g, scratch, true);
  VEC(ParamId) plain = {0};
  TwiceList list = {0};
  for (size_t i = 0; i < g->params.count; i++) param_at(g, i)->shares = NO_ID;
  for (size_t i = 0; i < state.count; i++)
    if (is_plain(g, param_at(g, state.at[i]))) vec_push(scratch, &plain, state.at[i]);
  sorted = g;
  if (plain.count > 1) qsort(plain.at, plain.count, sizeof *plain.at, compare);
  for (size_t i = 0; i < plain.count;) {
    const Param *first = param_at(g, plain.at[i]);
    ParamId fixed = is_fixed(g, first) ? plain.at[i] : NO_ID;
    size_t k = i + 1;
    for (; k < plain.count && same_tensor(g, first, param_at(g, plain.at[k])); k++) {
      Param *p = param_at(g, plain.at[k]);
      bool shared = is_fixed(g, p) && fixed != NO_ID;
      note_pair(g, scratch, &list, first, p, shared);
      if (shared) p->shares = fixed;
      else if (is_fixed(g, p)) fixed = plain.at[k];
    }
    i = k;
  }
  report(e, &list);
  arena_destroy(scratch);
}
