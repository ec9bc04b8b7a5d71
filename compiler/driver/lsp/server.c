/* The language server's loop: the state of the protocol, the documents, and which function answers what. Knows nothing
 * of the language. Called by command_lsp.c and by the fuzzer. */
#include "compiler/driver/lsp/server.h"
#include <stdlib.h>

/* ---- documents and analyses ---- */

Document *server_document(Server *server, const char *path) {
  for (Document *d = server->documents; d; d = d->next)
    if (streq(d->path, path)) return d;
  return NULL;
}

static Document *by_uri(Server *server, const char *uri) {
  for (Document *d = server->documents; uri && d; d = d->next)
    if (streq(d->uri, uri)) return d;
  return NULL;
}

static const char *open_text(void *user, const char *path, size_t *length) {
  Server *server = user;
  char *plain = path_plain(path);
  const Document *d = plain ? server_document(server, plain) : NULL;
  free(plain);
  if (!d) return NULL;
  *length = d->length;
  return d->bytes;
}

static void drop_analysis(Document *d) {
  if (d->now != d->good) analysis_free(d->now);
  d->now = NULL;
  d->published = false;
}

Analysis *server_analysis(Server *server, Document *d) {
  if (d->now) return d->now;
  d->now = analysis_new(&server->setup, d->path);
  if (d->now->script.graph) {
    analysis_free(d->good);
    d->good = d->now;
  }
  return d->now;
}

static bool includes(Server *server, Document *outer, const Document *inner) {
  return analysis_source(server_analysis(server, outer), inner->path) != SPAN_NO_SOURCE;
}

/* Where two include each other the one that was opened first speaks for both. */
Document *server_root(Server *server, Document *document) {
  bool later = true;
  for (Document *d = server->documents; d; d = d->next) {
    if (d == document) later = false;
    else if (includes(server, d, document) && (later || !includes(server, document, d))) return d;
  }
  return NULL;
}

static void drop_all(Server *server) {
  server->elsewhere = true;
  for (Document *d = server->documents; d; d = d->next) drop_analysis(d);
}

static void drop_those_with(Server *server, const Document *changed) {
  for (Document *d = server->documents; d; d = d->next) {
    if (d != changed && !(d->now && analysis_source(d->now, changed->path) != SPAN_NO_SOURCE)) continue;
    server->elsewhere = server->elsewhere || d != changed;
    drop_analysis(d);
  }
}

static void close_document(Server *server, Document *d) {
  Document **link = &server->documents;
  while (*link != d) link = &(*link)->next;
  *link = d->next;
  drop_analysis(d);
  analysis_free(d->good);
  document_free(d);
}

/* ---- what answers share ---- */

const char *request_uri(Request *r, uint32_t source) {
  if (source >= r->a->s.sources.files.count) return NULL;
  const char *path = r->a->s.sources.files.at[source].path;
  if (*path == '<') return NULL;
  char *plain = path_plain(path);
  const Document *d = server_document(r->server, plain);
  char *uri = d ? strdup(d->uri) : path_to_uri(plain);
  const char *kept = arena_strdup(r->arena, uri);
  free(uri);
  free(plain);
  return kept;
}

json_t *request_range(Request *r, Span span) {
  const SourceView *view = analysis_view(r->a, span.source);
  return view ? text_range(&view->text, r->server->encoding, span.begin, span.end) : NULL;
}

json_t *request_location(Request *r, Span span) {
  const char *uri = request_uri(r, span.source);
  return uri ? json_pack("{s:s, s:o}", "uri", uri, "range", request_range(r, span)) : NULL;
}

const Moment *request_moment(Request *r, uint32_t offset, Analysis **of) {
  const Moment *m = analysis_moment(r->a, r->source, offset);
  Analysis *good = r->document->good;
  *of = r->a;
  if ((m && m->layers) || !good || good == r->a) return m;
  uint32_t source = analysis_source(good, r->document->path);
  const SourceView *view = analysis_view(good, source);
  *of = good;
  if (!view) return NULL;
  size_t line, character; /* its text was another one: the same line, or else the first network that it had */
  text_place(&r->view->text, ENCODING_UTF8, offset, &line, &character);
  m = analysis_moment(good, source, (uint32_t)text_offset(&view->text, ENCODING_UTF8, (json_int_t)line, 0));
  for (size_t i = 0; !(m && m->layers) && i < good->moments.count; i++) m = &good->moments.at[i];
  return m;
}

/* ---- requests ---- */

