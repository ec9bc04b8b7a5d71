/* Texts, places, addresses, documents. Knows nothing of the language. */
#include "compiler/driver/lsp/text.h"
#include "compiler/base/diag.h"
#include "runtime/base/text.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- lines and places ---- */

bool text_lines(LspText *text, const char *at, size_t length) {
  size_t count = 1;
  for (size_t i = 0; i < length; i++)
    count += at[i] == '\n' || (at[i] == '\r' && !(i + 1 < length && at[i + 1] == '\n'));
  uint32_t *lines = malloc(count * sizeof *lines);
  if (!lines) return false;
  free(text->lines);
  *text = (LspText){at, length, lines, count};
  size_t line = 0;
  lines[line++] = 0;
  for (size_t i = 0; i < length; i++)
    if (at[i] == '\n' || (at[i] == '\r' && !(i + 1 < length && at[i + 1] == '\n'))) lines[line++] = (uint32_t)i + 1;
  return true;
}

static size_t line_end(const LspText *text, size_t line) {
  size_t end = line + 1 < text->line_count ? text->lines[line + 1] : text->length;
  if (line + 1 < text->line_count) end--; /* \n or \r */
  if (line + 1 < text->line_count && end > text->lines[line] && text->at[end] == '\n' && text->at[end - 1] == '\r')
    end--;
  return end;
}

/* Bytes of the character at `at`, and its units. A byte that is no UTF-8 counts as one. */
static size_t one_character(const char *at, const char *end, Encoding encoding, size_t *units) {
  uint32_t point;
  int bytes = utf8_decode(at, end, &point);
  if (bytes <= 0) bytes = 1, point = 0xFFFD;
  *units = encoding == ENCODING_UTF8 ? (size_t)bytes : encoding == ENCODING_UTF16 && point > 0xFFFF ? 2 : 1;
  return (size_t)bytes;
}

size_t text_offset(const LspText *text, Encoding encoding, json_int_t line, json_int_t character) {
  if (line < 0) return 0;
  if ((uint64_t)line >= text->line_count) return text->length;
  size_t at = text->lines[line], end = line_end(text, (size_t)line), units;
  for (json_int_t left = character; at < end && left > 0;) {
    size_t bytes = one_character(text->at + at, text->at + end, encoding, &units);
    left -= (json_int_t)units;
    if (left < 0) break; /* within it */
    at += bytes;
  }
  return at;
}

void text_place(const LspText *text, Encoding encoding, size_t offset, size_t *line, size_t *character) {
  if (offset > text->length) offset = text->length;
  size_t low = 0, high = text->line_count;
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (text->lines[middle] <= offset) low = middle;
    else high = middle;
  }
  size_t at = text->lines[low], end = line_end(text, low), units;
  if (offset > end) offset = end; /* between \r and \n */
  *line = low;
  for (*character = 0; at < offset; *character += units) {
    size_t bytes = one_character(text->at + at, text->at + end, encoding, &units);
    if (at + bytes > offset) break;
    at += bytes;
  }
}

json_t *text_position(const LspText *text, Encoding encoding, size_t offset) {
  size_t line, character;
  text_place(text, encoding, offset, &line, &character);
  return json_pack("{s:I, s:I}", "line", (json_int_t)line, "character", (json_int_t)character);
}

json_t *text_range(const LspText *text, Encoding encoding, size_t begin, size_t end) {
  return json_pack("{s:o, s:o}", "start", text_position(text, encoding, begin), "end",
                   text_position(text, encoding, end < begin ? begin : end));
}

json_t *json_clean(const char *text) {
  size_t length = strlen(text);
  if (utf8_valid(text, length)) return json_string(text);
  char *clean = malloc(3 * length + 1);
  if (!clean) fail_environment("no memory");
  utf8_mend(clean, text, length, true);
  json_t *string = json_string(clean);
  free(clean);
  return string;
}

/* ---- addresses and paths ---- */

