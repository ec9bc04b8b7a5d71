/* The names of the classes. A training on named data gives the network their names; whatever writes its
 * weights writes the names beside them, and whoever opens those weights later has them back. Called by net.c,
 * the checkpoints and the commands. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/text.h"
#include "runtime/base/error.h"
#include "runtime/net/net.h"

static void free_names(char **names, size_t count) {
  for (size_t i = 0; names && i < count; i++) free(names[i]);
  free(names);
}

void net_free_names(surgery_net *net) {
  if (net->own_names) free_names(net->own_names, net->classes.count);
  net->own_names = NULL;
}

int net_name_classes(surgery_net *net, char *const *names, size_t count, NamesOf of, surgery_error *err) {
  char **own = calloc(count + 1, sizeof *own);
  bool good = own != NULL;
  for (size_t i = 0; i < count && good; i++) good = (own[i] = text_clean_name(names[i])) != NULL;
  if (!good) {
    free_names(own, count);
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for the names of %zu classes", count);
  }
  net_free_names(net);
  net->own_names = own, net->classes = (ClassNames){own, count, of};
  return 0;
}

/* The names in the file; NULL where there are none that this network could have. They are views into *root.
 */
static const char **read_names(const Manifest *m, const surgery_weights *file, json_t **root, size_t *count) {
  const char *text = surgery_weights_metadata(file, NET_NAMES_KEY);
  *root = text ? json_loads(text, 0, NULL) : NULL;
  *count = json_array_size(*root);
  if (*count == 0 || (int64_t)*count > net_classes(m)) return NULL;
  const char **names = calloc(*count, sizeof *names);
  bool good = names != NULL;
  for (size_t i = 0; i < *count && good; i++)
    good = (names[i] = json_string_value(json_array_get(*root, i))) && *names[i];
  if (good) return names;
  free(names);
  return NULL;
}

static bool same_name_somewhere(char *const *names, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

static void list_names(const char *const *names, size_t count, char *to, size_t size) {
  size_t used = 0, shown = 0;
  for (*to = 0; shown < count && used + 232 < size; shown++)
    used += (size_t)snprintf(to + used, size - used, "%s%s", shown ? ", " : "", SG_Q(names[shown]));
  if (shown < count) snprintf(to + used, size - used, ", …");
}

static int compare(surgery_net *net, const char *const *names, size_t count, const char *path, surgery_error *err) {
  const ClassNames *own = &net->classes;
  size_t same = 0, known = 0;
  for (size_t i = 0; i < count; i++) {
    same += i < own->count && strcmp(own->at[i], names[i]) == 0;
    known += same_name_somewhere(own->at, own->count, names[i]);
  }
  if (same == count) return 0;
  char theirs[420], ours[420];
  list_names(names, count, theirs, sizeof theirs);
  list_names((const char *const *)own->at, own->count, ours, sizeof ours);
  if (known == count)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: its classes are those of the script in another order\n  weights: %s\n  labels of the "
                   "script: %s\n"
                   "  give `labels` the order of the weights, or leave it out",
                   path, theirs, ours);
  if (asprintf(&net->note, "%s: trained on the classes %s; the labels of the script are used: %s", path, theirs, ours) <
      0)
    net->note = NULL;
  return 0;
}

int net_read_names(surgery_net *net, const surgery_weights *file, const char *path, surgery_error *err) {
  json_t *root;
  size_t count;
  const char **names = read_names(net->manifest, file, &root, &count);
  int status = 0;
  if (names && net->classes.count > 0) status = compare(net, names, count, path, err);
  else if (names) status = net_name_classes(net, (char *const *)names, count, NAMES_OF_WEIGHTS, err);
  free(names);
  json_decref(root);
  return status;
}

/* Labels are UTF-8: they come out of JSON, or classes.c has seen to it. */
int net_metadata(const surgery_net *net, NetMetadata *to, surgery_error *err) {
  const ClassNames *classes = &net->classes;
  size_t count = 4;
  *to = (NetMetadata){.pairs = {"format", "pt", "network", net->manifest->name}, .untrained = net_untrained_json(net)};
  if (to->untrained) to->pairs[count++] = NET_UNTRAINED_KEY, to->pairs[count++] = to->untrained;
  if (classes->count == 0) return 0;
  json_t *list = json_array();
  for (size_t i = 0; i < classes->count; i++) json_array_append_new(list, json_string(classes->at[i]));
  to->names = json_dumps(list, JSON_COMPACT);
  json_decref(list);
  if (!to->names) net_free_metadata(to);
  if (!to->names) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for the names of %zu classes", classes->count);
  to->pairs[count++] = NET_NAMES_KEY, to->pairs[count++] = to->names;
  return 0;
}

void net_free_metadata(NetMetadata *metadata) {
  free(metadata->names), free(metadata->untrained);
  metadata->names = metadata->untrained = NULL;
}
