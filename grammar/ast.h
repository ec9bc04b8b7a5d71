/* The syntax tree: what the parser builds, nothing resolved. Names, shapes, files and constants get a
 * meaning in compiler/lang, compiler/settings and compiler/edit. All memory belongs to the arena given to parse().
 * Lists are singly linked through `next`, in source order. */
#ifndef SURGERY_GRAMMAR_AST_H
#define SURGERY_GRAMMAR_AST_H
#include "compiler/base/diag.h"
#include "compiler/base/source.h"
#include "runtime/base/selector.h"

/* No tree is higher than this, so that code which walks one may recurse. */
enum { AST_MAX_DEPTH = 200 };

typedef struct Expr Expr;
typedef struct Arg Arg;
typedef struct Stmt Stmt;

/* ---- expressions: constants, layers `Linear(_, 10)`, and the values of a forward ---- */

typedef enum ExprKind {
  EXPR_INT,    /* integer; 12M and 3k are 12000000 and 3000 */
  EXPR_FLOAT,  /* number */
  EXPR_STRING, /* text (escapes resolved) */
  EXPR_BOOL,   /* integer: 0 or 1 */
  EXPR_NONE,   /* none */
  EXPR_HOLE,   /* _ */
  EXPR_NAME,   /* text */
  EXPR_MEMBER, /* left.text; text may be a number, as in layers.0 */
  EXPR_INDEX,  /* left[right] */
  EXPR_CALL,   /* left(args); `Sequential(pool = AdaptiveAvgPool2d(1), Flatten())` has named args */
  EXPR_LIST,   /* [args] */
  EXPR_TUPLE,  /* (args) with a comma */
  EXPR_UNARY,  /* op left: OP_NEGATE, OP_NOT */
  EXPR_BINARY, /* left op right: the other operators */
  EXPR_RANGE   /* left..right, half open; in `for` only */
} ExprKind;

/* The operators of expressions, and how they are written; the comparisons first. */
#define EACH_OPERATOR(OPERATOR)                                                                                        \
  OPERATOR(LESS, "<")                                                                                                  \
  OPERATOR(GREATER, ">")                                                                                               \
  OPERATOR(LESS_EQUAL, "<=")                                                                                           \
  OPERATOR(GREATER_EQUAL, ">=")                                                                                        \
  OPERATOR(EQUAL, "==")                                                                                                \
  OPERATOR(NOT_EQUAL, "!=")                                                                                            \
  OPERATOR(ADD, "+")                                                                                                   \
  OPERATOR(SUBTRACT, "-")                                                                                              \
  OPERATOR(MULTIPLY, "*")                                                                                              \
  OPERATOR(DIVIDE, "/")                                                                                                \
  OPERATOR(FLOOR_DIVIDE, "//")                                                                                         \
  OPERATOR(REMAINDER, "%")                                                                                             \
  OPERATOR(AND, "and")                                                                                                 \
  OPERATOR(OR, "or")                                                                                                   \
  OPERATOR(NOT, "not")                                                                                                 \
  OPERATOR(NEGATE, "-")
typedef enum Operator {
  NO_OPERATOR,
#define OPERATOR(NAME, text) OP_##NAME,
  EACH_OPERATOR(OPERATOR)
#undef OPERATOR
} Operator;
static inline bool is_comparison(Operator op) { return op != NO_OPERATOR && op <= OP_NOT_EQUAL; }
/* As it is written: "<=". */
const char *operator_name(Operator op);
/* The one of a single character, as += has it: OP_ADD of '+'. */
Operator operator_of(char text);

struct Expr {
  ExprKind kind;
  Span span;
  Operator op;
  uint16_t depth; /* of the tree from here down; never above AST_MAX_DEPTH */
  int64_t integer;
  double number;
  const char *text;
  Expr *left, *right;
  Arg *args;
};

struct Arg {
  Arg *next;
  const char *name; /* NULL for a positional argument */
  Span name_span;
  Expr *value;
};

/* ---- statements ---- */

typedef struct Donor {
  Span span;
  Expr *model;      /* EXPR_NAME or EXPR_CALL, or EXPR_STRING for an ONNX file */
  Selector *slice;  /* NULL: whole. SELECT_STAGES/CHILDREN/RANGE/NAME (`take bert_base.encoder`) */
  const char *from; /* the file behind `from`, or NULL: a template, as all files; of a constant `f` it is {f} */
  Span from_span;
  bool from_random;  /* `from random` */
  const char *under; /* the text behind `under`, or NULL */
  Span under_span;
} Donor;

