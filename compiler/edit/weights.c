/* Binding the donor's parameters to the tensors of its weight file, strictly: all that is missing or has
 * another shape is listed in one message, and nothing is half bound. Reads headers only; weights_fill.c reads
 * values. Called by take.c. */
#include "compiler/edit/weights.h"

static const char *tensor_shape(Arena *arena, const surgery_tensor *t) {
  const char *text = "[";
  for (int i = 0; i < t->rank; i++)
    text = arena_printf(arena, "%s%s%lld", text, i ? ", " : "", (long long)t->shape[i]);
  return arena_printf(arena, "%s]", text);
}

static bool shape_fits(const Param *p, const surgery_tensor *t) {
  const Shape *shape = &p->shape;
  if (p->donor_form == DONOR_TRANSPOSED)
    return shape->rank == 2 && t->rank == 2 && shape->dim[0] == t->shape[1] && shape->dim[1] == t->shape[0];
  if (p->donor_form == DONOR_FLAT) return shape->rank == 1 && t->count == shape->dim[0];
  if (shape->rank == 0) return t->count == 1; /* a counter; old files hold it as [1] */
  if (shape->rank != t->rank) return false;
  for (int i = 0; i < t->rank; i++)
    if (shape->dim[i] != t->shape[i]) return false;
  return true;
}

/* Files from before PyTorch 0.4.1 lack it, and nothing but the average over all batches would need it. */
static bool may_be_missing(const Graph *g, const Param *p) {
  return streq(op_info(g->modules.at[p->module].op)->params[p->role].name, "num_batches_tracked");
}

typedef struct Mismatch {
  VEC(const char *) lines; /* one for each tensor that does not fit */
  size_t missing, shapes, matched;
} Mismatch;

static void compare_all(Session *s, const Graph *g, surgery_weights *file, const ParamList *params,
                        Mismatch *m) {
  for (size_t i = 0; i < params->count; i++) {
    const Param *p = &g->params.at[params->at[i]];
    const surgery_tensor *t = surgery_weights_find(file, p->donor_key ? p->donor_key : p->name);
    if (!t && may_be_missing(g, p)) continue;
    if (!t) {
      m->missing++;
      vec_push(s->arena, &m->lines,
               arena_printf(s->arena, "missing: %s %s", p->name, shape_text_plain(s->arena, &p->shape)));
    } else if (p->shape.rank >= 0 && !p->adapt_from && !shape_fits(p, t)) {
      m->shapes++;
      vec_push(s->arena, &m->lines,
               arena_printf(s->arena, "shape: %s is %s in the file, %s in the network", p->name,
                            tensor_shape(s->arena, t), shape_text_plain(s->arena, &p->shape)));
    } else {
      m->matched++;
    }
  }
}

static void report_mismatch(Session *s, const DonorFile *donor, surgery_weights *file, const Mismatch *m,
                            size_t wanted) {
  const char *missing =
      arena_printf(s->arena, "%zu tensor%s missing", m->missing, m->missing == 1 ? " is" : "s are");
  const char *shapes =
      arena_printf(s->arena, "%zu tensor%s another shape", m->shapes, m->shapes == 1 ? " has" : "s have");
  const char *what = !m->shapes    ? missing
                     : !m->missing ? shapes
                                   : arena_printf(s->arena, "%s, %s", missing, shapes);
  Diag *d = diag_report(&s->diags, DIAG_E0405, donor->span, "%s does not fit %s: %s", donor->path,
                        donor->model, what);
  for (size_t i = 0; i < m->lines.count && i < 20; i++) diag_note(&s->diags, d, "%s", m->lines.at[i]);
  if (m->lines.count > 20) diag_note(&s->diags, d, "and %zu more", m->lines.count - 20);
  size_t count = surgery_weights_count(file);
  diag_note(&s->diags, d, "%zu of the %zu tensors that are wanted fit; the file has %zu%s%s", m->matched,
            wanted, count, count ? ", the first is " : "", count ? surgery_weights_at(file, 0)->name : "");
  const char *guess = m->matched < wanted ? weights_guess_model(s, file) : NULL;
  if (guess && !streq(guess, donor->model))
    diag_help(&s->diags, d, "the file has the tensors of %s: take %s", guess, guess);
  else
    diag_help(&s->diags, d,
              "use the file that belongs to %s, or declare the network that the file belongs to",
              donor->model);
}

