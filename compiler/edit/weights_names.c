/* The same tensor under the names that BERT's checkpoints have for it: a task's model keeps BertModel under `bert.`, and
 * files made from the first release call the parameters of LayerNorm gamma and beta. Called by weights.c and load.c, each
 * asking for the names that this version of the network has. */
#include "compiler/edit/weights.h"

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && streq(text + a - b, end);
}

/* LayerNorm.weight → LayerNorm.gamma, LayerNorm.bias → LayerNorm.beta; NULL: it is no such name. */
static const char *old_name(Arena *arena, const char *key) {
  static const char *const pairs[][2] = {{"LayerNorm.weight", "gamma"}, {"LayerNorm.bias", "beta"}};
  for (int i = 0; i < 2; i++)
    if (ends_with(key, pairs[i][0])) return arena_printf(arena, "%.*s%s", (int)(strrchr(key, '.') + 1 - key), key, pairs[i][1]);
  return NULL;
}

const surgery_tensor *donor_find_named(Arena *arena, DonorFile *donor, const char *key) {
  const surgery_tensor *t = donor_find(donor, key);
  const char *old = old_name(arena, key);
  if (!t && old) t = donor_find(donor, old);
  if (!t) t = donor_find(donor, arena_printf(arena, "bert.%s", key));
  if (!t && old) t = donor_find(donor, arena_printf(arena, "bert.%s", old));
  return t;
}

bool donor_ignores(const char *name) {
  return ends_with(name, "embeddings.position_ids"); /* 0, 1, 2 …: old versions of transformers saved it */
}

void donor_names_note(Session *s, const DonorFile *donor, const char *key, const surgery_tensor *t, bool said[2]) {
  bool prefix = strncmp(t->name, "bert.", 5) == 0 && strncmp(key, "bert.", 5) != 0;
  bool old = !streq(t->name, key) && (ends_with(t->name, ".gamma") || ends_with(t->name, ".beta"));
  if (prefix && !said[0])
    diag_report(&s->diags, DIAG_N0401, donor->span, "%s: prefix 'bert.' taken off; other parts of the file are not read", donor->path);
  if (old && !said[1])
    diag_report(&s->diags, DIAG_N0401, donor->span, "%s: LayerNorm.gamma and LayerNorm.beta are read as its weight and bias", donor->path);
  said[0] |= prefix;
  said[1] |= old;
}
