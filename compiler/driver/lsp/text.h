/* Texts as editors see them: lines, and places as (line, character) in the units that client and server agreed on; file
 * addresses (URIs) and paths; and the documents that are open. */
#ifndef SURGERY_LSP_TEXT_H
#define SURGERY_LSP_TEXT_H
#include "compiler/base/source.h"
#include <jansson.h>

typedef enum Encoding { ENCODING_UTF16, ENCODING_UTF8, ENCODING_UTF32 } Encoding;

typedef struct LspText { /* bytes, and where each line begins; \n, \r\n and \r end one */
  const char *at;
  size_t length;
  uint32_t *lines; /* malloc */
  size_t line_count;
} LspText;

/* False: no memory. `at` is kept by reference. */
bool text_lines(LspText *text, const char *at, size_t length);
/* What lies beyond a line's end is its end, what lies in a character is its beginning. */
size_t text_offset(const LspText *text, Encoding encoding, json_int_t line, json_int_t character);
/* {"line": …, "character": …} */
json_t *text_position(const LspText *text, Encoding encoding, size_t offset);
json_t *text_range(const LspText *text, Encoding encoding, size_t begin, size_t end);
/* The line and the character of an offset, in units of the encoding. */
void text_place(const LspText *text, Encoding encoding, size_t offset, size_t *line, size_t *character);
/* A string for an answer, whatever the bytes are. */
json_t *json_clean(const char *text);

/* "file:///a%20b" → "/a b"; any other address is its own path. malloc. */
char *uri_to_path(const char *uri);
char *path_to_uri(const char *path);

typedef struct Document {
  struct Document *next;
  char *uri, *path; /* as the client wrote it; from the root, without links where the file is there */
  char *bytes;
  size_t length;
  LspText text;
  json_int_t version;
  struct Analysis *now, *good; /* of this version, NULL: not yet made; the last one with a network; analysis.h */
  bool published;              /* the diagnostics of `now` were sent */
  char **told;                 /* addresses for which the client has messages from here */
  size_t told_count;
  json_t *words; /* the semantic tokens that were sent last, and their name */
  unsigned words_id;
} Document;

Document *document_new(const char *uri, const char *bytes, size_t length, json_int_t version);
void document_free(Document *d);
/* One item of didChange's contentChanges. False: it is malformed, and nothing is changed. */
bool document_change(Document *d, Encoding encoding, const json_t *change);
/* The path without links and dots, whether or not the file is there. malloc. */
char *path_plain(const char *path);
#endif
