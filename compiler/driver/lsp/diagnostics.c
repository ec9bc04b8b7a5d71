/* Messages of the compiler as diagnostics, and their fixes as code actions. Changes no message. Called by server.c. */
#include "compiler/driver/lsp/server.h"
#include <stdlib.h>

static int severity_number(DiagSeverity severity) {
  return severity == SEVERITY_ERROR ? 1 : severity == SEVERITY_WARNING ? 2 : 3;
}

static const char *message_text(Request *r, const Diag *d) {
  const char *text = d->message;
  if (d->caret_text) text = arena_printf(r->arena, "%s: %s", text, d->caret_text);
  for (size_t i = 0; !r->server->related_places && i < d->labels.count; i++)
    text = arena_printf(r->arena, "%s\n%s", text, d->labels.at[i].text);
  for (size_t i = 0; i < d->notes.count; i++) text = arena_printf(r->arena, "%s\nnote: %s", text, d->notes.at[i]);
  for (size_t i = 0; i < d->help.count; i++) text = arena_printf(r->arena, "%s\nhelp: %s", text, d->help.at[i]);
  return text;
}

static void add_related(Request *r, json_t *list, Span span, const char *message) {
  json_t *location = request_location(r, span);
  if (location)
    json_array_append_new(list, json_pack("{s:o, s:o}", "location", location, "message", json_clean(message)));
}

static json_t *related_places(Request *r, const Diag *d) {
  json_t *list = json_array();
  for (size_t i = 0; i < d->labels.count; i++) add_related(r, list, d->labels.at[i].span, d->labels.at[i].text);
  const Sources *sources = &r->a->s.sources;
  for (Span span = d->span; span.source < sources->files.count;) {
    span = sources->files.at[span.source].included;
    add_related(r, list, span, "included from here");
  }
  return list;
}

/* Where it is shown: without a place of its own, at the script's beginning. */
static Span place_of(const Request *r, const Diag *d) {
  bool file = source_is_users(&r->a->s.sources, d->span) && *r->a->s.sources.files.at[d->span.source].path != '<';
  return file ? d->span : (Span){r->a->root, 0, 0};
}

static json_t *diagnostic(Request *r, const Diag *d) {
  json_t *object = json_pack("{s:o, s:i, s:s, s:s, s:o}", "range", request_range(r, place_of(r, d)), "severity",
                             severity_number(d->severity), "code", diag_code_name(d->code), "source", "surgeryc",
                             "message", json_clean(message_text(r, d)));
  json_t *related = related_places(r, d);
  if (r->server->related_places && json_array_size(related)) json_object_set_new(object, "relatedInformation", related);
  else json_decref(related);
  return object;
}

/* ---- publishing ---- */

static void publish(Server *server, const char *uri, json_t *list) {
  json_t *params = json_pack("{s:s, s:o}", "uri", uri, "diagnostics", list);
  for (const Document *d = server->documents; d; d = d->next)
    if (streq(d->uri, uri)) json_object_set_new(params, "version", json_integer(d->version));
  rpc_notify(&server->rpc, "textDocument/publishDiagnostics", params);
}

/* A file on its own that only declares things is there to be included: that it takes no network is no mistake. */
static bool is_library(Analysis *a) {
  const SourceView *view = analysis_view(a, a->root);
  if (!view || !view->tree) return false;
  for (const Stmt *s = view->tree; s; s = s->next)
    if (s->kind != STMT_MODEL && s->kind != STMT_LET && s->kind != STMT_PARAM && s->kind != STMT_INCLUDE) return false;
  return true;
}

static bool is_shown(Request *r, const Diag *d) { return d->code != DIAG_E0126 || !is_library(r->a); }

static void told(Document *document, const char *uri) {
  for (size_t i = 0; i < document->told_count; i++)
    if (streq(document->told[i], uri)) return;
  char **list = realloc(document->told, (document->told_count + 1) * sizeof *list);
  if (!list) fail_environment("no memory");
  list[document->told_count++] = strdup(uri);
  document->told = list;
}

static json_t *failure(Request *r) {
  return json_pack("{s:o, s:i, s:s, s:o}", "range", request_range(r, (Span){r->a->root, 0, 0}), "severity", 1, "source",
                   "surgeryc", "message", json_clean(r->a->failure));
}

