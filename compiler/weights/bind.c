/* Binding the donor's parameters to the tensors of its weight file, strictly: all that is missing or has
 * another shape is listed in one message, and nothing is half bound. Reads headers only; weights/fill.c reads
 * values. Called by take.c. */
#include "compiler/weights/weights.h"

static bool shape_fits(const Param *p, const surgery_tensor *t) {
  const Shape *shape = &p->shape;
  if (p->donor_region) {
    Shape file = donor_shape(t), part = region_shape(p->donor_region, shape->dtype);
    return region_within(p->donor_region, &file) && shape_equal(shape, &part);
  }
  if (p->donor_form == DONOR_TRANSPOSED)
    return shape->rank == 2 && t->rank == 2 && shape->dim[0] == t->shape[1] && shape->dim[1] == t->shape[0];
  if (p->donor_form == DONOR_FLAT) return shape->rank == 1 && t->count == shape->dim[0];
  return donor_has_shape(t, shape);
}

typedef struct Mismatch {
  VEC(const char *) lines; /* one for each tensor that does not fit */
  size_t missing, shapes, dtypes, matched;
  const Module *layer; /* whose tensors have another shape; NULL where there are several */
} Mismatch;

static void compare_all(Session *s, const Graph *g, DonorFile *donor, const ParamList *params, Mismatch *m) {
  for (size_t i = 0; i < params->count; i++) {
    const Param *p = param_at(g, params->at[i]);
    const surgery_tensor *t =
        p->donor_key ? donor_find(donor, p->donor_key) : donor_find_named(s->arena, donor, p->name);
    if (!t && donor_may_lack(g, p)) continue;
    if (!t) {
      m->missing++;
      vec_push(s->arena, &m->lines,
               arena_printf(s->arena, "missing: %s %s", p->name, shape_text_plain(s->arena, &p->shape)));
    } else if (p->shape.rank >= 0 && !p->adapt_from && !shape_fits(p, t)) {
      const Module *layer = module_at(g, p->module);
      m->layer = m->shapes == 0 || m->layer == layer ? layer : NULL;
      m->shapes++;
      vec_push(s->arena, &m->lines,
               arena_printf(s->arena, "shape: %s is %s in the file, %s in the network", p->name,
                            donor_shape_text(s->arena, t), shape_text_plain(s->arena, &p->shape)));
    } else if (donor->model && donor_wrong_dtype(p, t)) { /* a `load` has looked, and may have allowed it */
      m->dtypes++;
      vec_push(s->arena, &m->lines,
               arena_printf(s->arena, "dtype: %s is %s in the file, %s in the network", p->name,
                            surgery_dtype_name(t->dtype), dtype_name(p->shape.dtype)));
    } else {
      m->matched++;
    }
  }
}

/* "2 tensors are missing, 1 tensor has another shape" */
static const char *mismatch_text(Session *s, const Mismatch *m) {
  const struct {
    size_t count;
    const char *one, *many;
  } parts[] = {{m->missing, "is missing", "are missing"},
               {m->shapes, "has another shape", "have another shape"},
               {m->dtypes, "has another dtype", "have another dtype"}};
  const char *text = "";
  for (int i = 0; i < 3; i++)
    if (parts[i].count)
      text = arena_printf(s->arena, "%s%s%zu tensor%s %s", text, *text ? ", " : "", parts[i].count,
                          parts[i].count == 1 ? "" : "s", parts[i].count == 1 ? parts[i].one : parts[i].many);
  return text;
}

/* The network's name in front of the `from` whose file stands at the donor's span; SPAN_NONE where there is none. */
static Span name_before_from(const Session *s, const DonorFile *donor) {
  if (donor->span.source >= s->sources.files.count) return SPAN_NONE;
  const char *text = s->sources.files.at[donor->span.source].text;
  uint32_t begin = donor->span.begin, length = (uint32_t)strlen(donor->model);
  while (begin > 0 && text[begin - 1] != '\n' && text[begin - 1] != ';') begin--;
  const char *name = memmem(text + begin, donor->span.begin - begin, donor->model, length);
  if (!name) return SPAN_NONE;
  return (Span){donor->span.source, (uint32_t)(name - text), (uint32_t)(name - text) + length};
}