typedef struct Method {
  const char *name;
  json_t *(*answer)(Request *r);
  bool cursor;
  const char *capability, *value;
} Method;
static const Method methods[] = {
#define METHOD(...) {__VA_ARGS__},
#include "compiler/driver/lsp/methods.def"
#undef METHOD
};

static const Method *find_method(const char *name) {
  for (size_t i = 0; i < LENGTH(methods); i++)
    if (streq(methods[i].name, name)) return &methods[i];
  return NULL;
}

static const char *params_uri(const json_t *params) {
  return json_string_value(json_object_get(json_object_get(params, "textDocument"), "uri"));
}

/* A change of the same document waits: whoever asked does not want the answer any more. */
static bool is_stale(Server *server, const Document *d) {
  const json_t *message;
  rpc_read(&server->rpc, false);
  for (size_t i = 0; (message = rpc_waiting(&server->rpc, i)); i++)
    if (streq(json_string_value(json_object_get(message, "method")), "textDocument/didChange") &&
        streq(params_uri(json_object_get(message, "params")), d->uri))
      return true;
  return false;
}

typedef struct Answering {
  const Method *method;
  Request request;
  json_t *result;
} Answering;

static void answer(void *user) {
  Answering *x = user;
  Request *r = &x->request;
  Document *root = server_root(r->server, r->document);
  r->a = server_analysis(r->server, root ? root : r->document);
  r->source = root ? analysis_source(r->a, r->document->path) : r->a->root;
  r->view = analysis_view(r->a, r->source);
  if (!r->view) return; /* the run failed before it had read the text */
  const json_t *position = json_object_get(r->params, "position");
  if (x->method->cursor)
    r->offset = (uint32_t)text_offset(&r->view->text, r->server->encoding,
                                      json_integer_value(json_object_get(position, "line")),
                                      json_integer_value(json_object_get(position, "character")));
  x->result = x->method->answer(r);
}

/* The picture's path, and the client is asked to show it. */
static json_t *answer_graph(Request *r) {
  Server *server = r->server;
  const char *why = "there is no network to draw", *path = NULL;
  if (server->draw && r->a->script.graph && r->a->s.diags.errors == r->a->s.weight_errors)
    path = server->draw(&r->a->s, &r->a->script, r->document->path, &why);
  if (!path) {
    r->refusal = why;
    return NULL;
  }
  char *uri = path_to_uri(path);
  if (server->shows_documents)
    rpc_request(&server->rpc, arena_printf(r->arena, "surgery-show-%u", ++server->asked), "window/showDocument",
                json_pack("{s:s, s:b}", "uri", uri, "external", 1));
  free(uri);
  return json_clean(path);
}

static void answer_request(Server *server, const Method *method, const json_t *id, const json_t *params,
                           const char *uri) {
  Document *d = by_uri(server, uri);
  const json_t *position = json_object_get(params, "position");
  if (!d) {
    rpc_refuse(&server->rpc, id, RPC_INVALID_PARAMS, "no such document is open");
    return;
  }
  if (method->cursor && (!json_is_integer(json_object_get(position, "line")) ||
                         !json_is_integer(json_object_get(position, "character")))) {
    rpc_refuse(&server->rpc, id, RPC_INVALID_PARAMS, "a position has a line and a character");
    return;
  }
  if (is_stale(server, d)) {
    rpc_refuse(&server->rpc, id, RPC_CONTENT_MODIFIED, "the document has changed");
    return;
  }
  Answering x = {method, {.server = server, .document = d, .params = params, .arena = arena_create()}, NULL};
  const char *why;
  if (!guarded(answer, &x, &why)) {
    rpc_refuse(&server->rpc, id, RPC_INTERNAL_ERROR, why);
    rpc_notify(&server->rpc, "window/logMessage", json_pack("{s:i, s:s}", "type", 1, "message", why));
  } else if (x.request.refusal) {
    json_decref(x.result);
    rpc_refuse(&server->rpc, id, x.request.code ? x.request.code : RPC_REQUEST_FAILED, x.request.refusal);
  } else rpc_answer(&server->rpc, id, x.result);
  arena_destroy(x.request.arena);
}

/* ---- the protocol's own methods ---- */

static const json_t *at_path(const json_t *object, const char *first, const char *second, const char *third) {
  object = json_object_get(json_object_get(object, first), second);
  return third ? json_object_get(object, third) : object;
}

