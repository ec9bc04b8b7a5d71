/* From a pickled tree to named tensors: state dicts, nested dicts, whole modules, and the layers that PyTorch
 * has quantised, whose weights are packed. Reads no data. Called by torch_sets.c. */
#include "runtime/weights/torch.h"

#include <inttypes.h>
#include <stdio.h>

bool torch_is_dict(const PickleValue *v) { return v->kind == PICKLE_DICT; }
bool torch_is_list(const PickleValue *v) { return v->kind == PICKLE_LIST || v->kind == PICKLE_TUPLE; }

/* A module's own dict: _parameters and _modules are what torch.nn.Module always has. */
const PickleValue *torch_module_state(const PickleValue *v) {
  if (v->kind != PICKLE_OBJECT || !v->state) return NULL;
  const PickleValue *state = v->state;
  if (state->kind == PICKLE_TUPLE && state->count == 2) state = state->items[0]; /* (dict, slots) */
  if (!torch_is_dict(state)) return NULL;
  const PickleValue *parameters = pickle_get(state, "_parameters"), *modules = pickle_get(state, "_modules");
  return parameters && modules && torch_is_dict(parameters) && torch_is_dict(modules) ? state : NULL;
}

/* ---- names ---- */

/* Adds ".part" to the name; the old length, or -1. */
int torch_push_name(Walk *k, const PickleValue *at, const char *part, size_t length, size_t *old) {
  *old = k->length;
  if (length > TORCH_LONGEST_NAME - 1 - k->length) return torch_refuse_tensor(k, at, "the name is too long");
  if (memchr(part, 0, length)) return torch_refuse_tensor(k, at, "a zero byte in the next part of the name");
  if (k->length) k->name[k->length++] = '.';
  memcpy(k->name + k->length, part, length);
  k->length += length;
  k->name[k->length] = '\0';
  return 0;
}

void torch_pop_name(Walk *k, size_t old) {
  k->length = old;
  k->name[old] = '\0';
}

static int push_key(Walk *k, const PickleValue *key, size_t *old) {
  char number[24];
  if (key->kind == PICKLE_STRING) return torch_push_name(k, key, key->text, key->count, old);
  int length = snprintf(number, sizeof number, "%" PRId64, key->integer);
  return torch_push_name(k, key, number, (size_t)length, old);
}

/* ---- quantised layers: torch.ao.nn.quantized.Linear packs weight and bias in a pair ---- */

static const char packed_pair[] = "_packed_params._packed_params";

/* The length of what is before the last part `end` of a key, without the dot; -1 where the key ends
 * otherwise. */
static int64_t stem(const PickleValue *key, const char *end) {
  size_t tail = strlen(end);
  if (key->kind != PICKLE_STRING || key->count < tail || memcmp(key->text + key->count - tail, end, tail) != 0)
    return -1;
  if (key->count == tail) return 0;
  return key->text[key->count - tail - 1] == '.' ? (int64_t)(key->count - tail - 1) : -1;
}

/* Is there a key STEM.end whose value is quantised, or a pair of such? */
static bool quantised_beside(Walk *k, const PickleValue *dict, const char *text, int64_t length, const char *end) {
  k->visits += dict->count / 2;
  for (uint32_t i = 0; i + 1 < dict->count && k->visits < k->most_visits; i += 2) {
    const PickleValue *v = dict->items[i + 1];
    if (stem(dict->items[i], end) != length || memcmp(dict->items[i]->text, text, (size_t)length) != 0) continue;
    if (torch_is_list(v) && v->count > 0) v = v->items[0];
    return v->kind == PICKLE_TENSOR && v->tensor->quantised;
  }
  return false;
}

/* The scale and zero point of what a quantised layer gives: no part of a network that computes with floats.
 */
static bool is_output_scale(Walk *k, const PickleValue *dict, const PickleValue *key) {
  int64_t length = k->t->machine.quantised ? stem(key, "scale") : -1;
  if (length < 0 && k->t->machine.quantised) length = stem(key, "zero_point");
  return length >= 0 && (quantised_beside(k, dict, key->text, length, "weight") ||
                         quantised_beside(k, dict, key->text, length, packed_pair));
}

