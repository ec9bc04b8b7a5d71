/* Fills a page from JSON, in a part of the template language mustache:
 *
 *   {{name}} {{name %.1f}}          the value, escaped for HTML, a number through one printf conversion of a double;
 *                                   nothing where there is none
 *   {{#name}} … {{/name}}           once for each element of a list, once where there is such a value, else not at all
 *   {{^name}} … {{/name}}           once where the above is not shown
 *
 * A name is looked up in the innermost value that is an object and has it; "." is the innermost value itself. A tag of
 * the last three kinds on a line of its own leaves no line. Templates are the program's own and are trusted, values are
 * not. Called by report.c. */
#include <stdbool.h>
#include <string.h>
#include "runtime/cli/page.h"

typedef struct Scope {
  const char *page; /* its beginning */
  const json_t *value;
  const struct Scope *outer;
} Scope;

static const json_t *find(const Scope *scope, const char *name, size_t length) {
  if (length == 1 && *name == '.') return scope->value;
  for (const json_t *found; scope; scope = scope->outer)
    if ((found = json_object_getn(scope->value, name, length))) return found;
  return NULL;
}

static void put_escaped(FILE *out, const char *text) {
  for (; *text; text++) {
    switch (*text) {
    case '<': fputs("&lt;", out); break;
    case '>': fputs("&gt;", out); break;
    case '&': fputs("&amp;", out); break;
    case '"': fputs("&quot;", out); break;
    default:
      if ((unsigned char)*text >= ' ') fputc(*text, out);
    }
  }
}

static void put_value(FILE *out, const json_t *value, const char *format) {
  char conversion[16];
  snprintf(conversion, sizeof conversion, "%.*s", (int)strcspn(format, "}"), format);
  if (json_is_string(value)) put_escaped(out, json_string_value(value));
  else if (!json_is_number(value)) return;
  else if (*conversion) fprintf(out, conversion, json_number_value(value));
  else fprintf(out, "%lld", (long long)json_integer_value(value));
}

static bool is_shown(const json_t *value) {
  return value && !json_is_false(value) && !json_is_null(value) && (!json_is_array(value) || json_array_size(value));
}

static const char *fill(FILE *out, const char *text, const Scope *scope);

/* From after the opening tag to after the closing one. */
static const char *fill_section(FILE *out, const char *text, const Scope *scope, const json_t *value, bool inverted) {
  size_t count = json_array_size(value);
  if (inverted || !is_shown(value)) return fill(inverted && !is_shown(value) ? out : NULL, text, scope);
  if (!json_is_array(value)) return fill(out, text, &(Scope){scope->page, value, scope});
  const char *end = text;
  for (size_t i = 0; i < count; i++) end = fill(out, text, &(Scope){scope->page, json_array_get(value, i), scope});
  return end;
}

/* Up to the closing tag of the section that `text` is in; returns what is after it. out: NULL to skip. */
static const char *fill(FILE *out, const char *text, const Scope *scope) {
  for (const char *tag; (tag = strstr(text, "{{"));) {
    if (out) fwrite(text, 1, (size_t)(tag - text), out);
    bool section = strchr("#^/", tag[2]) != NULL;
    const char *name = tag + 2 + section, *format = name + strcspn(name, " }"), *after = strstr(format, "}}") + 2;
    if (section && (tag == scope->page || tag[-1] == '\n') && *after == '\n') after++;
    if (tag[2] == '/') return after;
    const json_t *value = find(scope, name, (size_t)(format - name));
    if (section) after = fill_section(out, after, scope, value, tag[2] == '^');
    else if (out) put_value(out, value, format + (*format == ' '));
    text = after;
  }
  if (out) fputs(text, out);
  return text + strlen(text);
}

void page_fill(FILE *out, const char *page, const json_t *values) { fill(out, page, &(Scope){page, values, NULL}); }