static Encoding negotiate(const json_t *offered, const char **name) {
  static const char *const names[] = {
      [ENCODING_UTF16] = "utf-16", [ENCODING_UTF8] = "utf-8", [ENCODING_UTF32] = "utf-32"};
  size_t i;
  json_t *item;
  json_array_foreach(offered, i, item) /* the client's favourite */
      for (int e = ENCODING_UTF16; e <= ENCODING_UTF32;
           e++) if (streq(json_string_value(item), names[e])) return *name = names[e],
                                                                     (Encoding)e;
  return *name = names[ENCODING_UTF16], ENCODING_UTF16;
}

static json_t *capabilities(const char *encoding) {
  json_t *c = json_pack("{s:s, s:{s:b, s:i, s:{s:b}}}", "positionEncoding", encoding, "textDocumentSync", "openClose",
                        1, "change", 2, "save", "includeText", 0);
  json_object_set_new(c, "executeCommandProvider", json_pack("{s:[s]}", "commands", "surgery.graph"));
  for (size_t i = 0; i < LENGTH(methods); i++) {
    if (!methods[i].capability) continue;
    json_t *value = json_loads(methods[i].value, JSON_DECODE_ANY, NULL);
    if (!value) BUG("the capability of %s is no JSON", methods[i].name);
    json_object_set_new(c, methods[i].capability, value);
  }
  return c;
}

static json_t *initialize(Server *server, const json_t *params) {
  const json_t *client = json_object_get(params, "capabilities");
  const char *encoding;
  server->encoding = negotiate(at_path(client, "general", "positionEncodings", NULL), &encoding);
  const json_t *document = json_object_get(client, "textDocument"), *workspace = json_object_get(client, "workspace");
  server->related_places = json_is_true(at_path(document, "publishDiagnostics", "relatedInformation", NULL));
  server->snippets = json_is_true(at_path(document, "completion", "completionItem", "snippetSupport"));
  server->watches = json_is_true(at_path(workspace, "didChangeWatchedFiles", "dynamicRegistration", NULL));
  server->refreshes_hints = json_is_true(at_path(workspace, "inlayHint", "refreshSupport", NULL));
  server->refreshes_lenses = json_is_true(at_path(workspace, "codeLens", "refreshSupport", NULL));
  server->shows_documents = json_is_true(at_path(client, "window", "showDocument", "support"));
  server->initialized = true;
  return json_pack("{s:o, s:{s:s, s:s}}", "capabilities", capabilities(encoding), "serverInfo", "name", "surgeryc",
                   "version", SURGERY_VERSION);
}

static void watch_files(Server *server) {
  if (!server->watches) return;
  json_t *watchers = json_pack("[{s:s}]", "globPattern", "**/*.{surgery,safetensors,pth,pt,bin,npz,onnx,json,gguf}");
  rpc_request(&server->rpc, "surgery-watch", "client/registerCapability",
              json_pack("{s:[{s:s, s:s, s:{s:o}}]}", "registrations", "id", "files", "method",
                        "workspace/didChangeWatchedFiles", "registerOptions", "watchers", watchers));
}

static void open_document(Server *server, const json_t *item) {
  const json_t *text = json_object_get(item, "text");
  const char *uri = json_string_value(json_object_get(item, "uri"));
  if (!uri || !json_is_string(text)) return;
  if (by_uri(server, uri)) close_document(server, by_uri(server, uri));
  Document *d = document_new(uri, json_string_value(text), json_string_length(text),
                             json_integer_value(json_object_get(item, "version")));
  Document **link = &server->documents;
  while (*link) link = &(*link)->next;
  *link = d;
  drop_all(server); /* what it takes the place of may be included anywhere */
}

static void change_document(Server *server, const json_t *params) {
  Document *d = by_uri(server, params_uri(params));
  size_t i;
  json_t *change;
  if (!d) return;
  json_array_foreach(json_object_get(params, "contentChanges"), i,
                     change) if (!document_change(d, server->encoding, change)) break;
  const json_t *version = json_object_get(json_object_get(params, "textDocument"), "version");
  d->version = json_is_integer(version) ? json_integer_value(version) : d->version + 1;
  drop_those_with(server, d);
}

