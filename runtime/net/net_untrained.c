/* Layers that nobody has trained: their weights are still the random ones of the compiler, which writes their names
 * beside the weights. A training takes off what it trains; whatever writes the weights writes the rest again. Called by
 * net.c, net_names.c and the commands. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/net/net.h"

static bool is_of_layer(const ManifestTensor *t, const char *layer) {
  size_t length = strlen(layer);
  return strncmp(t->name, layer, length) == 0 && t->name[length] == '.' && !strchr(t->name + length + 1, '.');
}

static bool known(const Manifest *m, const char *layer) {
  for (size_t i = 0; i < m->tensor_count; i++)
    if (is_of_layer(&m->tensors[i], layer)) return true;
  return false;
}

void net_free_untrained(surgery_net *net) {
  for (char **name = net->untrained; name && *name; name++) free(*name);
  free(net->untrained);
  net->untrained = NULL;
}

int net_read_untrained(surgery_net *net, const surgery_weights *file, surgery_error *err) {
  const char *text = surgery_weights_metadata(file, NET_UNTRAINED_KEY);
  json_t *root = text ? json_loads(text, 0, NULL) : NULL;
  size_t count = 0;
  net->untrained = calloc(json_array_size(root) + 1, sizeof *net->untrained);
  bool good = net->untrained != NULL;
  for (size_t i = 0; i < json_array_size(root) && good; i++) {
    const char *name = json_string_value(json_array_get(root, i));
    if (name && known(net->manifest, name)) good = (net->untrained[count++] = strdup(name)) != NULL;
  }
  json_decref(root);
  return good ? 0 : sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
}

/* Whether the phase changes a tensor of the layer. */
static bool trains(const Manifest *m, const ManifestPhase *phase, const char *layer) {
  for (size_t i = 0; i < m->tensor_count; i++)
    if (phase->grad[i] >= 0 && is_of_layer(&m->tensors[i], layer)) return true;
  return false;
}

void net_take_off_trained(surgery_net *net, const ManifestPhase *phase) {
  size_t kept = 0;
  if (!net->untrained || net->taken_off == phase) return;
  net->taken_off = phase;
  for (char **name = net->untrained; *name; name++)
    if (trains(net->manifest, phase, *name)) free(*name);
    else net->untrained[kept++] = *name;
  net->untrained[kept] = NULL;
}

char *net_untrained_json(const surgery_net *net) {
  if (!net->untrained || !*net->untrained) return NULL;
  json_t *list = json_array();
  for (char **name = net->untrained; *name; name++) json_array_append_new(list, json_string(*name));
  char *text = json_dumps(list, JSON_COMPACT);
  json_decref(list);
  return text;
}

bool net_untrained_text(const surgery_net *net, char *to, size_t size) {
  enum { MOST = 3 };
  size_t count = 0, used = 0;
  while (net->untrained && net->untrained[count]) count++;
  size_t named = count > MOST + 1 ? MOST : count;
  for (size_t i = 0; i < named && used < size; i++)
    used += (size_t)snprintf(to + used, size - used, "%s%s",
                             i == 0                           ? ""
                             : i + 1 < count || named < count ? ", "
                                                              : " and ",
                             SG_Q(net->untrained[i]));
  if (used < size)
    used += named < count ? (size_t)snprintf(to + used, size - used, " and %zu more layers have", count - named)
                          : (size_t)snprintf(to + used, size - used, count == 1 ? " has" : " have");
  return count > 0;
}
