/* Which of the network's classes the names of a data set are. Names decide, never their order, wherever the
 * script or the weights name the classes: a folder that lacks a class, or that sorts otherwise, would else be
 * scored as another one. Called by the sources that name their classes. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"
#include "runtime/base/text.h"

enum { LIST = 320, UNKNOWN = -1 };

static int keep_names(Dataset *set, char *const *names, size_t count, surgery_error *err) {
  set->class_names = calloc(count + 1, sizeof *set->class_names);
  for (; set->class_names && set->class_count < count; set->class_count++)
    if (!(set->class_names[set->class_count] = text_clean_name(names[set->class_count]))) break;
  return set->class_count == count && set->class_names
             ? 0
             : sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for the names of %zu classes", set->path, count);
}

/* "cat, dog, emu", cut after a few hundred bytes. */
static const char *list_names(char *const *names, size_t count, char to[LIST]) {
  size_t used = 0, shown = 0;
  to[0] = 0;
  for (; shown < count; shown++) {
    const char *name = SG_Q(names[shown]);
    if (used + strlen(name) + 32 > LIST) break;
    used += (size_t)snprintf(to + used, LIST - used, "%s%s", shown ? ", " : "", name);
  }
  if (shown < count) snprintf(to + used, LIST - used, ", … (%zu)", count);
  return to;
}

static void add_note(Dataset *set, char *note) {
  char *both = NULL;
  if (set->note && note && asprintf(&both, "%s\n%s", set->note, note) >= 0) {
    free(set->note), free(note);
    set->note = both;
    return;
  }
  free(set->note);
  set->note = note;
}

void dataset_note(Dataset *set, const char *format, ...) {
  char *note = NULL;
  va_list list;
  va_start(list, format);
  if (vasprintf(&note, format, list) >= 0) add_note(set, note);
  va_end(list);
}

static int32_t find_exact(const DatasetSpec *spec, const char *name) {
  for (size_t i = 0; i < spec->label_count; i++)
    if (strcmp(spec->labels[i], name) == 0) return (int32_t)i;
  return UNKNOWN;
}

/* The one label that differs from the name only in case; not where several do. */
static int32_t find_by_case(const DatasetSpec *spec, const char *name) {
  int32_t found = UNKNOWN;
  for (size_t i = 0; i < spec->label_count; i++) {
    if (strcasecmp(spec->labels[i], name) != 0) continue;
    if (found != UNKNOWN) return UNKNOWN;
    found = (int32_t)i;
  }
  return found;
}

/* Exact names come first: of 'Ants' and 'ants' only one is the label "ants". Returns the first name that is
 * none, or NULL. */
static const char *match(const DatasetSpec *spec, char *const *names, size_t count, int32_t *map) {
  bool *taken = calloc(spec->label_count + 1, sizeof *taken);
  const char *unknown = taken ? NULL : names[0];
  for (size_t i = 0; taken && i < count; i++)
    if ((map[i] = find_exact(spec, names[i])) != UNKNOWN) taken[map[i]] = true;
  for (size_t i = 0; taken && i < count; i++) {
    if (map[i] != UNKNOWN) continue;
    int32_t class = find_by_case(spec, names[i]);
    if (class == UNKNOWN || taken[class]) {
      if (!unknown) unknown = names[i];
      continue;
    }
    map[i] = class, taken[class] = true;
  }
  free(taken);
  return unknown;
}

/* Nothing says which class is which. A training set may name them from now on. A set to be evaluated is
 * numbered as PyTorch's ImageFolder numbers it, but only when it has all of them. */
static int number_classes(Dataset *set, char *const *names, size_t count, int32_t *map, surgery_error *err) {
  const DatasetSpec *spec = &set->spec;
  char list[LIST];
  if ((int64_t)count > spec->classes)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: %zu classes, but the network has %lld\n  in %s: %s", set->path, count,
                   (long long)spec->classes, set->path, list_names(names, count, list));
  if (spec->role != ROLE_TRAIN && (int64_t)count < spec->classes)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: %zu of the network's %lld classes (%s), and neither the script nor the weights say "
                   "which: name all of "
                   "them in the script, in the network's order: labels \"%s\", …",
                   set->path, count, (long long)spec->classes, list_names(names, count, list), SG_Q(names[0]));
  for (size_t i = 0; i < count; i++) map[i] = (int32_t)i;
  set->names_classes = true;
  if (spec->role != ROLE_TRAIN)
    dataset_note(set, "%s: neither the script nor the weights name the classes: they are numbered in this order: %s",
                 set->path, list_names(names, count, list));
  return 0;
}

static int fail_unknown(const Dataset *set, const char *unknown, char *const *names, size_t count, surgery_error *err) {
  const DatasetSpec *spec = &set->spec;
  char here[LIST], there[LIST];
  return sg_fail(err, SURGERY_BAD_INPUT,
                 "%s: the class '%s' is not among the network's %zu labels\n  in %s: %s\n  %s: %s\n  rename "
                 "the classes of the "
                 "data, or name those of the network with `labels` in the script, in its order",
                 set->path, SG_Q(unknown), spec->label_count, set->path, list_names(names, count, here),
                 spec->labels_of ? spec->labels_of : "labels of the network",
                 list_names(spec->labels, spec->label_count, there));
}

int dataset_map_classes(Dataset *set, char *const *from, size_t count, int32_t *map, surgery_error *err) {
  if (keep_names(set, from, count, err)) return -1;
  const DatasetSpec *spec = &set->spec;
  char *const *names = set->class_names;
  char list[LIST], was[LIST];
  if (spec->label_count == 0) return number_classes(set, names, count, map, err);
  const char *unknown = match(spec, names, count, map);
  if (unknown && spec->may_rename) {
    if (number_classes(set, names, count, map, err)) return -1;
    dataset_note(set, "%s: other classes than those of the weights, which are numbered anew: %s (before: %s)",
                 set->path, list_names(names, count, list), list_names(spec->labels, spec->label_count, was));
    return 0;
  }
  if (unknown) return fail_unknown(set, unknown, names, count, err);
  for (size_t i = 0, told = 0; i < count && told < 8; i++) {
    if (strcmp(names[i], spec->labels[map[i]]) == 0) continue;
    dataset_note(set, "%s: '%s' is taken for the class '%s': the names differ in case only", set->path, SG_Q(names[i]),
                 SG_Q(spec->labels[map[i]]));
    told++;
  }
  return 0;
}
