/* Picking tensors by dotted names and globs, for surgery_save and `export --only`. The small brother of the
 * compiler's selectors: names, layers, globs and unions of them; it does not know types or order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/base/nearest.h"
#include "runtime/net/net.h"

/* One component [p, p_end) of a pattern against one of a name: *, ? and {a,b} within it. Depth is bounded by
 * the pattern's length. */
static bool match_component(const char *p, const char *p_end, const char *s, const char *s_end) {
  while (p < p_end) {
    if (*p == '*') {
      for (const char *rest = s; rest <= s_end; rest++)
        if (match_component(p + 1, p_end, rest, s_end)) return true;
      return false;
    }
    if (*p == '{') {
      const char *close = memchr(p, '}', (size_t)(p_end - p));
      if (!close) return false;
      for (const char *word = p + 1; word <= close;) {
        const char *stop = word;
        while (stop < close && *stop != ',') stop++;
        size_t length = (size_t)(stop - word);
        if ((size_t)(s_end - s) >= length && memcmp(s, word, length) == 0 &&
            match_component(close + 1, p_end, s + length, s_end))
          return true;
        word = stop + 1;
      }
      return false;
    }
    if (s == s_end || (*p != '?' && *p != *s)) return false;
    p++, s++;
  }
  return s == s_end;
}

static const char *component_end(const char *p, const char *end) {
  while (p < end && *p != '.') p++;
  return p;
}

/* A dotted pattern against the head of a dotted name: a layer's name picks all that is in it. */
static bool match_dotted(const char *p, const char *p_end, const char *s, const char *s_end) {
  if (p >= p_end) return true;
  const char *p_stop = component_end(p, p_end);
  const char *p_next = p_stop < p_end ? p_stop + 1 : p_end;
  if (p_stop - p == 2 && p[0] == '*' && p[1] == '*') {
    for (const char *rest = s;;) {
      if (match_dotted(p_next, p_end, rest, s_end)) return true;
      rest = component_end(rest, s_end);
      if (rest >= s_end) return false;
      rest++;
    }
  }
  if (s >= s_end) return false;
  const char *s_stop = component_end(s, s_end);
  if (!match_component(p, p_stop, s, s_stop)) return false;
  return match_dotted(p_next, p_end, s_stop < s_end ? s_stop + 1 : s_end, s_end);
}

/* The next part of a union, without blanks around it; false: no more. Commas in braces do not separate. */
static bool next_part(const char **at, const char **begin, const char **end) {
  const char *p = *at;
  if (!p) return false;
  int depth = 0;
  *begin = p;
  for (; *p && (*p != ',' || depth); p++) depth += (*p == '{') - (*p == '}');
  *end = p;
  *at = *p ? p + 1 : NULL;
  while (*begin < *end && **begin == ' ') ++*begin;
  while (*end > *begin && (*end)[-1] == ' ') --*end;
  return true;
}

static bool part_selects(const char *begin, const char *end, const char *name) {
  if (begin == end) return false;
  if (end - begin == 3 && memcmp(begin, "all", 3) == 0) return true;
  return match_dotted(begin, end, name, name + strlen(name));
}

bool net_selects(const char *selector, const char *name) {
  const char *begin, *end;
  for (const char *at = selector; next_part(&at, &begin, &end);)
    if (part_selects(begin, end, name)) return true;
  return false;
}

static int nothing_selected(const surgery_net *net, const char *begin, const char *end, surgery_error *err) {
  char wanted[128];
  size_t length = (size_t)(end - begin) < sizeof wanted - 1 ? (size_t)(end - begin) : sizeof wanted - 1;
  memcpy(wanted, begin, length);
  wanted[length] = 0;
  const Manifest *m = net->manifest;
  const char **names = calloc(m->tensor_count + m->layer_count + 1, sizeof *names);
  const char *near = NULL;
  if (names) {
    size_t count = 0;
    for (size_t i = 0; i < m->layer_count; i++) names[count++] = m->layers[i].name;
    for (size_t i = 0; i < m->tensor_count; i++) names[count++] = m->tensors[i].name;
    near = nearest_name(wanted, names, count);
  }
  sg_fail(err, SURGERY_BAD_INPUT,
          near ? "the selector '%s' matches no tensor; did you mean '%s'?" : "the selector '%s' matches no tensor",
          SG_Q(wanted), near);
  free(names);
  return -1;
}

