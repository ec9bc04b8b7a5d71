/* A donor's tensors, whether they lie in a file or are those that a `save` of the same script will write, and what
 * is noted about a file. Reads headers only. Called by weights.c, load.c and weights/fill.c. */
#include "compiler/weights/weights.h"

bool donor_reopen(Session *s, DonorFile *donor, surgery_error *err) {
  const char *rest = donor->under;
  if (!donor->saved && !donor->open) {
    donor->open = surgery_weights_open(donor->path, err);
    if (donor->open && rest && surgery_weights_choose(donor->open, rest, &rest, err)) {
      surgery_weights_close(donor->open);
      donor->open = NULL;
    }
    if (!donor->open) return false;
    donor->set = surgery_weights_chosen(donor->open);
  }
  if (!donor->rest && rest) donor->rest = arena_strdup(s->arena, rest);
  return true;
}

bool donor_open(Session *s, DonorFile *donor) {
  surgery_error err = {0};
  if (!donor->path || donor_reopen(s, donor, &err)) return true;
  Diag *d = diag_report(&s->diags, DIAG_E0403, donor->span, "the weights cannot be read: %s", err.message);
  diag_help(&s->diags, d, "get the file again, or save it with torch.save(model.state_dict(), FILE) or as safetensors");
  return false;
}

const surgery_tensor *donor_find(DonorFile *donor, const char *key) {
  if (!donor->saved) return donor->open ? surgery_weights_find(donor->open, key) : NULL;
  for (size_t i = 0; i < donor->saved->tensors.count; i++)
    if (streq(donor->saved->tensors.at[i].head.name, key)) return &donor->saved->tensors.at[i].head;
  return NULL;
}

/* ---- under ---- */

/* The name less its first parts, which are the `length` characters at `front`; NULL where it begins
 * otherwise. */
static const char *below(const char *name, const char *front, size_t length) {
  return strncmp(name, front, length) == 0 && name[length] == '.' ? name + length + 1 : NULL;
}

const char *donor_key(Arena *arena, const DonorFile *donor, const char *name) {
  const char *rest = donor->rest;
  if (!rest || !*rest) return name;
  if (!donor->inner) return arena_printf(arena, "%s.%s", rest, name);
  const char *inside = below(name, donor->inner, strlen(donor->inner));
  return inside ? arena_printf(arena, "%s.%s", rest, inside) : name;
}

void donor_place(Arena *arena, DonorFile *donor, const char *const *names, size_t count) {
  const char *rest = donor->rest;
  if (!rest || !*rest) return;
  for (size_t i = 0; i < count; i++)
    if (donor_find(donor, arena_printf(arena, "%s.%s", rest, names[i]))) return;
  for (size_t end = strlen(rest); end-- > 1;) {
    if (rest[end] != '.') continue;
    for (size_t i = 0; i < count; i++) {
      const char *inside = below(names[i], rest, end);
      if (!inside || !donor_find(donor, arena_printf(arena, "%s.%s", rest, inside))) continue;
      donor->inner = arena_strndup(arena, rest, end);
      return;
    }
  }
}

bool donor_same_file(const DonorFile *a, const DonorFile *b) {
  return a->saved == b->saved && a->set == b->set && streq(a->path, b->path);
}

size_t donor_count(const DonorFile *donor) {
  return donor->saved ? donor->saved->tensors.count : surgery_weights_count(donor->open);
}

const surgery_tensor *donor_at(const DonorFile *donor, size_t index) {
  return donor->saved ? &donor->saved->tensors.at[index].head : surgery_weights_at(donor->open, index);
}

Shape donor_shape(const surgery_tensor *t) {
  if (t->rank > MAX_SHAPE_RANK) return (Shape){.rank = -1};
  Shape shape = {.rank = t->rank};
  for (int i = 0; i < t->rank; i++) shape.dim[i] = t->shape[i];
  return shape;
}

const char *donor_shape_text(Arena *arena, const surgery_tensor *t) { return sizes_text(arena, t->rank, t->shape); }

void donor_notes(Session *s, const DonorFile *donor) {
  const char *note = donor->open ? surgery_weights_note(donor->open) : NULL, *more = note ? strchr(note, ';') : NULL;
  if (!more) return;
  while (*more == ';' || *more == ' ') more++;
  diag_report(&s->diags, DIAG_N0401, donor->span, "%s: %s", donor->path, more);
}

void donor_conversion_note(Session *s, const DonorFile *donor, const surgery_tensor *t, bool *said) {
  if (*said || !t || (t->dtype != SURGERY_F16 && t->dtype != SURGERY_BF16 && t->dtype != SURGERY_F64)) return;
  diag_report(&s->diags, DIAG_N0403, donor->span, "%s holds %s, which is converted to f32", donor->path,
              surgery_dtype_name(t->dtype));
  *said = true;
}

/* Files from before PyTorch 0.4.1 lack it, and nothing but the average over all batches would need it. */
bool donor_may_lack(const Graph *g, const Param *p) {
  return streq(op_info(module_at(g, p->module)->op)->params[p->role].name, "num_batches_tracked");
}

bool donor_is_float(const surgery_tensor *t) {
  return t->dtype == SURGERY_F32 || t->dtype == SURGERY_F64 || t->dtype == SURGERY_F16 || t->dtype == SURGERY_BF16;
}

/* The counter of a copy that was averaged over the training is an average, too. */
bool donor_wrong_dtype(const Param *p, const surgery_tensor *t) {
  const char *dot = strrchr(t->name, '.');
  return donor_is_float(t) == (p->shape.dtype == DTYPE_I64) && !streq(dot ? dot + 1 : t->name, "num_batches_tracked");
}

void weights_forget(Param *p) {
  p->donor = NO_ID;
  p->donor_key = NULL;
  p->donor_form = DONOR_AS_IS;
  p->donor_region = NULL;
  p->adapt_from = 0;
  p->has_init = false;
  memset(&p->patches, 0, sizeof p->patches); /* a copy of the record may still use the old list */
}