typedef struct Allow Allow; /* allow missing /re/, unexpected /re/ */
struct Allow {
  Allow *next;
  const char *what; /* "missing", "unexpected", "shape", "dtype" as written */
  Span what_span;
  Selector *selector;
};

typedef enum StmtKind { /* each keyword is one, and what begins with none */
#define KEYWORD(word, KIND, ...) STMT_##KIND,
#include "grammar/keywords.def"
                        STMT_OUTPUT_ITEM, /* one of the list of an output or of stages: name (NULL: the selector's own),
                                             selector */
                        STMT_SETTING, /* one setting of input or train: name, args: `optimizer Adam(lr=1e-3)` has the
                                         one arg EXPR_CALL; `resize 256`, `batch 16`, `augment a(224), b` have their
                                         values as args */
                        STMT_ASSIGN,  /* name = value: a layer in a model, a value in a forward */
                        STMT_EXPR,    /* value alone: an unnamed layer in a model (its name is the next number) */
                        STMT_KINDS
} StmtKind;

/* What keywords.def says of a kind; all of it is 0 for kinds that no keyword begins. */
enum { STMT_SELECTS = 1, STMT_NAMED_VALUES = 2, STMT_KEEPS_SHAPES = 4, STMT_NAMES_LAYERS = 8 };
typedef struct Keyword {
  const char *word, *doc, *form;
  int token; /* the parser's */
  unsigned flags;
} Keyword;
extern const Keyword keywords[STMT_KINDS]; /* token_words.c */

/* Its rule in parser.y says which of these a statement has; the others are 0. */
struct Stmt {
  Stmt *next;
  StmtKind kind;
  uint16_t depth;   /* of blocks in blocks, and of else if after else if; as in Expr */
  Span span;        /* the whole statement */
  const char *name; /* of what it makes or declares: a layer, a constant, a model; of a setting; of the kind of input */
  Span name_span;
  bool name_is_template, to_is_template; /* it holds {…} to be filled in */
  Selector *selector;                    /* what it acts on; NULL for `expect parameters` */
  Selector *source;                      /* the right side of `load A = B from` */
  Expr *value;                           /* LAYER, a constant, the shape or number of an expect, what a for runs over */
  Arg *args;                             /* of a setting, a group, an input; labels */
  Arg *params;                           /* of a model (with defaults), of a forward; the variables of a for */
  Donor *donor;                          /* of a take, or of a slice that is appended or prepended */
  const char *file, *under, *to;         /* `to`: of a rename */
  Span file_span, under_span, to_span;
  Allow *allow;
  bool after;       /* insert … after */
  bool block;       /* input: with a block, be it an empty one */
  Operator compare; /* expect: NO_OPERATOR for a shape in `value` (EXPR_TUPLE, first element the name N), else
                   the operator as in EXPR_BINARY */
  Stmt *body;       /* the statements of its block; the items of output and stages */
  Stmt *other;      /* the block after else */
};

/* Parses one source. Always returns what could be read (NULL for an empty script); every mistake is in
 * `diags`, one message for each statement that cannot be read. Nesting deeper than 200 is refused. */
Stmt *parse(Arena *arena, Diags *diags, Sources *sources, uint32_t source);
/* Parses the one expression from byte `begin` on, for -D NAME=VALUE. NULL and a diagnostic when it is not one. */
Expr *parse_expression(Arena *arena, Diags *diags, Sources *sources, uint32_t source, uint32_t begin);
/* One line per node, indented; for --dump=parse and the golden tests. */
void ast_dump(const Stmt *first, FILE *out);
/* What a word of Python or C is called here: a help, or the keyword in *instead; NULL and NULL for other words. */
const char *migration_of(const char *word, const char **instead);
/* Such a word's line stands for nothing (import, print): it may go. */
bool migration_is_line_to_drop(const char *word);
/* migration_statements.c: how a whole statement of PyTorch, Keras or YAML is written here, or NULL; `*fix` is what
 * takes its place ("" where the line may go), or NULL. */
const char *migration_statement(Arena *arena, const char *text, const char **fix);

/* For `surgeryc fmt`, by the rules of README.md: the text of `source` laid out anew, NUL-terminated, in the arena;
 * *length without the NUL. Every comment and every word is kept as it was written, and the syntax tree is the same:
 * BUG() where it is not. NULL when the script has mistakes of syntax, which are then in `diags`. */
const char *format_script(Arena *arena, Diags *diags, Sources *sources, uint32_t source, size_t *length);
#endif