/* STEM._packed_params._packed_params = (weight, bias) is what STEM.weight and STEM.bias are of the layer
 * before. */
static int collect_pair(Walk *k, const PickleValue *key, int64_t length, const PickleValue *pair, int depth) {
  static const char *const roles[] = {"weight", "bias"};
  size_t old = k->length, inner;
  if (length > 0 && torch_push_name(k, key, key->text, (size_t)length, &old)) return -1;
  for (uint32_t i = 0; i < pair->count && i < 2; i++) {
    if (torch_push_name(k, key, roles[i], strlen(roles[i]), &inner) || torch_walk(k, pair->items[i], depth)) return -1;
    torch_pop_name(k, inner);
  }
  torch_pop_name(k, old);
  return 0;
}

/* ---- the walk ---- */

/* The entries of a dict whose keys can be a name's part. */
static int collect_dict(Walk *k, const PickleValue *dict, int depth) {
  for (uint32_t i = 0; i + 1 < dict->count; i += 2) {
    const PickleValue *key = dict->items[i];
    size_t old;
    if (key->kind != PICKLE_STRING && key->kind != PICKLE_INT) continue;
    int64_t packed = torch_is_list(dict->items[i + 1]) ? stem(key, packed_pair) : -1;
    if (packed >= 0) {
      if (collect_pair(k, key, packed, dict->items[i + 1], depth + 1)) return -1;
      continue;
    }
    if (is_output_scale(k, dict, key)) continue;
    if (push_key(k, key, &old) || torch_walk(k, dict->items[i + 1], depth + 1)) return -1;
    torch_pop_name(k, old);
  }
  return 0;
}

static bool in_set(const PickleValue *set, const PickleValue *name) {
  if (!set || set->kind != PICKLE_SET || name->kind != PICKLE_STRING) return false;
  for (uint32_t i = 0; i < set->count; i++) {
    const PickleValue *item = set->items[i];
    if (item->kind == PICKLE_STRING && item->count == name->count && memcmp(item->text, name->text, name->count) == 0)
      return true;
  }
  return false;
}

/* As Module.state_dict(): parameters, then buffers that are persistent, then children. */
static int collect_module(Walk *k, const PickleValue *state, int depth) {
  const PickleValue *buffers = pickle_get(state, "_buffers"),
                    *passing = pickle_get(state, "_non_persistent_buffers_set");
  if (collect_dict(k, pickle_get(state, "_parameters"), depth)) return -1;
  for (uint32_t i = 0; buffers && torch_is_dict(buffers) && i + 1 < buffers->count; i += 2) {
    const PickleValue *key = buffers->items[i], *value = buffers->items[i + 1];
    size_t old;
    if (value->kind != PICKLE_TENSOR || key->kind != PICKLE_STRING || in_set(passing, key)) continue;
    if (push_key(k, key, &old) || torch_walk(k, value, depth + 1)) return -1;
    torch_pop_name(k, old);
  }
  return collect_dict(k, pickle_get(state, "_modules"), depth);
}

int torch_walk(Walk *k, const PickleValue *v, int depth) {
  if (depth > TORCH_DEEPEST) {
    return pickle_refuse(&k->t->machine, v->at, "recursion too deep: nested over %d levels, or containing itself",
                         TORCH_DEEPEST);
  }
  if (++k->visits > k->most_visits)
    return torch_refuse_tensor(k, v, "the values are shared to more names than any network has");
  if (v->kind == PICKLE_TENSOR) return torch_add_tensor(k, v);
  if (torch_is_dict(v)) return collect_dict(k, v, depth);
  if (v->kind == PICKLE_OBJECT) {
    const PickleValue *state = torch_module_state(v);
    return state ? collect_module(k, state, depth) : 0;
  }
  if (v->kind == PICKLE_CALL) return torch_check_call(k, v);
  for (uint32_t i = 0; torch_is_list(v) && i < v->count; i++) {
    char number[16];
    size_t old;
    int length = snprintf(number, sizeof number, "%" PRIu32, i);
    if (torch_push_name(k, v, number, (size_t)length, &old) || torch_walk(k, v->items[i], depth + 1)) return -1;
    torch_pop_name(k, old);
  }
  return 0;
}