static void notification(Server *server, const char *method, const json_t *params) {
  if (streq(method, "exit")) server->exited = true;
  else if (!server->initialized || server->shut_down) return;
  else if (streq(method, "initialized")) watch_files(server);
  else if (streq(method, "textDocument/didOpen")) open_document(server, json_object_get(params, "textDocument"));
  else if (streq(method, "textDocument/didChange")) change_document(server, params);
  else if (streq(method, "textDocument/didSave") || streq(method, "workspace/didChangeWatchedFiles")) drop_all(server);
  else if (streq(method, "textDocument/didClose")) {
    Document *d = by_uri(server, params_uri(params));
    if (!d) return;
    forget_diagnostics(server, d);
    close_document(server, d);
    drop_all(server);
  } /* others may be left out: the protocol says so of those that begin with $/, and a server cannot refuse any */
}

static void execute(Server *server, const json_t *id, const json_t *params) {
  static const Method graph = {"surgery.graph", answer_graph, false, NULL, NULL};
  const char *uri = json_string_value(json_array_get(json_object_get(params, "arguments"), 0));
  if (streq(json_string_value(json_object_get(params, "command")), graph.name))
    answer_request(server, &graph, id, params, uri);
  else rpc_refuse(&server->rpc, id, RPC_INVALID_PARAMS, "there is no such command");
}

static void request(Server *server, const char *name, const json_t *id, const json_t *params) {
  const Method *method = find_method(name);
  if (streq(name, "initialize")) {
    if (server->initialized) rpc_refuse(&server->rpc, id, RPC_INVALID_REQUEST, "initialize comes once");
    else rpc_answer(&server->rpc, id, initialize(server, params));
  } else if (!server->initialized) rpc_refuse(&server->rpc, id, RPC_NOT_INITIALIZED, "initialize comes first");
  else if (server->shut_down) rpc_refuse(&server->rpc, id, RPC_INVALID_REQUEST, "the server is shut down");
  else if (streq(name, "shutdown")) {
    server->shut_down = true;
    rpc_answer(&server->rpc, id, NULL);
  } else if (method) answer_request(server, method, id, params, params_uri(params));
  else if (streq(name, "workspace/executeCommand")) execute(server, id, params);
  else rpc_refuse(&server->rpc, id, RPC_METHOD_NOT_FOUND, "this server has no such method");
}

static void dispatch(Server *server, const json_t *message) {
  const json_t *id = json_object_get(message, "id"), *params = json_object_get(message, "params");
  const char *method = json_string_value(json_object_get(message, "method"));
  bool answerable = json_is_string(id) || json_is_integer(id);
  if (!method && (json_object_get(message, "result") || json_object_get(message, "error")))
    return; /* of our requests */
  if (!method || (id && !answerable))
    rpc_refuse(&server->rpc, answerable ? id : NULL, RPC_INVALID_REQUEST, "no method");
  else if (id) request(server, method, id, params);
  else notification(server, method, params);
}

/* ---- the loop ---- */

static void publish_one(void *user) {
  Server *server = user;
  for (Document *d = server->documents; d; d = d->next)
    if (!d->published) {
      d->published = true; /* once, also where it fails */
      publish_diagnostics(server, d);
      return;
    }
}

static void refresh(Server *server) {
  Arena *arena = arena_create();
  const char *const methods[] = {server->refreshes_hints ? "workspace/inlayHint/refresh" : NULL,
                                 server->refreshes_lenses ? "workspace/codeLens/refresh" : NULL};
  for (size_t i = 0; i < LENGTH(methods); i++)
    if (methods[i])
      rpc_request(&server->rpc, arena_printf(arena, "surgery-refresh-%u", ++server->asked), methods[i], json_null());
  server->elsewhere = false;
  arena_destroy(arena);
}

static bool is_unpublished(const Server *server) {
  for (const Document *d = server->documents; d; d = d->next)
    if (!d->published) return true;
  return false;
}

ExitStatus lsp_serve(int in, int out, const Session *options, DrawGraph *draw) {
  Server server = {.rpc = {.in = in, .out = out}, .draw = draw};
  server.setup = (AnalysisSetup){options, {open_text, &server}};
  while (!server.exited && !server.rpc.broken) {
    rpc_read(&server.rpc, false);
    json_t *message = rpc_next(&server.rpc);
    const char *why;
    if (message) {
      dispatch(&server, message);
      json_decref(message);
    } else if (is_unpublished(&server)) guarded(publish_one, &server, &why); /* nobody asks: the messages */
    else if (server.elsewhere) refresh(&server);
    else if (server.rpc.ended) break;
    else rpc_read(&server.rpc, true);
  }
  while (server.documents) close_document(&server, server.documents);
  rpc_free(&server.rpc);
  return server.shut_down ? EXIT_DONE : EXIT_WRONG_INPUT;
}
