/* Diagnostics as text, in the form of docs/messages.md: place and message, numbered source lines
 * with carets, help. Must not decide what a mistake is. Called once by the driver, at the end. */
#include "compiler/base/diag.h"
#include <stdlib.h>

enum { MOST_PRINTED = 50, MOST_COLUMNS = 100, BEFORE_SPAN = 40, TAB = 4 };

typedef struct Printer {
  Arena *arena; /* what is printed with; dies with the printing */
  const Sources *sources;
  FILE *out;
  bool color;
  int gutter; /* digits of the largest line number of the message */
} Printer;

static const char *paint(const Printer *p, const char *escape) { return p->color ? escape : ""; }
#define BOLD paint(p, "\033[1m")
#define RED paint(p, "\033[1;31m")
#define YELLOW paint(p, "\033[1;33m")
#define BLUE paint(p, "\033[1;34m")
#define CYAN paint(p, "\033[1;36m")
#define GREEN paint(p, "\033[1;32m")
#define PLAIN paint(p, "\033[0m")

static const char *severity_color(const Printer *p, DiagSeverity severity) {
  return severity == SEVERITY_ERROR ? RED : severity == SEVERITY_WARNING ? YELLOW : CYAN;
}

const char *diag_severity_name(DiagSeverity severity) {
  return severity == SEVERITY_ERROR ? "error" : severity == SEVERITY_WARNING ? "warning" : "note";
}

static const Source *source_of(const Printer *p, Span span) {
  return span.source < p->sources->files.count ? &p->sources->files.at[span.source] : NULL;
}

/* One source line cut to what is shown: where the shown part begins and ends, in bytes. */
typedef struct Line {
  uint32_t begin, end; /* of the whole line, without its newline */
  uint32_t shown_begin, shown_end;
} Line;

static const char *skip_back(const char *at, const char *begin, int points) {
  while (at > begin && points > 0) {
    at--;
    if (((unsigned char)*at & 0xC0) != 0x80) points--;
  }
  return at;
}

/* Moves on by what fits into `columns`. */
static const char *skip_columns(const char *at, const char *end, int columns) {
  while (at < end) {
    uint32_t point;
    int bytes = utf8_decode(at, end, &point);
    int width = !bytes ? 1 : point == '\t' ? TAB : utf8_width(point);
    if (width > columns) break;
    columns -= width;
    at += bytes ? bytes : 1;
  }
  return at;
}

static Line find_line(const Source *source, uint32_t offset) {
  if (offset > source->length) offset = source->length;
  const char *text = source->text, *at = text + offset;
  const char *before = memrchr(text, '\n', offset);
  const char *begin = before ? before + 1 : text;
  const char *after = memchr(at, '\n', source->length - offset);
  const char *end = after ? after : text + source->length;
  if (end > begin && end[-1] == '\r' && end > at) end--;
  const char *shown = begin;
  if (skip_columns(begin, end, MOST_COLUMNS) < end) shown = skip_back(at, begin, BEFORE_SPAN);
  const char *shown_end = skip_columns(shown, end, MOST_COLUMNS);
  return (Line){(uint32_t)(begin - text), (uint32_t)(end - text), (uint32_t)(shown - text),
                (uint32_t)(shown_end - text)};
}

/* Writes bytes as they look in a terminal and returns the columns they take; `out` NULL only counts. */
static int write_cells(FILE *out, const char *at, const char *end) {
  int columns = 0;
  while (at < end) {
    uint32_t point;
    int bytes = utf8_decode(at, end, &point);
    if (bytes && point == '\t') {
      if (out) fprintf(out, "%*s", TAB, "");
      columns += TAB;
    } else if (!bytes || is_control(point)) {
      if (out) fputs("\xEF\xBF\xBD", out);
      columns++;
    } else {
      if (out) fwrite(at, 1, (size_t)bytes, out);
      columns += utf8_width(point);
    }
    at += bytes ? bytes : 1;
  }
  return columns;
}

static void print_source_line(Printer *p, const Source *source, Line line, int number) {
  fprintf(p->out, "  %s%*d |%s ", BLUE, p->gutter, number, PLAIN);
  if (line.shown_begin > line.begin) fputs("...", p->out);
  write_cells(p->out, source->text + line.shown_begin, source->text + line.shown_end);
  fputs(line.shown_end < line.end ? "...\n" : "\n", p->out);
}

static void print_marks(Printer *p, const Source *source, Line line, Span span, char mark, const char *color,
                        const char *text) {
  uint32_t begin = span.begin, end = span.end;
  if (begin < line.shown_begin) begin = line.shown_begin;
  if (begin > line.shown_end) begin = line.shown_end;
  if (end > line.shown_end) end = line.shown_end; /* the rest of a span of several lines is not drawn */
  if (end < begin) end = begin;
  const char *bytes = source->text;
  int indent = write_cells(NULL, bytes + line.shown_begin, bytes + begin) + (line.shown_begin > line.begin ? 3 : 0);
  int width = write_cells(NULL, bytes + begin, bytes + end);
  fprintf(p->out, "  %s%*s |%s %*s%s", BLUE, p->gutter, "", PLAIN, indent, "", color);
  for (int i = 0; i < (width ? width : 1); i++) fputc(mark, p->out);
  if (text && *text) fprintf(p->out, " %s", clean_text(p->arena, text, strlen(text)));
  fprintf(p->out, "%s\n", PLAIN);
}