/* The file belongs to another built-in network: that one is taken. */
static void help_other_model(Session *s, Diag *d, const DonorFile *donor, const char *guess) {
  diag_help(&s->diags, d, "the file has the tensors of %s: take %s", guess, guess);
  diag_fix(&s->diags, d, name_before_from(s, donor), "%s", guess);
}

/* resnet18(classes=10) from the file of 1000 classes: the head is taken as it is and replaced. */
static void help_other_head(Session *s, Diag *d, const DonorFile *donor, const Module *layer) {
  const char *replace = arena_printf(s->arena, "replace %s with Linear(_, %lld)", layer->name,
                                     (long long)layer->args.Linear.out_features);
  diag_help(&s->diags, d, "the file is %s's own: take it without arguments, then %s", donor->model, replace);
  Span name = name_before_from(s, donor);
  if (name.source == SPAN_NO_SOURCE) return;
  const char *text = s->sources.files.at[name.source].text, *at = text + name.end, *from = text + donor->span.begin;
  if (*at == '(')
    while (at < from && *at++ != ')') {}
  while (at < from && *at == ' ') at++;
  if (strncmp(at, "from ", 5) != 0) return; /* a slice, or a ')' in an argument */
  diag_fix(&s->diags, d, (Span){name.source, name.begin, donor->span.end}, "%s from %.*s\n%s", donor->model,
           (int)(donor->span.end - donor->span.begin), from, replace);
}

enum { MAX_LINES = 20 };

/* `under` is the cure, where the file has all of it with something before the names, or in another set of
 * weights. */
static bool help_under(Session *s, Diag *d, const Graph *g, const DonorFile *donor, const ParamList *params,
                       size_t fit) {
  WantedList wanted = {0};
  FoundList found = {0};
  for (size_t i = 0; i < params->count; i++) {
    const Param *p = param_at(g, params->at[i]);
    vec_push(s->arena, &wanted, (WantedTensor){p->name, &p->shape, donor_may_lack(g, p)});
  }
  weights_find_under(s, donor, &wanted, fit, &found);
  return weights_help_under(s, d, donor, &found, wanted.count, NULL);
}

static void note_lines(Session *s, Diag *d, const Mismatch *m) {
  for (size_t i = 0; i < m->lines.count && i < MAX_LINES; i++) diag_note(&s->diags, d, "%s", m->lines.at[i]);
  if (m->lines.count > MAX_LINES) diag_note(&s->diags, d, "and %zu more", m->lines.count - MAX_LINES);
}

static void report_mismatch(Session *s, const Graph *g, DonorFile *donor, const Mismatch *m, const ParamList *params) {
  size_t wanted = params->count;
  if (!donor->model) { /* found behind the last edit only; load.c tells the rest */
    Diag *d = diag_report(&s->diags, DIAG_E0406, donor->span, "%s does not fit: %s", donor->path, mismatch_text(s, m));
    note_lines(s, d, m);
    diag_help(&s->diags, d, "the network is changed after this statement: load later");
    return;
  }
  Diag *d = diag_report(&s->diags, DIAG_E0405, donor->span, "%s does not fit %s: %s", donor->path, donor->model,
                        mismatch_text(s, m));
  if (m->missing > 0 && help_under(s, d, g, donor, params, m->matched)) return;
  note_lines(s, d, m);
  size_t count = donor_count(donor);
  diag_note(&s->diags, d, "%zu of the %zu tensors that are needed fit; the file has %zu%s%s", m->matched, wanted, count,
            count ? ", the first is " : "", count ? donor_at(donor, 0)->name : "");
  const char *guess = m->matched < wanted && donor->open ? weights_guess_model(s, donor->open) : NULL;
  if (guess && !streq(guess, donor->model)) help_other_model(s, d, donor, guess);
  else if (guess && m->layer && m->layer->op == OP_Linear && m->missing == 0 && m->dtypes == 0)
    help_other_head(s, d, donor, m->layer);
  else
    diag_help(&s->diags, d, "use the file that belongs to %s, or declare the network that the file belongs to",
              donor->model);
}

/* An ONNX network comes with its weights; another file, or fresh values, take their place. */
static void forget_source(Graph *g) {
  weights_close(g);
  g->donors.count = 0;
  for (size_t i = 0; i < g->params.count; i++) weights_forget(param_at(g, i));
}

