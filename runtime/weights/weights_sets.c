/* The sets of weights of one file, and their names: what wrappers have put into the names is taken off, names
 * are sorted, one set is open at a time. Called by surgery_weights_open, and through surgery.h by the
 * compiler. */
#include "runtime/weights/weights.h"

#include <stdlib.h>

int weights_end_set(surgery_weights *w, const char *name, const char *about, const char *error, surgery_error *err) {
  if (w->set_count == w->set_capacity) {
    size_t capacity = w->set_capacity * 2 + 4;
    WeightSet *grown = pool_grow(&w->pool, w->sets, w->set_count, capacity, sizeof *grown);
    if (!grown) return sg_fail_memory(err, w->files[0].path, capacity * sizeof *grown);
    w->sets = grown;
    w->set_capacity = capacity;
  }
  WeightSet set = {.name = pool_strndup(&w->pool, name, strlen(name)),
                   .about = pool_strndup(&w->pool, about, strlen(about)),
                   .taken_off = ""};
  set.error = error ? pool_strndup(&w->pool, error, strlen(error)) : NULL;
  if (!set.name || !set.about || (error && !set.error)) return sg_fail_memory(err, w->files[0].path, strlen(name));
  set.tensors = w->tensors;
  set.count = w->count;
  w->sets[w->set_count++] = set;
  w->tensors = NULL;
  w->count = w->capacity = 0;
  return 0;
}

/* ---- names ---- */

static bool all_begin_with(const WeightSet *set, const char *prefix) {
  size_t length = strlen(prefix);
  for (size_t i = 0; i < set->count; i++) {
    const char *name = set->tensors[i].pub.name;
    if (strncmp(name, prefix, length) != 0 || !name[length]) return false;
  }
  return set->count > 0;
}

/* DataParallel and torch.compile wrap a model in a module of one child; the names they add are no part of the
 * network. */
static int strip_prefixes(surgery_weights *w, WeightSet *set, surgery_error *err) {
  static const char *const prefixes[] = {"module.", "_orig_mod."};
  for (int round = 0; round < 4; round++) {
    const char *found = NULL;
    for (size_t i = 0; i < 2 && !found; i++) {
      if (all_begin_with(set, prefixes[i])) found = prefixes[i];
    }
    if (!found) break;
    for (size_t i = 0; i < set->count; i++) set->tensors[i].pub.name += strlen(found);
    set->about = pool_printf(&w->pool, "%s; prefix '%s' taken off", set->about, found);
    set->taken_off = pool_printf(&w->pool, "%s%s", set->taken_off, found);
    if (!set->about || !set->taken_off) return sg_fail_memory(err, w->files[0].path, 64);
  }
  return 0;
}

/* Parts that wrappers of single layers put into names, and nobody else. */
static const char *const wrappings[] = {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."};
enum { WRAPPINGS = sizeof wrappings / sizeof *wrappings };

/* Takes the part out of the name, in place; the last one of a name only where `last` says so. */
static bool take_out(char *name, const char *part, bool last) {
  size_t length = strlen(part);
  bool found = false;
  for (char *at = name; (at = strstr(at, part));) {
    if (at > name && at[-1] != '.') {
      at++;
      continue;
    }
    if (!at[length] && !last) break;
    memmove(at, at + length, strlen(at + length) + 1);
    found = true;
  }
  return found;
}

static int strip_wrappings(surgery_weights *w, WeightSet *set, surgery_error *err) {
  for (size_t k = 0; k < WRAPPINGS; k++) {
    bool found = false;
    for (size_t i = 0; i < set->count; i++) /* the pool's own copies of the names */
      found |= take_out((char *)(uintptr_t)set->tensors[i].pub.name, wrappings[k], false);
    if (found) set->about = pool_printf(&w->pool, "%s; '%s' taken out of the names", set->about, wrappings[k]);
    if (!set->about) return sg_fail_memory(err, w->files[0].path, 64);
  }
  return 0;
}

static int compare_names(const void *a, const void *b, void *context) {
  const WeightSet *set = context;
  return strcmp(set->tensors[*(const uint32_t *)a].pub.name, set->tensors[*(const uint32_t *)b].pub.name);
}

static int sort_names(surgery_weights *w, WeightSet *set, surgery_error *err) {
  set->by_name = pool_array(&w->pool, set->count, sizeof *set->by_name);
  if (!set->by_name) return sg_fail_memory(err, w->files[0].path, set->count * sizeof *set->by_name);
  for (size_t i = 0; i < set->count; i++) set->by_name[i] = (uint32_t)i;
  qsort_r(set->by_name, set->count, sizeof *set->by_name, compare_names, set);
  for (size_t i = 1; i < set->count; i++) {
    const WeightTensor *a = &set->tensors[set->by_name[i - 1]], *b = &set->tensors[set->by_name[i]];
    if (strcmp(a->pub.name, b->pub.name) == 0) {
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: two tensors are named '%s' (their data at bytes %llu and %llu)",
                     weights_file(w, b)->path, SG_Q(b->pub.name), ULL(a->offset), ULL(b->offset));
    }
  }
  return 0;
}

