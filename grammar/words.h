/* The words of a script by what they are, in their order, comments included: what editors colour, and what is
 * around a cursor. Works for any text, also one that is half written. */
#ifndef SURGERY_GRAMMAR_WORDS_H
#define SURGERY_GRAMMAR_WORDS_H
#include "grammar/ast.h"

typedef enum ScriptWordKind {
  WORD_KEYWORD,  /* freeze, with, every */
  WORD_TYPE,     /* Linear; a network or model that is taken or declared */
  WORD_FUNCTION, /* relu( of a forward, kaiming_normal( */
  WORD_LAYER,    /* layer4.0.conv1, a glob; the name that a statement gives to a layer */
  WORD_SETTING,  /* of an input or train block */
  WORD_ARGUMENT, /* stride= */
  WORD_VARIABLE, /* any other name */
  WORD_CONSTANT, /* true, none, _, all */
  WORD_NUMBER,
  WORD_STRING,
  WORD_REGEX,
  WORD_COMMENT,
  WORD_OPERATOR,
  WORD_BRACKET, /* ( [ { } ] ) */
  WORD_COMMA,
  WORD_KINDS
} ScriptWordKind;

typedef struct ScriptWord {
  ScriptWordKind kind;
  Span span;
  bool first;    /* it begins a statement */
  bool selector; /* where words are paths */
} ScriptWord;
typedef VEC(ScriptWord) ScriptWords;

/* The words that join the parts of a statement, and the constants: the i-th, NULL after the last. (token_words.c) */
const char *joining_word(size_t i);
const char *constant_word(size_t i);
/* Parses the source; the tree is as parse() gives it, with the mistakes in `diags`. */
ScriptWords script_words(Arena *arena, Diags *diags, Sources *sources, uint32_t source, Stmt **tree);
#endif
