/* Names in weight files. The same tensor under the other names that checkpoints have for it: a table of namings, and
 * the names of models that keep the network under one of theirs (called by bind.c and load.c, each with the names of
 * this network). And the names of the classes, which are written beside the weights (called by the driver). */
#include "compiler/weights/weights.h"
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

/* A task's model keeps BertModel under `bert.`, Hugging Face's ResNetModel under `resnet.`. */
static const char *const fronts[] = {"", "bert.", "resnet."};
enum { FRONTS = sizeof fronts / sizeof *fronts, MOST_PAIRS = 8 };

/* {i} … {k} are numbers, in the file's name perhaps one less; @ is any text, once in a name. The first pair
 * whose left side is the network's name gives the file's. */
typedef struct Naming {
  const char *note; /* NULL: it is the network's own */
  const char *pairs[MOST_PAIRS][2];
} Naming;

static const Naming namings[] = {
    {NULL, {{"@", "@"}}},
    {"LayerNorm.gamma and LayerNorm.beta are read as its weight and bias", /* files made from BERT's first
                                                                              release */
     {{"@LayerNorm.weight", "@LayerNorm.gamma"}, {"@LayerNorm.bias", "@LayerNorm.beta"}}},
    {"names of Hugging Face's ResNet are read as torchvision's",
     {{"conv1.@", "embedder.embedder.convolution.@"},
      {"bn1.@", "embedder.embedder.normalization.@"},
      {"layer{i}.{j}.conv{k}.@", "encoder.stages.{i-1}.layers.{j}.layer.{k-1}.convolution.@"},
      {"layer{i}.{j}.bn{k}.@", "encoder.stages.{i-1}.layers.{j}.layer.{k-1}.normalization.@"},
      {"layer{i}.{j}.downsample.0.@", "encoder.stages.{i-1}.layers.{j}.shortcut.convolution.@"},
      {"layer{i}.{j}.downsample.1.@", "encoder.stages.{i-1}.layers.{j}.shortcut.normalization.@"},
      {"fc.@", "classifier.1.@"}}},
    {"names of Detectron's ResNet are read as torchvision's",
     {{"conv1.@", "stem.conv1.@"},
      {"bn1.@", "stem.conv1.norm.@"},
      {"layer{i}.{j}.conv{k}.@", "res{i+1}.{j}.conv{k}.@"},
      {"layer{i}.{j}.bn{k}.@", "res{i+1}.{j}.conv{k}.norm.@"},
      {"layer{i}.{j}.downsample.0.@", "res{i+1}.{j}.shortcut.@"},
      {"layer{i}.{j}.downsample.1.@", "res{i+1}.{j}.shortcut.norm.@"}}},
};
enum { NAMINGS = sizeof namings / sizeof *namings };

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && streq(text + a - b, end);
}

typedef struct Match {
  long number[26]; /* by the letter */
  const char *any;
  size_t any_length;
} Match;

static bool match(const char *pattern, const char *name, Match *m) {
  for (; *pattern && *pattern != '@'; pattern++) {
    if (*pattern != '{') {
      if (*pattern != *name++) return false;
      continue;
    }
    char *end;
    if (!isdigit((unsigned char)*name)) return false;
    m->number[pattern[1] - 'a'] = strtol(name, &end, 10);
    if (end - name > 6) return false;
    name = end;
    pattern += 2; /* to the '}' */
  }
  if (!*pattern) return !*name;
  if (!ends_with(name, pattern + 1)) return false;
  m->any = name;
  m->any_length = strlen(name) - strlen(pattern + 1);
  return true;
}

static const char *fill(Arena *arena, const char *pattern, const Match *m) {
  const char *text = "";
  for (; *pattern; pattern++) {
    if (*pattern == '@') {
      text = arena_printf(arena, "%s%.*s", text, (int)m->any_length, m->any);
    } else if (*pattern == '{') {
      long number = m->number[pattern[1] - 'a'] + (pattern[2] == '-' ? -1 : pattern[2] == '+' ? 1 : 0);
      text = arena_printf(arena, "%s%ld", text, number);
      pattern = strchr(pattern, '}');
    } else {
      size_t length = strcspn(pattern, "@{");
      text = arena_printf(arena, "%s%.*s", text, (int)length, pattern);
      pattern += length - 1;
    }
  }
  return text;
}

