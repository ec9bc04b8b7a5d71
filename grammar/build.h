/* Nodes of the syntax tree for the actions of parser.y: each function fills in one kind. They judge only what
 * needs no meaning: the height of the tree, the order of arguments. All memory is the lexer's arena. */
#ifndef SURGERY_GRAMMAR_BUILD_H
#define SURGERY_GRAMMAR_BUILD_H
#include "grammar/ast.h"
#include "grammar/tokens.h"

typedef struct ArgList {
  Arg *first, *last;
  uint16_t depth; /* of the highest value */
} ArgList;
typedef struct StmtList {
  Stmt *first, *last;
  uint16_t depth;
} StmtList;
typedef struct IndexList {
  Index *first, *last;
} IndexList;
typedef struct AllowList {
  Allow *first, *last;
} AllowList;
typedef struct SelectorNode SelectorNode; /* the parts of a union, so that its tree can be balanced */
struct SelectorNode {
  SelectorNode *next;
  Selector *selector;
};
typedef struct SelectorList {
  SelectorNode *first, *last;
  size_t count;
} SelectorList;

/* A mistake that an action finds: the parser goes on, so the statement is judged once and not skipped. NULL
 * when it was judged already. */
Diag *build_report(Lexer *lx, DiagCode code, Span span, const char *message);

Expr *build_expr(Lexer *lx, ExprKind kind, Span span);
Expr *build_text(Lexer *lx, ExprKind kind, Span span, const char *text);
Expr *build_int(Lexer *lx, Span span, int64_t value);
Expr *build_float(Lexer *lx, Span span, double value);
Expr *build_bool(Lexer *lx, Span span, bool value);
Expr *build_unary(Lexer *lx, Span span, Operator op, Expr *operand);
Expr *build_binary(Lexer *lx, Span span, ExprKind kind, Operator op, Expr *left, Expr *right);
Expr *build_member(Lexer *lx, Span span, Expr *left, const char *text);
Expr *build_call(Lexer *lx, Span span, Expr *callee, ArgList args);
Expr *build_sequence(Lexer *lx, Span span, ExprKind kind, ArgList items);

Arg *build_arg(Lexer *lx, const char *name, Span name_span, Expr *value);
ArgList args_add(ArgList list, Arg *arg);
/* Reports a positional argument behind a named one (unless they may be `mixed`), and a name given twice. */
ArgList args_checked(Lexer *lx, ArgList list, bool mixed);

Selector *build_every(Lexer *lexer, Span span, Span type_span, const char *type, Selector *area);
Selector *build_path(Lexer *lx, Span span, const char *text);
/* A name between quotes. */
Selector *build_quoted(Lexer *lx, Span span, const char *text);
Selector *build_selector(Lexer *lx, Span span, SelectorKind kind, const char *text, Selector *left, Selector *right);
/* `[…]` behind a selector (NULL: at its start): stages, children, parameters, or a region. */
Selector *build_indexed(Lexer *lx, Span span, Selector *left, IndexList indices);
SelectorList selectors_add(Lexer *lx, SelectorList list, Selector *selector);
Selector *build_union(Lexer *lx, SelectorList list);
Index *build_index(Lexer *lx, Span span, bool is_range, Expr *begin, Expr *end);
IndexList indices_add(IndexList list, Index *index);

Donor *build_donor_model(Lexer *lx, Span span, Expr *model);
void donor_member(Lexer *lx, Donor *donor, Span span, const char *text);
void donor_index(Lexer *lx, Donor *donor, Span span, Index *index);
void donor_range(Lexer *lx, Donor *donor, Span span, Expr *left, Expr *right);
/* A word where a file is wanted: a constant that holds its name, as the template {f}. A path without quotes is
 * reported. */
const char *file_word(Lexer *lx, Span span, const char *word);
/* `from random`, the only word there that is no file. */
void donor_from_word(Lexer *lx, Donor *donor, Span span, const char *word);

Stmt *build_stmt(Lexer *lx, StmtKind kind, Span span);
StmtList stmts_add(StmtList list, Stmt *stmt);
/* Gives the statement its block, and for an `if` the other one; judges the height. */
void stmt_blocks(Lexer *lx, Stmt *stmt, StmtList body, StmtList other);
void stmt_name(Stmt *stmt, const char *name, Span span);
/* append and prepend: a donor without slice and weights is a LAYER. */
void stmt_addition(Stmt *stmt, Donor *donor);
/* A plain dotted name, without globs (of a path: not `quoted`). */
void stmt_target(Lexer *lx, Stmt *stmt, const char *path, Span span, bool quoted);
/* `batch = 16` among the settings. True where several settings ran together: then only the first value belongs to it.
 */
bool setting_equals(Lexer *lx, Span equals, const char *name, Span values);
Allow *build_allow(Lexer *lx, const char *what, Span what_span, Selector *selector);
AllowList allows_add(AllowList list, Allow *allow);
#endif
