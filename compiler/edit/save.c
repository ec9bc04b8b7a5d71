/* save SEL to FILE at the top of a script: keeps what the file will hold, as records of the parameters as they are at
 * this statement. Writes nothing: the driver does, when the script is built, and a `load` of the same file
 * further down reads the records. Called by compiler/script. */
#include "compiler/edit/edit.h"
#include "compiler/weights/weights.h"
#include <inttypes.h>
#include <sys/stat.h>

enum { MAX_SAVES = 100 }; /* the files are written beside each other before any of them gets its name */

/* The record of a parameter whose value no later statement changes. Fresh numbers are keyed by the name that
 * the parameter has now, in the file and, whatever `rename` does, in the network. */
static Param freeze_value(Graph *g, ParamId id) {
  Param *p = param_at(g, id);
  if (p->donor == NO_ID && !p->stream) p->stream = p->name;
  Param value = *p;
  if (p->donor == NO_ID) {
    value.init = param_initializer(g, id);
    value.has_init = true;
  }
  return value;
}

static SavedTensor saved_tensor(EditContext *e, const TensorPick *pick) {
  const Param *p = param_at(e->graph, pick->param);
  Shape shape = pick->region ? region_shape(pick->region, p->shape.dtype) : p->shape;
  SavedTensor t = {.value = freeze_value(e->graph, pick->param), .region = pick->region};
  t.head = (surgery_tensor){.name = p->name,
                            .dtype = p->shape.dtype == DTYPE_I64 ? SURGERY_I64 : SURGERY_F32,
                            .rank = shape.rank,
                            .count = shape_count(&shape)};
  for (int i = 0; i < shape.rank; i++) t.head.shape[i] = shape.dim[i];
  return t;
}

bool save_snapshot(EditContext *e, ParamId id, Span span) {
  Graph *g = e->graph;
  edit_shapes_now(e);
  if (param_at(g, id)->shape.rank < 0) return region_unknown_shape(e, span, param_at(g, id)->name);
  SavedFile *file = arena_new(g->arena, SavedFile);
  file->span = span;
  vec_push(g->arena, &file->tensors, saved_tensor(e, &(TensorPick){id, NULL}));
  vec_push(g->arena, &g->donors, (DonorFile){.path = "the values so far", .span = span, .saved = file});
  Param *p = param_at(g, id);
  weights_forget(p);
  p->donor = (int)g->donors.count - 1;
  p->donor_key = p->name;
  return true;
}

static bool check_target(EditContext *e, const Stmt *stmt, const char *real) {
  const Graph *g = e->graph;
  if (!surgery_weights_can_write(stmt->file))
    return edit_wrong(e, DIAG_E0409, stmt->file_span, "the file's suffix is not that of a format that can be written",
                      "end its name with .safetensors, .npz or .pth");
  for (size_t i = 0; i < g->saves.count; i++) {
    if (!streq(g->saves.at[i]->real, real)) continue;
    Diag *d = diag_report(&e->s->diags, DIAG_E0409, stmt->file_span, "%s is saved twice", stmt->file);
    diag_label(&e->s->diags, d, g->saves.at[i]->span, "the first");
    diag_help(&e->s->diags, d, "give the second another name, or save both selections in one statement");
    return false;
  }
  if (g->saves.count < MAX_SAVES) return true;
  return edit_wrong(e, DIAG_E0409, stmt->span, "a script saves at most 100 files", "save several layers in one file");
}

static bool check_picks(EditContext *e, const Stmt *stmt, const TensorPicks *picks) {
  const Graph *g = e->graph;
  for (size_t i = 0; i < picks->count; i++) {
    const Param *p = param_at(g, picks->at[i].param);
    if (p->shape.rank < 0) return region_unknown_shape(e, stmt->selector->span, p->name);
    for (size_t k = 0; k < i; k++)
      if (picks->at[k].param == picks->at[i].param)
        return edit_wrong(e, DIAG_E0409, stmt->selector->span,
                          arena_printf(e->s->arena, "two parts of %s would have the same name in the file", p->name),
                          "save them to two files, or a region that holds both");
  }
  return true;
}

bool edit_save(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph;
  TensorPicks picks = {0};
  const char *real = absolute_path(e->s->arena, stmt->file);
  edit_shapes_now(e);
  bool ok = check_target(e, stmt, real);
  ok = region_pick_tensors(e, stmt->selector, &picks) && ok;
  if (!ok || !check_picks(e, stmt, &picks)) return false;
  SavedFile *file = arena_new(g->arena, SavedFile);
  *file = (SavedFile){.path = stmt->file, .real = real, .span = stmt->file_span};
  int64_t bytes = 0;
  for (size_t i = 0; i < picks.count; i++) {
    vec_push(g->arena, &file->tensors, saved_tensor(e, &picks.at[i]));
    const surgery_tensor *head = &file->tensors.at[i].head;
    bytes += head->count * (int64_t)surgery_dtype_size(head->dtype);
  }
  vec_push(g->arena, &g->saves, file);
  diag_report(&e->s->diags, DIAG_N0405, stmt->span, "a build writes %zu tensor%s, %" PRId64 " bytes of values, to %s",
              picks.count, picks.count == 1 ? "" : "s", bytes, stmt->file);
  return true;
}

static bool same_file(const char *a, const char *b) {
  struct stat sa, sb;
  return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

bool weights_check_saves(Session *s, const Graph *g) {
  bool ok = true;
  for (size_t i = 0; i < g->saves.count; i++) {
    const SavedFile *file = g->saves.at[i];
    for (size_t k = 0; k < s->dependencies.count; k++) {
      if (!same_file(file->real, s->dependencies.at[k])) continue;
      Diag *d = diag_report(&s->diags, DIAG_E0408, file->span, "save would write over %s, which was read",
                            s->dependencies.at[k]);
      diag_help(&s->diags, d, "save to another name; the next build could not read this file again");
      ok = false;
      break;
    }
  }
  return ok;
}
