/* Errors that say how one got there: labelled with the models that are being built or called. Prints nothing. */
#include "compiler/graph/session.h"

/* The line of a built-in model in which something stands. */
static const char *line_around(Session *s, Span span) {
  if (span.source >= s->sources.files.count) return "";
  const Source *source = &s->sources.files.at[span.source];
  uint32_t begin = span.begin, end = span.end;
  while (begin > 0 && source->text[begin - 1] != '\n') begin--;
  while (begin < span.begin && source->text[begin] == ' ') begin++;
  while (end < source->length && source->text[end] != '\n') end++;
  return front_text(s, (Span){span.source, begin, end});
}

Diag *front_error(Session *s, DiagCode code, Span span, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = arena_vprintf(s->arena, format, args);
  va_end(args);
  /* Nobody can change the built-in models: to blame is who called them. */
  const CallFrame *blamed = s->calls;
  bool inside = !source_is_users(&s->sources, span);
  while (inside && blamed && !source_is_users(&s->sources, blamed->span)) blamed = blamed->outer;
  Diag *d = diag_report(&s->diags, code, inside && blamed ? blamed->span : span, "%s", message);
  if (inside && blamed) diag_note(&s->diags, d, "in the built-in model: %s", line_around(s, span));
  int shown = 0;
  for (const CallFrame *f = inside ? NULL : s->calls; f && shown < 4; f = f->outer) {
    if (f->span.source == SPAN_NO_SOURCE || (!f->outer && !f->arguments)) continue; /* take Net: no news */
    diag_label(&s->diags, d, f->span, "%s", f->what);
    shown++;
  }
  return d;
}

const char *front_text(Session *s, Span span) {
  if (span.source >= s->sources.files.count || span.end <= span.begin) return "";
  return arena_strndup(s->arena, s->sources.files.at[span.source].text + span.begin, span.end - span.begin);
}