void publish_diagnostics(Server *server, Document *document) {
  Document *root = server_root(server, document);
  if (root) { /* the other speaks for it */
    document->published = true;
    forget_diagnostics(server, document);
    if (!root->published) publish_diagnostics(server, root);
    return;
  }
  Arena *arena = arena_create();
  Request r = {.server = server, .document = document, .a = server_analysis(server, document), .arena = arena};
  document->published = true;
  json_t *lists = json_object();
  for (size_t i = 0; i < document->told_count; i++) json_object_set_new(lists, document->told[i], json_array());
  json_object_set_new(lists, document->uri, json_array());
  Diag **sorted = diag_sorted(&r.a->s.diags, arena);
  size_t most = r.a->s.diags.all.count < 1000 ? r.a->s.diags.all.count : 1000;
  for (size_t i = 0; i < most; i++) {
    if (!is_shown(&r, sorted[i])) continue;
    const char *uri = request_uri(&r, place_of(&r, sorted[i]).source);
    if (!uri) continue;
    if (!json_object_get(lists, uri)) json_object_set_new(lists, uri, json_array());
    json_array_append_new(json_object_get(lists, uri), diagnostic(&r, sorted[i]));
  }
  if (r.a->failure) {
    json_t *item = r.a->s.sources.files.count > r.a->root ? failure(&r) : NULL;
    if (item) json_array_append_new(json_object_get(lists, document->uri), item);
    rpc_notify(&server->rpc, "window/logMessage",
               json_pack("{s:i, s:o}", "type", 1, "message", json_clean(r.a->failure)));
  }
  const char *uri;
  json_t *list;
  json_object_foreach(lists, uri, list) {
    told(document, uri);
    publish(server, uri, json_incref(list));
  }
  json_decref(lists);
  arena_destroy(arena);
}

void forget_diagnostics(Server *server, Document *document) {
  for (size_t i = 0; i < document->told_count; i++) {
    publish(server, document->told[i], json_array());
    free(document->told[i]);
  }
  document->told_count = 0;
}

/* ---- fixes ---- */

static const char *shortened(Arena *arena, const char *text, size_t length) {
  enum { LONGEST = 50 };
  size_t shown = strcspn(text, "\n");
  if (shown > length) shown = length;
  bool cut = shown < length;
  if (shown > LONGEST) shown = LONGEST, cut = true;
  while (shown > 0 && ((unsigned char)text[shown] & 0xC0) == 0x80) shown--;
  return arena_printf(arena, "%.*s%s", (int)shown, text, cut ? " …" : "");
}

static const char *fix_title(Request *r, const DiagFix *fix) {
  const char *text = r->a->s.sources.files.at[fix->span.source].text + fix->span.begin;
  const char *old = shortened(r->arena, text, fix->span.end - fix->span.begin);
  const char *new = fix->text + strspn(fix->text, "\n");
  new = shortened(r->arena, new, strlen(new));
  if (!*fix->text) return arena_printf(r->arena, "Remove '%s'", old);
  if (fix->span.begin == fix->span.end) return arena_printf(r->arena, "Insert '%s'", new);
  return arena_printf(r->arena, "Replace '%s' with '%s'", old, new);
}

static json_t *code_action(Request *r, const Diag *d, const DiagFix *fix) {
  const char *uri = request_uri(r, fix->span.source);
  if (!uri) return NULL;
  json_t *edit = json_pack("{s:o, s:o}", "range", request_range(r, fix->span), "newText", json_clean(fix->text));
  return json_pack("{s:o, s:s, s:b, s:[o], s:{s:{s:[o]}}}", "title", json_clean(fix_title(r, fix)), "kind", "quickfix",
                   "isPreferred", d->fixes.count == 1, "diagnostics", diagnostic(r, d), "edit", "changes", uri, edit);
}

static uint32_t offset_at(const Request *r, const json_t *position) {
  return (uint32_t)text_offset(&r->view->text, r->server->encoding,
                               json_integer_value(json_object_get(position, "line")),
                               json_integer_value(json_object_get(position, "character")));
}

static bool kind_is_asked(const json_t *only) {
  size_t i;
  json_t *kind;
  if (!json_is_array(only)) return true;
  json_array_foreach(only, i, kind) {
    const char *name = json_string_value(kind);
    if (name && (*name == '\0' || streq(name, "quickfix"))) return true;
  }
  return false;
}

json_t *answer_code_action(Request *r) {
  const json_t *range = json_object_get(r->params, "range");
  json_t *list = json_array();
  uint32_t begin = offset_at(r, json_object_get(range, "start")), end = offset_at(r, json_object_get(range, "end"));
  if (!kind_is_asked(json_object_get(json_object_get(r->params, "context"), "only"))) return list;
  for (size_t i = 0; i < r->a->s.diags.all.count; i++) {
    const Diag *d = r->a->s.diags.all.at[i];
    Span place = place_of(r, d);
    if (place.source != r->source || place.begin > end || place.end < begin) continue;
    for (size_t k = 0; k < d->fixes.count; k++) {
      json_t *action = code_action(r, d, &d->fixes.at[k]);
      if (action) json_array_append_new(list, action);
    }
  }
  return list;
}