void net_tensor(const surgery_net *net, size_t index, surgery_tensor_out *out) {
  const ManifestTensor *t = &net->manifest->tensors[index];
  *out = (surgery_tensor_out){.name = t->name,
                              .dtype = t->i64 ? SURGERY_I64 : SURGERY_F32,
                              .rank = t->shape.rank,
                              .data = net->weights + t->offset};
  memcpy(out->shape, t->shape.dim, sizeof out->shape);
}

int net_select(const surgery_net *net, const char *selector, surgery_tensor_out **tensors, size_t *count,
               surgery_error *err) {
  const Manifest *m = net->manifest;
  if (!selector) selector = "all";
  const char *begin, *end;
  for (const char *at = selector; next_part(&at, &begin, &end);) { /* each part must match something */
    bool any = false;
    for (size_t i = 0; i < m->tensor_count && !any; i++) any = part_selects(begin, end, m->tensors[i].name);
    if (!any) return nothing_selected(net, begin, end, err);
  }
  *count = 0;
  *tensors = calloc(m->tensor_count + 1, sizeof **tensors);
  if (!*tensors) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    if (!net_selects(selector, t->name)) continue;
    net_tensor(net, i, &(*tensors)[(*count)++]);
  }
  return 0;
}

/* ---- values, for inspect ---- */

static bool is_word(const char *begin, const char *end, const char *word) {
  return (size_t)(end - begin) == strlen(word) && memcmp(begin, word, strlen(word)) == 0;
}

static const char *word_end(const char *at, const char *end) {
  while (at < end && *at != ' ') at++;
  return at;
}

static const char *next_word(const char *at, const char *end) {
  at = word_end(at, end);
  while (at < end && *at == ' ') at++;
  return at;
}

/* By its own name or by that of its layer: relu picks relu_1 too, the second call of that layer. */
static bool names_value(const char *begin, const char *end, const ManifestValue *v) {
  return part_selects(begin, end, v->name) || (v->layer && part_selects(begin, end, v->layer));
}

/* "every TYPE" and "every TYPE in NAME", else names. */
static bool part_selects_value(const char *begin, const char *end, const ManifestValue *v) {
  if (!is_word(begin, word_end(begin, end), "every")) return names_value(begin, end, v);
  const char *type = next_word(begin, end), *in = next_word(type, end);
  if (!is_word(type, word_end(type, end), v->type)) return false;
  if (in == end) return true;
  const char *place = next_word(in, end);
  return is_word(in, word_end(in, end), "in") && place < end && names_value(place, end, v);
}

static int no_value_selected(const Manifest *m, const char *begin, const char *end, surgery_error *err) {
  bool type = is_word(begin, word_end(begin, end), "every");
  const char *word = type ? next_word(begin, end) : begin, *near = NULL;
  char wanted[128], name[128];
  snprintf(wanted, sizeof wanted, "%.*s", (int)(end - begin), begin);
  snprintf(name, sizeof name, "%.*s", (int)(end - word), word);
  const char **names = calloc(m->value_count + 1, sizeof *names);
  for (size_t i = 0; names && i < m->value_count; i++) names[i] = type ? m->values[i].type : m->values[i].name;
  if (names) near = nearest_name(name, names, m->value_count);
  sg_fail(err, SURGERY_BAD_INPUT,
          near ? "the selector '%s' matches no layer; did you mean '%s%s'?" : "the selector '%s' matches no layer",
          SG_Q(wanted), type ? "every " : "", near);
  free(names);
  return -1;
}

int net_select_values(const surgery_net *net, const char *selector, bool *picked, surgery_error *err) {
  const Manifest *m = net->manifest;
  const char *begin, *end;
  memset(picked, 0, m->value_count * sizeof *picked);
  for (const char *at = selector; next_part(&at, &begin, &end);) {
    bool any = false;
    for (size_t i = 0; i < m->value_count; i++) {
      bool selects = part_selects_value(begin, end, &m->values[i]);
      picked[i] |= selects, any |= selects;
    }
    if (!any) return no_value_selected(m, begin, end, err);
  }
  return 0;
}
