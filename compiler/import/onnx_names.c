/* What names out of an ONNX file say about the module tree. A PyTorch export keeps
 * the state-dict keys of its parameters, and since 1.13 the module path in its nodes' names; other files get
 * names made into identifiers. Called by the import's other files. */
#include "compiler/import/onnx_internal.h"
#include <ctype.h>

/* ---- state-dict keys ---- */

/* "layer1.0.conv1.weight": words of letters, digits and _ between dots, short enough to be a name. */
static bool is_key(const char *name) {
  size_t length = strlen(name), dots = 0;
  if (length > ONNX_MAX_NAME) return false;
  for (size_t i = 0; i < length; i++) {
    bool dot = name[i] == '.';
    if (!dot && !isalnum((unsigned char)name[i]) && name[i] != '_') return false;
    if (dot && (i == 0 || i + 1 == length || name[i - 1] == '.')) return false;
    dots += dot;
  }
  return dots > 0 && dots <= ONNX_MAX_DEPTH;
}

/* What DataParallel and torch.compile put before every name. */
static const char *unwrap(const OnnxImport *o, const char *name) {
  static const char *const prefixes[] = {"module.", "_orig_mod."};
  for (size_t i = 0; o->wrapped && i < 2; i++)
    if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return unwrap(o, name + strlen(prefixes[i]));
  return name;
}

const char *name_from_params(OnnxImport *o, const OnnxItem *item) {
  for (int i = 0; i < item->param_count; i++) {
    const char *name = unwrap(o, item->params[i].name), *dot = strrchr(name, '.');
    if (is_key(name) && streq(dot + 1, item->params[i].role))
      return arena_strndup(o->s->arena, name, (size_t)(dot - name));
  }
  return NULL;
}

/* ---- nodes' names ---- */

/* Letters, digits and _ (and dots inside, where a path may have them); never empty. */
static const char *identifier(Arena *arena, const char *text, size_t length, bool dots) {
  if (length > ONNX_MAX_NAME) length = ONNX_MAX_NAME;
  char *name = arena_strndup(arena, text, length);
  size_t count = 0;
  for (size_t i = 0; i < length; i++) {
    bool dot = dots && text[i] == '.' && count > 0 && name[count - 1] != '.' && i + 1 < length;
    name[count++] = dot || isalnum((unsigned char)text[i]) ? text[i] : '_';
  }
  while (count > 0 && name[count - 1] == '.') count--;
  name[count] = '\0';
  return count ? name : "_";
}

/* PyTorch writes the children of "layer1" as "layer1.0", and theirs as "conv1": a step that continues the one
 * before takes its place. */
static const char *scope_path(OnnxImport *o, const char *begin, const char *end) {
  Arena *arena = o->arena;
  const char *path = "", *above = "", *last = "";
  int depth = 0;
  for (const char *step = begin; step < end && depth < ONNX_MAX_DEPTH;) {
    const char *stop = memchr(step, '/', (size_t)(end - step));
    if (!stop) stop = end;
    if (stop > step) {
      const char *word = identifier(arena, step, (size_t)(stop - step), true);
      size_t length = strlen(last);
      bool goes_on = *last && strncmp(word, last, length) == 0 && word[length] == '.';
      if (!goes_on) above = path;
      path = *above ? arena_printf(arena, "%s.%s", above, word) : word;
      last = word;
      depth++;
      for (const char *c = word; *c; c++) depth += *c == '.';
    }
    step = stop + 1;
  }
  if (strlen(path) > 2 * ONNX_MAX_NAME) path = identifier(arena, path, ONNX_MAX_NAME, true);
  const char *inside = unwrap(o, arena_printf(arena, "%s.", path)); /* with a dot: the wrapper itself becomes "" */
  size_t length = strlen(inside);
  return length ? arena_strndup(arena, inside, length - 1) : "";
}

void name_from_node(OnnxImport *o, const char *name, const char *type, const char **scope, const char **last) {
  const char *slash = strrchr(name, '/');
  *scope = slash ? scope_path(o, name, slash) : NULL;
  const char *own = slash ? slash + 1 : name;
  if (!*own) own = type;
  *last = identifier(o->arena, own, strlen(own), false);
  bool number = (*last)[strspn(*last, "0123456789")] == '\0';
  if (isdigit((unsigned char)**last) && !number) *last = arena_printf(o->arena, "_%s", *last);
}