/* The file is not there: all else is checked by shapes, and `plan` says what would be read. */
static void bind_missing(Graph *g, const ParamList *params) {
  g->donors.at[g->donors.count - 1].missing = true;
  for (size_t i = 0; i < params->count; i++) {
    Param *p = param_at(g, params->at[i]);
    p->donor = (int)g->donors.count - 1;
    p->donor_key = p->name;
  }
}

static void place_names(Session *s, const Graph *g, DonorFile *file, const ParamList *params) {
  const char **names = arena_array(s->arena, const char *, params->count + 1);
  for (size_t i = 0; i < params->count; i++) names[i] = param_at(g, params->at[i])->name;
  donor_place(s->arena, file, names, params->count);
}

static bool bind(Session *s, Scope *scope, Graph *g, const Donor *donor) {
  if (donor->model->kind == EXPR_STRING) {
    if (!donor->from && !donor->from_random) return weights_check(s, g);
    forget_source(g);
  }
  const char *path, *model = weights_model_name(donor);
  Span span = donor->from && !donor->from_random ? donor->from_span : donor->model->span;
  if (s->no_weights) return true;
  WeightSearch search = weights_find(s, scope, donor, model, &path);
  if (search == WEIGHTS_WRONG) return false;
  vec_push(
      g->arena, &g->donors,
      (DonorFile){.model = model, .path = path, .span = span, .under = donor->under, .under_span = donor->under_span});
  DonorFile *file = &g->donors.at[g->donors.count - 1];
  if (!path) return true;
  ParamList params = graph_state_dict(g, s->arena, true);
  if (search == WEIGHTS_MISSING) bind_missing(g, &params);
  if (search == WEIGHTS_MISSING || !donor_open(s, file)) return false;
  place_names(s, g, file, &params);
  Mismatch m = {0};
  compare_all(s, g, file, &params, &m);
  if (m.lines.count > 0) {
    report_mismatch(s, g, file, &m, &params);
    return false;
  }
  donor_notes(s, file);
  bool said = false, named[2] = {false};
  for (size_t i = 0; i < params.count; i++) {
    Param *p = param_at(g, params.at[i]);
    const surgery_tensor *t = donor_find_named(s->arena, file, p->name);
    if (!t) continue; /* num_batches_tracked begins at 0 */
    donor_conversion_note(s, file, t, &said);
    donor_names_note(s, file, p->name, t, named);
    p->donor = (int)g->donors.count - 1;
    p->donor_key = streq(t->name, p->name) ? p->name : arena_strdup(g->arena, t->name);
  }
  return true;
}

void weights_bind(Session *s, Scope *scope, Graph *g, const Donor *donor) {
  size_t errors = s->diags.errors;
  bind(s, scope, g, donor);
  s->weight_errors += s->diags.errors - errors;
}

/* Regions of parameters whose size has changed behind their load. */
static bool check_patches(Session *s, const Graph *g, const ParamList *params) {
  bool ok = true;
  for (size_t i = 0; i < params->count; i++) {
    const Param *p = param_at(g, params->at[i]);
    for (size_t k = 0; k < p->patches.count; k++) {
      if (p->shape.rank < 0 || region_within(p->patches.at[k].to, &p->shape)) continue;
      Diag *d = diag_report(&s->diags, DIAG_E0406, g->donors.at[p->patches.at[k].donor].span,
                            "%s is outside the tensor, which is %s after the last edit",
                            region_text(s->arena, p->name, p->patches.at[k].to), shape_text_plain(s->arena, &p->shape));
      diag_help(&s->diags, d, "the network is changed after this statement: load later");
      ok = false;
    }
  }
  return ok;
}

bool weights_check(Session *s, Graph *g) {
  ParamList all = graph_state_dict(g, s->arena, true);
  bool ok = check_patches(s, g, &all);
  for (size_t k = 0; k < g->donors.count; k++) {
    DonorFile *file = &g->donors.at[k];
    if (!file->path || (!file->open && !file->saved)) continue;
    ParamList params = {0};
    Mismatch m = {0};
    for (size_t i = 0; i < all.count; i++)
      if (param_at(g, all.at[i])->donor == (int)k) vec_push(s->arena, &params, all.at[i]);
    compare_all(s, g, file, &params, &m);
    if (m.lines.count == 0) continue;
    report_mismatch(s, g, file, &m, &params);
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