typedef struct Shown { /* the line that stands just above, so that it is not printed twice */
  uint32_t source;
  int number;
} Shown;

static void print_place(Printer *p, Span span, char mark, const char *color, const char *text, Shown *shown) {
  const Source *source = source_of(p, span);
  if (!source) { /* a label without a place still has something to say */
    if (text && *text) fprintf(p->out, "  note: %s\n", clean_text(p->arena, text, strlen(text)));
    return;
  }
  int number, column;
  source_position(source, span.begin, &number, &column);
  Line line = find_line(source, span.begin);
  if (span.source != shown->source)
    fprintf(p->out, "  %s%*s-->%s %s:%d:%d\n", BLUE, p->gutter, "", PLAIN,
            clean_text(p->arena, source->path, strlen(source->path)), number, column);
  bool same = span.source == shown->source && number == shown->number && line.shown_begin == line.begin;
  if (!same) print_source_line(p, source, line, number);
  print_marks(p, source, line, span, mark, color, text);
  *shown = (Shown){span.source, number};
}

static int gutter_of(const Printer *p, const Diag *diag) {
  int largest = 0, line, column;
  for (size_t i = 0; i <= diag->labels.count; i++) {
    Span span = i ? diag->labels.at[i - 1].span : diag->span;
    const Source *source = source_of(p, span);
    if (!source) continue;
    source_position(source, span.begin, &line, &column);
    if (line > largest) largest = line;
  }
  int digits = 1;
  while (largest >= 10) largest /= 10, digits++;
  return digits;
}

static void print_one(Printer *p, const Diag *diag) {
  const Source *source = source_of(p, diag->span);
  const char *color = severity_color(p, diag->severity);
  p->gutter = gutter_of(p, diag);
  if (source) {
    int line, column;
    source_position(source, diag->span.begin, &line, &column);
    fprintf(p->out, "%s%s:%d:%d: ", BOLD, clean_text(p->arena, source->path, strlen(source->path)), line, column);
  } else {
    fprintf(p->out, "%ssurgeryc: ", BOLD);
  }
  fprintf(p->out, "%s%s[%s]:%s%s %s%s\n", color, diag_severity_name(diag->severity), diag_code_name(diag->code), PLAIN,
          BOLD, clean_text(p->arena, diag->message, strlen(diag->message)), PLAIN);
  Shown shown = {diag->span.source, 0};
  if (source) print_place(p, diag->span, '^', color, diag->caret_text, &shown);
  for (size_t i = 0; i < diag->labels.count; i++)
    print_place(p, diag->labels.at[i].span, '-', BLUE, diag->labels.at[i].text, &shown);
  for (const Source *s = source; s && s->included.source < p->sources->files.count;) {
    const Source *by = &p->sources->files.at[s->included.source];
    int line, column;
    source_position(by, s->included.begin, &line, &column);
    fprintf(p->out, "  %snote:%s included from %s:%d:%d\n", CYAN, PLAIN,
            clean_text(p->arena, by->path, strlen(by->path)), line, column);
    s = by;
  }
  for (size_t i = 0; i < diag->notes.count; i++)
    fprintf(p->out, "  %snote:%s %s\n", CYAN, PLAIN,
            clean_text(p->arena, diag->notes.at[i], strlen(diag->notes.at[i])));
  for (size_t i = 0; i < diag->help.count; i++)
    fprintf(p->out, "  %shelp:%s %s\n", GREEN, PLAIN, clean_text(p->arena, diag->help.at[i], strlen(diag->help.at[i])));
}

void diag_print_text(Diags *diags, FILE *out, bool color) {
  Printer printer = {arena_create(), diags->sources, out, color, 1};
  Diag **sorted = diag_sorted(diags, printer.arena);
  size_t shown = 0, hidden[3] = {0};
  for (size_t i = 0; i < diags->all.count; i++) {
    if (shown == MOST_PRINTED) {
      hidden[sorted[i]->severity]++;
      continue;
    }
    print_one(&printer, sorted[i]);
    shown++;
  }
  if (shown < diags->all.count) {
    fputs("surgeryc: and", out);
    for (int i = 0, first = 1; i < 3; i++)
      if (hidden[i]) {
        fprintf(out, "%s %zu more %s%s", first ? "" : ",", hidden[i], diag_severity_name(i), hidden[i] > 1 ? "s" : "");
        first = 0;
      }
    fputs(" that are not shown\n", out);
  }
  diags->all.count = 0;
  arena_destroy(printer.arena);
}
