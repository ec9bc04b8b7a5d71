/* Definition, references, highlights and rename, from the names of names.c. Called by server.c. */
#include "compiler/driver/lsp/names.h"

static const NameUse *use_at(const Request *r, const NameUses *uses) {
  for (size_t i = 0; i < uses->count; i++)
    if (span_holds(uses->at[i].span, r->source, r->offset)) return &uses->at[i];
  return NULL;
}

static bool is_definition(const NameUse *use) { return memcmp(&use->span, &use->symbol->span, sizeof(Span)) == 0; }

/* A file that is included several times has each place more than once. */
static bool is_first(const NameUses *uses, size_t i) {
  for (size_t k = 0; k < i; k++)
    if (memcmp(&uses->at[k].span, &uses->at[i].span, sizeof(Span)) == 0) return false;
  return true;
}

/* The included file, from its name. */
static json_t *included_file(Request *r) {
  for (uint32_t i = r->a->root; i < r->a->s.sources.files.count; i++)
    if (span_holds(r->a->s.sources.files.at[i].included, r->source, r->offset))
      return request_location(r, (Span){i, 0, 0});
  return NULL;
}

json_t *answer_definition(Request *r) {
  NameUses uses = find_names(r);
  const NameUse *use = use_at(r, &uses);
  return use ? request_location(r, use->symbol->span) : included_file(r);
}

json_t *answer_references(Request *r) {
  bool declaration = json_is_true(json_object_get(json_object_get(r->params, "context"), "includeDeclaration"));
  NameUses uses = find_names(r);
  const NameUse *use = use_at(r, &uses);
  if (!use) return NULL;
  json_t *list = json_array();
  for (size_t i = 0; i < uses.count; i++) {
    if (uses.at[i].symbol != use->symbol || (!declaration && is_definition(&uses.at[i])) || !is_first(&uses, i))
      continue;
    json_t *location = request_location(r, uses.at[i].span);
    if (location) json_array_append_new(list, location);
  }
  return list;
}

json_t *answer_highlights(Request *r) {
  NameUses uses = find_names(r);
  const NameUse *use = use_at(r, &uses);
  if (!use) return NULL;
  json_t *list = json_array();
  for (size_t i = 0; i < uses.count; i++)
    if (uses.at[i].symbol == use->symbol && uses.at[i].span.source == r->source && is_first(&uses, i))
      json_array_append_new(list, json_pack("{s:o, s:i}", "range", request_range(r, uses.at[i].span), "kind",
                                            is_definition(&uses.at[i]) ? 3 : 2));
  return list;
}

json_t *answer_prepare_rename(Request *r) {
  NameUses uses = find_names(r);
  const NameUse *use = use_at(r, &uses);
  if (!use) return NULL;
  return json_pack("{s:o, s:s}", "range", request_range(r, use->span), "placeholder", use->symbol->name);
}

static bool is_name(const char *text) {
  if (!text || !*text || (*text >= '0' && *text <= '9')) return false;
  for (; *text; text++)
    if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9') ||
          *text == '_'))
      return false;
  return true;
}

json_t *answer_rename(Request *r) {
  const char *name = json_string_value(json_object_get(r->params, "newName"));
  NameUses uses = find_names(r);
  const NameUse *use = use_at(r, &uses);
  if (!use) r->refusal = "this name is not declared in the script";
  else if (!is_name(name) || streq(name, "_"))
    r->refusal = "a name has letters, digits and _, and begins with no digit";
  for (size_t i = 0; !r->refusal && i < uses.count; i++)
    if (uses.at[i].symbol != use->symbol && uses.at[i].symbol->kind == use->symbol->kind &&
        streq(uses.at[i].symbol->name, name) && uses.at[i].symbol->span.source == use->symbol->span.source)
      r->refusal = arena_printf(r->arena, "there is another '%s'", name);
  if (r->refusal) return NULL;
  json_t *changes = json_object();
  for (size_t i = 0; i < uses.count; i++) {
    if (uses.at[i].symbol != use->symbol || !is_first(&uses, i)) continue;
    const char *uri = request_uri(r, uses.at[i].span.source);
    if (!uri) continue;
    if (!json_object_get(changes, uri)) json_object_set_new(changes, uri, json_array());
    json_array_append_new(json_object_get(changes, uri),
                          json_pack("{s:o, s:s}", "range", request_range(r, uses.at[i].span), "newText", name));
  }
  return json_pack("{s:o}", "changes", changes);
}

json_t *answer_links(Request *r) {
  json_t *list = json_array();
  for (uint32_t i = r->a->root; i < r->a->s.sources.files.count; i++) {
    Span span = r->a->s.sources.files.at[i].included;
    const char *uri = span.source == r->source ? request_uri(r, i) : NULL;
    if (uri) json_array_append_new(list, json_pack("{s:o, s:s}", "range", request_range(r, span), "target", uri));
  }
  return list;
}
