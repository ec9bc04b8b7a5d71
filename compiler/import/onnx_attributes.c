/* Attributes of a node, by name and type, and the messages about nodes. A node with an attribute that its
 * operator's row does not list is refused: what it would mean cannot be guessed. Called by the operators'
 * functions. */
#include "compiler/import/onnx_internal.h"

const char *onnx_node_name(OnnxImport *o, int node) {
  const OnnxNode *n = o->nodes[node].node;
  const char *name = n->name && *n->name ? n->name : n->n_output > 0 ? n->output[0] : "";
  return arena_strdup(o->s->arena, SG_Q(name));
}

static void help_with(OnnxImport *o, Diag *d, DiagCode code) {
  const char *help =
      code == DIAG_E0601   ? "export the model again; torch.onnx.export writes such a file"
      : code == DIAG_E0604 ? "export the model again with its weights, for the input and the output that are wanted"
      : code == DIAG_E0605 ? "export it for one tensor of floating numbers, the batch first"
                           : "export it in another form, or declare the network with `model` and take the "
                             "weights alone: take Net from FILE";
  diag_help(&o->s->diags, d, "%s", help);
}

bool onnx_refuse(OnnxImport *o, int node, const char *format, ...) {
  if (o->reports++ >= ONNX_MAX_REPORTS) return false;
  const OnnxNode *n = o->nodes[node].node;
  va_list args;
  va_start(args, format);
  const char *text = arena_vprintf(o->s->arena, format, args);
  va_end(args);
  Diag *d = diag_report(&o->s->diags, DIAG_E0603, o->span, "node '%s' (%s): %s", onnx_node_name(o, node),
                        SG_Q(n->op_type), text);
  diag_note(&o->s->diags, d, "in %s", SG_Q(o->path));
  help_with(o, d, DIAG_E0603);
  return false;
}

bool onnx_broken(OnnxImport *o, DiagCode code, const char *format, ...) {
  if (o->reports++ >= ONNX_MAX_REPORTS) return false;
  va_list args;
  va_start(args, format);
  const char *text = arena_vprintf(o->s->arena, format, args);
  va_end(args);
  help_with(o, diag_report(&o->s->diags, code, o->span, "%s: %s", SG_Q(o->path), text), code);
  return false;
}

static const Onnx__AttributeProto *find(OnnxImport *o, int node, const char *name) {
  const OnnxNode *n = o->nodes[node].node;
  for (size_t i = 0; i < n->n_attribute; i++)
    if (n->attribute[i]->name && strcmp(n->attribute[i]->name, name) == 0) return n->attribute[i];
  return NULL;
}

/* A zero is not always written out: then the type alone says what the attribute is. */
static bool has_type(OnnxImport *o, int node, const Onnx__AttributeProto *a, int type, bool present, const char *what) {
  if (present || (a->has_type && a->type == type)) return true;
  return onnx_refuse(o, node, "the attribute %s is not %s", a->name, what);
}

bool attribute_there(OnnxImport *o, int node, const char *name) { return find(o, node, name) != NULL; }

bool attribute_int(OnnxImport *o, int node, const char *name, int64_t *out) {
  const Onnx__AttributeProto *a = find(o, node, name);
  if (!a) return true;
  if (!has_type(o, node, a, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, a->has_i, "an integer")) return false;
  *out = a->i;
  return true;
}

bool attribute_float(OnnxImport *o, int node, const char *name, double *out) {
  const Onnx__AttributeProto *a = find(o, node, name);
  if (!a) return true;
  if (!has_type(o, node, a, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, a->has_f, "a number")) return false;
  *out = (double)a->f;
  return true;
}

bool attribute_text(OnnxImport *o, int node, const char *name, const char **out) {
  const Onnx__AttributeProto *a = find(o, node, name);
  if (!a) return true;
  if (!has_type(o, node, a, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, a->has_s, "a text")) return false;
  *out = arena_strndup(o->arena, a->s.data ? (const char *)a->s.data : "", a->s.len);
  return true;
}

bool attribute_ints(OnnxImport *o, int node, const char *name, int64_t *out, size_t *count, size_t most) {
  const Onnx__AttributeProto *a = find(o, node, name);
  if (!a) return true;
  if (!has_type(o, node, a, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, a->n_ints > 0, "a list of integers"))
    return false;
  if (a->n_ints > most)
    return onnx_refuse(o, node, "the attribute %s has %zu numbers; at most %zu are read", name, a->n_ints, most);
  for (size_t i = 0; i < a->n_ints; i++) out[i] = a->ints[i];
  *count = a->n_ints;
  return true;
}

/* Is the word one of those in `known`, which are separated by blanks? */
static bool listed(const char *known, const char *word) {
  size_t length = strlen(word);
  for (const char *at = known; length && (at = strstr(at, word)); at++)
    if ((at == known || at[-1] == ' ') && (at[length] == ' ' || !at[length])) return true;
  return false;
}

bool attributes_known(OnnxImport *o, int node, const char *known) {
  const OnnxNode *n = o->nodes[node].node;
  bool good = true;
  if (n->n_attribute > 32) return onnx_refuse(o, node, "%zu attributes; no operator has as many", n->n_attribute);
  for (size_t i = 0; i < n->n_attribute; i++) {
    const char *name = n->attribute[i]->name ? n->attribute[i]->name : "";
    if (!listed(known, name)) good = onnx_refuse(o, node, "the attribute %s is not supported", SG_Q(name));
    for (size_t k = 0; k < i; k++)
      if (streq(name, n->attribute[k]->name))
        good = onnx_refuse(o, node, "the attribute %s stands there twice", SG_Q(name));
  }
  return good;
}