/* The key as that naming has it; NULL: it has none for it. */
static const char *named(Arena *arena, const Naming *n, const char *key) {
  for (int i = 0; i < MOST_PAIRS && n->pairs[i][0]; i++) {
    Match m = {0};
    if (match(n->pairs[i][0], key, &m)) return n->note ? fill(arena, n->pairs[i][1], &m) : key;
  }
  return NULL;
}

typedef struct Way {
  int naming, front;
} Way;

/* The way it was found goes to *way. Where `under` says what stands before the names, no other front is
 * looked for. */
static const surgery_tensor *find(Arena *arena, DonorFile *donor, const char *key, Way *way) {
  bool under = donor->rest && *donor->rest;
  for (way->front = 0; way->front < (under ? 1 : FRONTS); way->front++)
    for (way->naming = 0; way->naming < NAMINGS; way->naming++) {
      const char *name = named(arena, &namings[way->naming], key), *front = fronts[way->front];
      if (!name) continue;
      if (*front) name = arena_printf(arena, "%s%s", front, name);
      const surgery_tensor *t = donor_find(donor, donor_key(arena, donor, name));
      if (t) return t;
    }
  return NULL;
}

const surgery_tensor *donor_find_named(Arena *arena, DonorFile *donor, const char *key) {
  Way way;
  return find(arena, donor, key, &way);
}

bool donor_ignores(const char *name) {
  return ends_with(name, "embeddings.position_ids"); /* 0, 1, 2 …: old versions of transformers saved it */
}

void donor_names_note(Session *s, DonorFile *donor, const char *key, const surgery_tensor *t, bool said[2]) {
  Way way;
  if (streq(t->name, key) || find(s->arena, donor, key, &way) != t) return;
  if (way.front > 0 && !said[0])
    diag_report(&s->diags, DIAG_N0401, donor->span, "%s: prefix '%s' taken off; other parts of the file are not read",
                donor->path, fronts[way.front]);
  if (way.naming > 0 && !said[1])
    diag_report(&s->diags, DIAG_N0401, donor->span, "%s: %s", donor->path, namings[way.naming].note);
  said[0] |= way.front > 0;
  said[1] |= way.naming > 0;
}

/* ---- names of classes ----
 *
 * The script's labels, or those that the donor's own file keeps, as long as the layer which makes the outputs is still
 * the donor's. */

static const char *labels_text(Session *s, const Graph *g) {
  json_t *list = json_array();
  for (size_t i = 0; i < g->labels.count; i++) {
    json_t *label = json_string(g->labels.at[i]);
    if (!label) return json_decref(list), NULL; /* not UTF-8 */
    json_array_append_new(list, label);
  }
  char *text = json_dumps(list, JSON_COMPACT);
  const char *copy = text ? arena_strdup(s->arena, text) : NULL;
  free(text);
  json_decref(list);
  return copy;
}

/* The last layer with parameters before the first output. */
static const Module *last_layer(const Graph *g) {
  ValueId value = g->outputs.at[0].value;
  for (NodeId id = value_at(g, value)->producer; id != NO_ID; id = value_at(g, value)->producer) {
    const Node *n = node_at(g, id);
    if (n->module != NO_ID && module_at(g, n->module)->params.count > 0) return module_at(g, n->module);
    if (n->inputs.count != 1) return NULL;
    value = n->inputs.at[0];
  }
  return NULL;
}

const char *weights_class_names(Session *s, Graph *g) {
  if (g->labels.count > 0) return labels_text(s, g);
  const Module *m = last_layer(g);
  int donor = NO_ID;
  for (size_t i = 0; m && i < m->params.count; i++) {
    const Param *p = param_at(g, m->params.at[i]);
    if (p->donor == NO_ID || p->donor_region || p->patches.count > 0 || (donor != NO_ID && p->donor != donor))
      return NULL;
    donor = p->donor;
  }
  if (donor == NO_ID || g->donors.at[donor].saved || !donor_open(s, &g->donors.at[donor]) || !g->donors.at[donor].open)
    return NULL;
  return surgery_weights_metadata(g->donors.at[donor].open, "class_names");
}
