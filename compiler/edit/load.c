/* load SEL from FILE: other values for layers that are there. Strict: what was asked for must be in the file with
 * the same shape, all that does not fit is listed in one message, and then nothing is bound. Reads headers
 * only; weights/fill.c reads values. Called by compiler/script. */
#include "compiler/edit/load.h"

/* ---- what is asked for ---- */

const char *load_one_layer(Load *l) {
  EditContext *e = l->e;
  const Selector *sel = l->stmt->selector;
  bool plain = select_is_name(sel) || sel->kind == SELECT_CHILDREN || sel->kind == SELECT_STAGES;
  Picked picked;
  if (!plain || !select_look(e->s, e->graph, e->scope, sel, false, l->scratch, &picked)) return NULL;
  bool one = picked.units.count == 1 && !picked.tensors && picked.units.at[0].module > 0;
  return one ? module_at(e->graph, picked.units.at[0].module)->name : NULL;
}

/* The text of a name behind `=`: the file's own, which may be one of the language's words. */
static const char *file_name_of(const Selector *sel) {
  return select_is_name(sel) || sel->kind == SELECT_ALL ? sel->text : NULL;
}

static const char *moved_key(Arena *arena, const char *key, const char *old, const char *new) {
  size_t length = old ? strlen(old) : 0;
  if (old && strncmp(key, old, length) == 0 && key[length] == '.') key += length + 1;
  return *new ? arena_printf(arena, "%s.%s", new, key) : key;
}

/* `load A = B from F`: A is one tensor, or a part of one, or one layer. */
static bool name_source(Load *l) {
  EditContext *e = l->e;
  const Selector *b = l->stmt->source, *left = b;
  bool region = (b->kind == SELECT_REGION || b->kind == SELECT_STAGES) && b->left;
  if (region) left = b->left;
  const char *name = file_name_of(left);
  if (!name)
    return edit_wrong(e, DIAG_E0407, b->span, "'=' must be followed by one name in the file",
                      "as in: load head.weight = fc.weight[:10] from \"w.pth\"");
  if (l->stmt->under)
    return edit_wrong(e, DIAG_E0407, l->stmt->under_span, "`=` already says where the weights are in the file",
                      "leave `under` out, and write the whole name after '='");
  const char *layer = l->items.count == 1 && l->items.at[0].to ? NULL : load_one_layer(l);
  if (!layer && l->items.count != 1)
    return edit_wrong(e, DIAG_E0407, l->stmt->selector->span, "'=' needs one layer or one tensor on its left",
                      "write a statement for each; `under` gives a prefix for several");
  if (layer && region)
    return edit_wrong(e, DIAG_E0407, b->span, "a region is a part of one tensor",
                      "name the tensor on both sides, as in: load head.weight = fc.weight[:10] from \"w.pth\"");
  for (size_t i = 0; i < l->items.count; i++) {
    LoadItem *item = &l->items.at[i];
    item->key = layer ? moved_key(e->s->arena, param_at(e->graph, item->param)->name, layer, name) : name;
    item->index = region ? b->index : NULL;
    item->index_span = b->span;
  }
  return true;
}

static bool make_items(Load *l) {
  EditContext *e = l->e;
  TensorPicks picks = {0};
  if (!region_pick_tensors(e, l->stmt->selector, &picks)) return false;
  for (size_t i = 0; i < picks.count; i++)
    vec_push(l->scratch, &l->items,
             (LoadItem){.param = picks.at[i].param,
                        .to = picks.at[i].region,
                        .key = param_at(e->graph, picks.at[i].param)->name});
  return !l->stmt->source || name_source(l);
}

/* What is behind `under` stands in the place of one layer's name, or before all names. */
static void name_under(Load *l, const char *layer) {
  EditContext *e = l->e;
  const char **names = arena_array(l->scratch, const char *, l->items.count + 1);
  for (size_t i = 0; i < l->items.count; i++) names[i] = l->items.at[i].key;
  if (!layer) donor_place(e->s->arena, &l->file, names, l->items.count);
  for (size_t i = 0; i < l->items.count; i++)
    l->items.at[i].key =
        layer ? moved_key(e->s->arena, names[i], layer, l->file.rest) : donor_key(e->s->arena, &l->file, names[i]);
}

/* ---- the tensors in the file ---- */