static int hex(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

char *uri_to_path(const char *uri) {
  if (strncmp(uri, "file://", 7) != 0) return strdup(uri);
  const char *at = strchr(uri + 7, '/'); /* after the host, which is empty or localhost */
  char *path = strdup(at ? at : "/"), *to = path;
  for (const char *from = path; *from; from++)
    if (*from == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0 && (from[1] != '0' || from[2] != '0')) {
      *to++ = (char)(16 * hex(from[1]) + hex(from[2]));
      from += 2;
    } else *to++ = *from;
  *to = '\0';
  return path;
}

char *path_to_uri(const char *path) {
  if (*path != '/') return strdup(path);
  char *uri = malloc(3 * strlen(path) + 8), *to = uri;
  if (!uri) fail_environment("no memory");
  to += sprintf(to, "file://");
  for (; *path; path++) {
    unsigned char c = (unsigned char)*path;
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("/-._~", c);
    if (plain) *to++ = (char)c;
    else to += sprintf(to, "%%%02X", c);
  }
  *to = '\0';
  return uri;
}

char *path_plain(const char *path) {
  char *real = realpath(path, NULL);
  if (real || *path != '/') return real ? real : strdup(path);
  char *plain = strdup(path), *to = plain; /* what is not there yet has no links; dots it may have */
  if (!plain) fail_environment("no memory");
  for (const char *from = plain; *from;) {
    size_t length = strcspn(from + 1, "/");
    if (length == 2 && from[1] == '.' && from[2] == '.')
      while (to > plain && *--to != '/') {}
    else if (length > 0 && !(length == 1 && from[1] == '.')) {
      memmove(to, from, length + 1);
      to += length + 1;
    }
    from += length + 1;
  }
  if (to == plain) *to++ = '/';
  *to = '\0';
  return plain;
}

/* ---- documents ---- */

static bool set_bytes(Document *d, char *bytes, size_t length) {
  free(d->bytes);
  d->bytes = bytes;
  d->length = length;
  return text_lines(&d->text, bytes, length);
}

static char *copy_of(const char *bytes, size_t length) {
  char *copy = malloc(length + 1);
  if (!copy) fail_environment("no memory");
  if (length) memcpy(copy, bytes, length);
  copy[length] = '\0';
  return copy;
}

Document *document_new(const char *uri, const char *bytes, size_t length, json_int_t version) {
  Document *d = calloc(1, sizeof *d);
  if (!d) fail_environment("no memory");
  char *path = uri_to_path(uri);
  d->uri = strdup(uri);
  d->path = path_plain(path);
  d->version = version;
  free(path);
  if (!set_bytes(d, copy_of(bytes, length), length)) fail_environment("no memory");
  return d;
}

void document_free(Document *d) {
  for (size_t i = 0; i < d->told_count; i++) free(d->told[i]);
  json_decref(d->words);
  free(d->told);
  free(d->uri);
  free(d->path);
  free(d->bytes);
  free(d->text.lines);
  free(d);
}

static bool read_position(const Document *d, Encoding encoding, const json_t *position, size_t *offset) {
  const json_t *line = json_object_get(position, "line"), *character = json_object_get(position, "character");
  if (!json_is_integer(line) || !json_is_integer(character)) return false;
  *offset = text_offset(&d->text, encoding, json_integer_value(line), json_integer_value(character));
  return true;
}

bool document_change(Document *d, Encoding encoding, const json_t *change) {
  const json_t *text = json_object_get(change, "text"), *range = json_object_get(change, "range");
  if (!json_is_string(text)) return false;
  const char *bytes = json_string_value(text);
  size_t length = json_string_length(text), begin, end;
  if (!range || json_is_null(range)) return set_bytes(d, copy_of(bytes, length), length);
  if (!read_position(d, encoding, json_object_get(range, "start"), &begin) ||
      !read_position(d, encoding, json_object_get(range, "end"), &end) || end < begin)
    return false;
  size_t whole = d->length - (end - begin) + length;
  char *joined = malloc(whole + 1);
  if (!joined) fail_environment("no memory");
  memcpy(joined, d->bytes, begin);
  memcpy(joined + begin, bytes, length);
  memcpy(joined + begin + length, d->bytes + end, d->length - end);
  joined[whole] = '\0';
  return set_bytes(d, joined, whole);
}
