/* The language server: what its parts share. A request is answered from one analysis, by one function of the table in
 * methods.def. */
#ifndef SURGERY_LSP_SERVER_H
#define SURGERY_LSP_SERVER_H
#include "compiler/driver/lsp/analysis.h"
#include "compiler/driver/lsp/rpc.h"

/* Draws the network into a file, whose path is returned, in the session's arena; NULL: *why says why not. */
typedef const char *DrawGraph(Session *s, const Script *script, const char *name, const char **why);

typedef struct Server {
  Rpc rpc;
  Encoding encoding;
  bool initialized, shut_down, exited;
  bool related_places, snippets, watches, refreshes_hints, refreshes_lenses,
      shows_documents; /* what the client can do */
  bool elsewhere; /* something changed that is not in the document which shows it: hints and lenses are to be asked anew
                   */
  Document *documents; /* in the order in which they were opened */
  AnalysisSetup setup;
  DrawGraph *draw; /* NULL: there are no pictures */
  unsigned asked;  /* requests to the client, for their ids */
} Server;

typedef struct Request {
  Server *server;
  Document *document;
  Analysis *a;     /* that tells about the document: its own, or that of a script which includes it */
  uint32_t source; /* the document in it */
  const SourceView *view;
  uint32_t offset; /* of the cursor, for methods that have one */
  const json_t *params;
  Arena *arena;  /* of this request */
  RpcError code; /* with `refusal`, when the answer is NULL for a reason that the user is told */
  const char *refusal;
} Request;

/* Serves until `exit` or the end of the input; the exit status as the protocol wants it. `options`: -I, -D, --weights.
 */
ExitStatus lsp_serve(int in, int out, const Session *options, DrawGraph *draw);

/* The analysis of the document as it is now; it is made where it is not there. */
Analysis *server_analysis(Server *server, Document *document);
/* The open document that includes this one and speaks for it; NULL: it speaks for itself. */
Document *server_root(Server *server, Document *document);
Document *server_document(Server *server, const char *path);
/* The address of a source of the analysis: as the client wrote it where it is open. In the arena. NULL: it is no file.
 */
const char *request_uri(Request *r, uint32_t source);
/* The range of a span, and {"uri": …, "range": …}; NULL where it is in no file. */
json_t *request_range(Request *r, Span span);
json_t *request_location(Request *r, Span span);
/* The state in which completion and hover look names up: that of now, or where there is no network in it, of the last
 * analysis that had one. NULL: there never was. */
const Moment *request_moment(Request *r, uint32_t offset, Analysis **of);

/* diagnostics.c */
void publish_diagnostics(Server *server, Document *document);
void forget_diagnostics(Server *server, Document *document);

/* The methods: rows of methods.def. */
#define METHOD(name, handler, cursor, capability, value) json_t *handler(Request *r);
#include "compiler/driver/lsp/methods.def"
#undef METHOD
#endif