/* What stands behind `=` lies in another set of the file's weights: "state_dict_ema.fc" is "fc" there. */
static void name_in_set(Load *l) {
  const char *name = file_name_of(l->stmt->source->left ? l->stmt->source->left : l->stmt->source);
  if (!name || !l->file.rest || streq(l->file.rest, name)) return;
  for (size_t i = 0; i < l->items.count; i++) {
    const char *inside = l->items.at[i].key + strlen(name);
    if (!*l->file.rest && *inside == '.') inside++;
    l->items.at[i].key = arena_printf(l->e->s->arena, "%s%s", l->file.rest, inside);
  }
}

static bool find_tensors(Load *l) {
  EditContext *e = l->e;
  const char *layer = l->stmt->under ? load_one_layer(l) : NULL;
  if (l->stmt->source) name_in_set(l);
  else if (l->file.rest) name_under(l, layer);
  for (size_t i = 0; i < l->items.count; i++) {
    LoadItem *item = &l->items.at[i];
    bool plain = !l->stmt->source && !(l->stmt->under && layer); /* no other name is asked for */
    const char *name = param_at(e->graph, item->param)->name;
    item->tensor = plain ? donor_find_named(e->s->arena, &l->file, name) : donor_find(&l->file, item->key);
    if (item->tensor && plain && !streq(item->tensor->name, item->key))
      item->key = arena_strdup(e->graph->arena, item->tensor->name);
    if (!item->tensor || !item->index) continue;
    Shape shape = donor_shape(item->tensor);
    Region *kept = arena_new(e->s->arena, Region);
    if (shape.rank < 0)
      return edit_wrong(e, DIAG_E0407, item->index_span, "the tensor has more dimensions than a region can have",
                        "load it as a whole");
    if (!region_read(e, item->index, item->index_span, item->key, &shape, kept)) return false;
    item->from = kept;
  }
  return true;
}

/* ---- binding ---- */

static void bind(Load *l) { /* with a file that is not there: all that was asked for is taken to be in it */
  Graph *g = l->e->graph;
  bool said = false, named[2] = {false}, plain = !l->stmt->source && !l->stmt->under;
  vec_push(g->arena, &g->donors, l->file);
  int donor = (int)g->donors.count - 1;
  for (size_t i = 0; i < l->items.count; i++) {
    const LoadItem *item = &l->items.at[i];
    if ((!item->tensor && !l->file.missing) || item->skip) continue;
    Param *p = param_at(g, item->param);
    donor_conversion_note(l->e->s, &l->file, item->tensor, &said);
    if (plain && item->tensor) donor_names_note(l->e->s, &l->file, p->name, item->tensor, named);
    if (item->to) {
      vec_push(g->arena, &p->patches,
               (WeightPatch){.donor = donor, .key = item->key, .from = item->from, .to = item->to});
      continue;
    }
    weights_forget(p);
    p->donor = donor;
    p->donor_key = item->key;
    p->donor_region = item->from;
  }
}

/* Finds the file, compares all of it with what is asked for, and binds. */
static void load_from_file(Load *l) {
  EditContext *e = l->e;
  const Stmt *stmt = l->stmt;
  SavedFile *saved;
  const char *path;
  WeightSearch search = weights_find_file(e->s, e->graph, stmt->file, stmt->file_span, &path, &saved);
  l->file = (DonorFile){.path = path,
                        .span = stmt->file_span,
                        .saved = saved,
                        .missing = search == WEIGHTS_MISSING,
                        .under = stmt->under,
                        .under_span = stmt->under_span};
  if (stmt->source && l->items.count)
    l->file.under = file_name_of(stmt->source->left ? stmt->source->left : stmt->source);
  if (search == WEIGHTS_MISSING) {
    bind(l);
    return;
  }
  if (search == WEIGHTS_FOUND && donor_open(e->s, &l->file) && find_tensors(l) && load_compare(l)) {
    donor_notes(e->s, &l->file);
    bind(l);
  } else if (l->file.open) {
    surgery_weights_close(l->file.open);
  }
}

bool edit_load(EditContext *e, const Stmt *stmt) {
  Load l = {.e = e, .stmt = stmt, .scratch = arena_create()};
  edit_shapes_now(e);
  bool ok = make_items(&l);
  ok = load_read_allows(&l) && ok;
  size_t errors = e->s->diags.errors;
  if (ok && !e->s->no_weights) load_from_file(&l);
  e->s->weight_errors += e->s->diags.errors - errors;
  arena_destroy(l.scratch);
  return ok;
}