static void report_notes(Session *s, const Graph *g, surgery_weights *file, const DonorFile *donor,
                         const ParamList *params) {
  const char *note = surgery_weights_note(file), *more = note ? strchr(note, ';') : NULL;
  if (more) {
    while (*more == ';' || *more == ' ') more++;
    diag_report(&s->diags, DIAG_N0401, donor->span, "%s: %s", donor->path, more);
  }
  for (size_t i = 0; i < params->count; i++) {
    const surgery_tensor *t = surgery_weights_find(file, g->params.at[params->at[i]].name);
    if (!t || (t->dtype != SURGERY_F16 && t->dtype != SURGERY_BF16 && t->dtype != SURGERY_F64)) continue;
    diag_report(&s->diags, DIAG_N0403, donor->span, "%s holds %s, which is converted to f32", donor->path,
                surgery_dtype_name(t->dtype));
    return;
  }
}

/* An ONNX network comes with its weights; another file, or fresh values, take their place. */
static void forget_source(Graph *g) {
  weights_close(g);
  g->donors.count = 0;
  for (size_t i = 0; i < g->params.count; i++) {
    g->params.at[i].donor = NO_ID;
    g->params.at[i].donor_key = NULL;
    g->params.at[i].donor_form = DONOR_AS_IS;
  }
}

bool weights_bind(Session *s, Scope *scope, Graph *g, const Donor *donor) {
  if (donor->model->kind == EXPR_STRING) {
    if (!donor->from && !donor->from_random) return weights_check(s, g);
    forget_source(g);
  }
  const char *path, *model = weights_model_name(donor);
  Span span = donor->from && !donor->from_random ? donor->from_span : donor->model->span;
  if (!weights_find(s, scope, donor, model, &path)) return false;
  vec_push(g->arena, &g->donors, (DonorFile){.model = model, .path = path, .span = span});
  DonorFile *file = &g->donors.at[g->donors.count - 1];
  if (!path) return true;
  surgery_error err = {0};
  file->open = surgery_weights_open(path, &err);
  if (!file->open) {
    Diag *d = diag_report(&s->diags, DIAG_E0403, span, "the weights cannot be read: %s", err.message);
    diag_help(&s->diags, d,
              "get the file again, or save it with torch.save(model.state_dict(), FILE) or as safetensors");
    return false;
  }
  ParamList params = graph_state_dict(g, s->arena, true);
  Mismatch m = {0};
  compare_all(s, g, file->open, &params, &m);
  if (m.lines.count > 0) {
    report_mismatch(s, file, file->open, &m, params.count);
    return false;
  }
  report_notes(s, g, file->open, file, &params);
  for (size_t i = 0; i < params.count; i++) {
    Param *p = &g->params.at[params.at[i]];
    if (!surgery_weights_find(file->open, p->name)) continue; /* num_batches_tracked begins at 0 */
    p->donor = (int)g->donors.count - 1;
    p->donor_key = p->name;
  }
  return true;
}

bool weights_check(Session *s, Graph *g) {
  bool ok = true;
  for (size_t k = 0; k < g->donors.count; k++) {
    DonorFile *file = &g->donors.at[k];
    if (!file->path || !file->open) continue;
    ParamList all = graph_state_dict(g, s->arena, true), params = {0};
    Mismatch m = {0};
    for (size_t i = 0; i < all.count; i++)
      if (g->params.at[all.at[i]].donor == (int)k) vec_push(s->arena, &params, all.at[i]);
    compare_all(s, g, file->open, &params, &m);
    if (m.lines.count == 0) continue;
    report_mismatch(s, file, file->open, &m, params.count);
    ok = false;
  }
  return ok;
}

void weights_close(Graph *g) {
  for (size_t i = 0; i < g->donors.count; i++) {
    if (g->donors.at[i].open) surgery_weights_close(g->donors.at[i].open);
    g->donors.at[i].open = NULL;
  }
}