/* ---- the set that is open ---- */

static int open_set(surgery_weights *w, size_t index, surgery_error *err) {
  const WeightSet *set = &w->sets[index];
  if (set->error) return sg_fail(err, SURGERY_BAD_INPUT, "%s", set->error);
  w->tensors = set->tensors;
  w->by_name = set->by_name;
  w->count = w->capacity = set->count;
  w->set = index;
  const char *others = "";
  for (size_t i = 0; i < w->set_count && others; i++)
    if (i != index)
      others = pool_printf(&w->pool, "%s%s\"%s\"", others, *others ? ", " : "; other weights in the file: under ",
                           SG_Q(w->sets[i].name));
  if (others) w->note = pool_printf(&w->pool, "%s%s%s%s", w->format, set->about, others, w->skipped ? w->skipped : "");
  return others && w->note ? 0 : sg_fail_memory(err, w->files[0].path, 64);
}

int weights_finish(surgery_weights *w, surgery_error *err) {
  if (w->set_count == 0 && weights_end_set(w, "", "", NULL, err)) return -1;
  for (size_t i = 0; i < w->set_count; i++) {
    WeightSet *set = &w->sets[i];
    surgery_error why = {0};
    if (set->error ||
        (strip_prefixes(w, set, &why) == 0 && strip_wrappings(w, set, &why) == 0 && sort_names(w, set, &why) == 0))
      continue;
    set->error = pool_strndup(&w->pool, why.message, strlen(why.message));
    if (i == 0 || !set->error) return err ? *err = why, -1 : -1;
  }
  return open_set(w, 0, err);
}

size_t surgery_weights_sets(const surgery_weights *w) { return w->set_count; }

const char *surgery_weights_set(const surgery_weights *w, size_t index, size_t *tensors) {
  if (index >= w->set_count) return NULL;
  if (tensors) *tensors = w->sets[index].count;
  return w->sets[index].name;
}

size_t surgery_weights_chosen(const surgery_weights *w) { return w->set; }

/* Is prefix the name of a tensor of the set, or of what tensors are in? */
static bool has_below(const WeightSet *set, const char *prefix) {
  size_t length = strlen(prefix), low = 0, high = set->count;
  if (length == 0) return set->count > 0 || set->error;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(set->tensors[set->by_name[middle]].pub.name, prefix) < 0) low = middle + 1;
    else high = middle;
  }
  for (; low < set->count; low++) { /* "a-b" is between "a" and "a.b" */
    const char *name = set->tensors[set->by_name[low]].pub.name;
    if (strncmp(name, prefix, length) != 0) return false;
    if (!name[length] || name[length] == '.') return true;
    if (name[length] > '.') return false;
  }
  return false;
}

/* What is left of under after the parts in front that end with a dot, the last one's dot left out or not;
 * NULL when it begins otherwise. */
static const char *after(const char *under, const char *front) {
  size_t length = strlen(front), dotless = length && front[length - 1] == '.' ? length - 1 : length;
  if (length == 0) return under;
  if (strncmp(under, front, dotless) != 0) return NULL;
  if (!under[dotless]) return under + dotless;
  return under[dotless] == '.' ? under + dotless + 1 : NULL;
}

/* The part of under that the set's names begin with; NULL when it is not of this set. */
static const char *inside(const WeightSet *set, const char *under) {
  const char *rest = after(under, set->name), *bare = rest ? after(rest, set->taken_off) : NULL;
  if (rest && has_below(set, rest)) return rest;
  return bare && has_below(set, bare) ? bare : NULL;
}

int surgery_weights_choose(surgery_weights *w, const char *under, const char **rest, surgery_error *err) {
  char *plain = pool_strndup(&w->pool, under, strlen(under));
  if (!plain) return sg_fail_memory(err, w->files[0].path, strlen(under));
  for (int round = 0; round < 2; round++) {
    const WeightSet *now = &w->sets[w->set];
    const char *bare = after(plain, now->taken_off);
    *rest = has_below(now, plain) ? plain : bare && has_below(now, bare) ? bare : NULL;
    if (*rest) return 0;
    for (size_t i = 0; i < w->set_count; i++)
      if ((*rest = inside(&w->sets[i], plain))) return open_set(w, i, err);
    if (!(plain = pool_printf(&w->pool, "%s.", under))) break;
    for (size_t k = 0; k < WRAPPINGS; k++)
      take_out(plain, wrappings[k], true); /* as these were taken out of the names */
    if (*plain) plain[strlen(plain) - 1] = '\0';
  }
  *rest = under;
  return 0;
}
