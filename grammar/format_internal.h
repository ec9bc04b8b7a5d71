/* What format.c and format_align.c share: lines of text that are not aligned yet. */
#ifndef SURGERY_GRAMMAR_FORMAT_INTERNAL_H
#define SURGERY_GRAMMAR_FORMAT_INTERNAL_H
#include "grammar/parse_internal.h"

typedef enum LineKind {
  LINE_OTHER,
  LINE_COMMENT,    /* nothing but a comment */
  LINE_ASSIGNMENT, /* NAME = …; `key` is where its `=` stands */
  LINE_SETTING,    /* a setting and its values; `key` is where they begin */
  LINE_SEVERAL     /* several statements */
} LineKind;

typedef struct Line {
  LineKind kind;
  VEC(char) text;      /* without indentation and comment */
  const char *comment; /* behind the text, or alone; NULL: none */
  size_t comment_length;
  size_t comment_column; /* where it stood in the source */
  bool blank;            /* an empty line before it */
  int anchor;            /* the line of the same statement whose place `offset` counts from; -1: the margin */
  size_t offset;         /* columns */
  bool behind_pad;       /* and what is put in at the anchor's key moves this line too */
  size_t key, pad;       /* in `text`, a byte; how many blanks are put in there */
  bool spread;           /* in the source, two blanks or more stood there */
  size_t key_column;     /* and where the key stood in it */
  bool aligned;          /* it takes part in its run */
  bool opens;            /* it ends with the `{` of a block whose statements have lines of their own */
  int first;             /* the token that begins its statement */
  size_t indent;         /* in the end */
} Line;
typedef VEC(Line) LineList;

typedef struct OpenBracket {
  char kind;
  int line;      /* where it stands */
  size_t column; /* in that line's text */
  bool hangs;    /* it ends its line: what is in it stands two columns further in than that line */
  bool names;    /* `=` in it names layers or parameters, and stands between blanks */
  bool multi;    /* '{': its statements have lines of their own */
} OpenBracket;

typedef struct Format {
  Arena *arena;
  const char *text;
  const TokenList *tokens;
  LineList lines;
  VEC(OpenBracket) open;
  size_t blocks;     /* how many of them are braces */
  bool closed_multi; /* the block that was closed last had lines of its own */
  /* the statement that is being laid out */
  int statement;    /* its first token */
  bool fresh;       /* it begins its line */
  int first_line;   /* where it begins */
  size_t words;     /* how many of its words were laid out */
  size_t continued; /* the column in that line below which a further line of it begins */
  bool assigned;    /* its `=` has been seen */
} Format;

/* Columns of a text: its code points. */
size_t format_width(const char *text, size_t length);
static inline Line *format_line(Format *f) { return &f->lines.at[f->lines.count - 1]; }

/* format_align.c: fills in pad and indent of every line, then the columns of the comments. */
void format_align(Format *f);
/* The whole text. */
const char *format_print(Format *f, size_t *length);
#endif
