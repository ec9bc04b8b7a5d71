/* The columns of a script: where lines begin, and what is kept aligned. Works on lines alone. Called by format.c.
 *
 *  - Neighbouring assignments have their `=` in one column where one of them had two blanks or more there. The
 *    settings of a block keep their values in one column; those that stood apart from it stay apart.
 *  - Comments behind neighbouring lines stand in one column, two behind the longest line; so do such with other
 *    lines between them that stood in one column. An empty line ends every run, and a closing brace one of
 *    comments. */
#include "grammar/format_internal.h"

size_t format_width(const char *text, size_t length) {
  size_t width = 0;
  for (size_t i = 0; i < length; i++) width += ((unsigned char)text[i] & 0xC0) != 0x80;
  return width;
}

/* ---- `=` and values ---- */

static bool is_continuation(const Line *line) { return line->anchor >= 0; }

/* A statement of several lines is in no run of assignments: gofmt does the same. */
static bool can_join(const Format *f, size_t i, LineKind kind) {
  const Line *line = &f->lines.at[i];
  if (line->kind != kind) return false;
  return kind == LINE_SETTING || i + 1 == f->lines.count || !is_continuation(line + 1);
}

/* Does the line end a run of that kind which began at `first`? */
static bool ends_run(const Format *f, size_t i, size_t first, LineKind kind) {
  const Line *line = &f->lines.at[i], *begin = &f->lines.at[first];
  if (line->blank) return true;
  if (line->kind == LINE_COMMENT) return false;
  if (kind == LINE_SETTING && is_continuation(line)) return false;
  if (line->offset != begin->offset || is_continuation(line)) return true;
  if (kind == LINE_SETTING) return false;
  return !can_join(f, i, kind) || line->first != begin->first;
}

/* Of the settings those take part that have two blanks or more, and those that stand below or above them all the same.
 * Of the assignments all do, or none. */
static void choose_aligned(Format *f, size_t first, size_t end, LineKind kind) {
  bool any = false;
  for (int back = 0; back <= 1; back++) {
    const Line *last = NULL;
    for (size_t n = 0; n < end - first; n++) {
      size_t i = back ? end - 1 - n : first + n;
      Line *line = &f->lines.at[i];
      if (!can_join(f, i, kind)) continue;
      if (line->spread) last = line;
      any = any || line->spread;
      line->aligned = line->aligned || (last && line->key_column == last->key_column);
    }
  }
  for (size_t i = first; i < end && kind == LINE_ASSIGNMENT; i++) f->lines.at[i].aligned = any && can_join(f, i, kind);
}

static size_t align_run(Format *f, size_t first, LineKind kind) {
  size_t end = first + 1, widest = 0;
  while (end < f->lines.count && !ends_run(f, end, first, kind)) end++;
  choose_aligned(f, first, end, kind);
  for (size_t i = first; i < end; i++) {
    size_t width = f->lines.at[i].aligned ? format_width(f->lines.at[i].text.at, f->lines.at[i].key) : 0;
    if (width > widest) widest = width;
  }
  for (size_t i = first; i < end; i++)
    if (f->lines.at[i].aligned) f->lines.at[i].pad = widest - format_width(f->lines.at[i].text.at, f->lines.at[i].key);
  return end;
}

static void align_keys(Format *f) {
  for (size_t i = 0; i < f->lines.count;) {
    LineKind kind = f->lines.at[i].kind;
    bool begins = (kind == LINE_ASSIGNMENT || kind == LINE_SETTING) && can_join(f, i, kind);
    i = begins ? align_run(f, i, kind) : i + 1;
  }
}

/* ---- where lines begin ---- */

static void indent_lines(Format *f) {
  for (size_t i = 0; i < f->lines.count; i++) {
    Line *line = &f->lines.at[i];
    line->indent = line->offset;
    if (line->anchor < 0) continue;
    const Line *anchor = &f->lines.at[line->anchor];
    line->indent += anchor->indent;
    if (line->behind_pad && line->offset >= format_width(anchor->text.at, anchor->key)) line->indent += anchor->pad;
  }
}

/* ---- comments ---- */

static size_t line_width(const Line *line) {
  return line->indent + format_width(line->text.at, line->text.count) + line->pad;
}

static bool has_tail(const Line *line) { return line->comment && line->kind != LINE_COMMENT; }
static bool only_closes(const Line *line) { return line->text.count == 1 && line->text.at[0] == '}'; }

/* From now on comment_column is where the comment will stand. */
static void align_comments(Format *f) {
  for (size_t i = 0; i < f->lines.count;) {
    size_t last = i, column = 0;
    for (size_t k = i; k < f->lines.count && has_tail(&f->lines.at[i]); k++) {
      const Line *line = &f->lines.at[k];
      if (k > i && (line->blank || only_closes(line) || only_closes(line - 1))) break;
      if (!has_tail(line)) continue;
      if (k > last + 1 && line->comment_column != f->lines.at[last].comment_column) break;
      if (line_width(line) + 2 > column) column = line_width(line) + 2;
      last = k;
    }
    for (size_t k = i; k <= last; k++) f->lines.at[k].comment_column = column;
    i = last + 1;
  }
}

void format_align(Format *f) {
  align_keys(f);
  indent_lines(f);
  align_comments(f);
}

/* ---- the text ---- */

typedef VEC(char) Text;

static void put(Arena *arena, Text *out, const char *bytes, size_t count) {
  vec_reserve(arena, out, out->count + count + 1);
  if (count) memcpy(out->at + out->count, bytes, count);
  out->count += count;
}

static void put_blanks(Arena *arena, Text *out, size_t count) {
  while (count--) put(arena, out, " ", 1);
}

const char *format_print(Format *f, size_t *length) {
  Text out = {0};
  for (size_t i = 0; i < f->lines.count; i++) {
    const Line *line = &f->lines.at[i];
    if (line->blank) put(f->arena, &out, "\n", 1);
    put_blanks(f->arena, &out, line->indent);
    put(f->arena, &out, line->text.at, line->key);
    put_blanks(f->arena, &out, line->pad);
    put(f->arena, &out, line->text.at + line->key, line->text.count - line->key);
    if (has_tail(line)) put_blanks(f->arena, &out, line->comment_column - line_width(line));
    if (line->comment) put(f->arena, &out, line->comment, line->comment_length);
    put(f->arena, &out, "\n", 1);
  }
  put(f->arena, &out, "", 1);
  *length = out.count - 1;
  return out.at;
}
