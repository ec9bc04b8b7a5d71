/* The syntax tree as text: one line a statement, its blocks indented below; values and selectors with every
 * bracket written out, so that a golden file shows how they were read. For --dump=parse and the tests. */
#include "grammar/ast.h"
#include <stdlib.h>

static void dump_expr(const Expr *e, FILE *out);
static void dump_selector(const Selector *s, FILE *out);

static void dump_text(const char *text, FILE *out) {
  fputc('"', out);
  for (const char *at = text; *at; at++) {
    if (*at == '"' || *at == '\\') fprintf(out, "\\%c", *at);
    else if (*at == '\n') fputs("\\n", out);
    else if (*at == '\t') fputs("\\t", out);
    else fputc(*at, out);
  }
  fputc('"', out);
}

/* The shortest decimal that reads back the same, and that cannot be taken for an integer. */
static void dump_float(double number, FILE *out) {
  char text[64];
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, number);
    if (strtod(text, NULL) == number) break;
  }
  fprintf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void dump_args(const Arg *arg, FILE *out) {
  for (const char *comma = ""; arg; arg = arg->next, comma = ", ") {
    fputs(comma, out);
    if (arg->name) fputs(arg->name, out);
    if (arg->name && arg->value) fputs(" = ", out);
    if (arg->value) dump_expr(arg->value, out);
  }
}

static const char *const operator_names[] = {"?",
#define OPERATOR(NAME, text) text,
                                             EACH_OPERATOR(OPERATOR)
#undef OPERATOR
};
const char *operator_name(Operator op) { return operator_names[op]; }

Operator operator_of(char text) {
  for (Operator op = OP_LESS; op < OP_NEGATE; op++)
    if (operator_names[op][0] == text && !operator_names[op][1]) return op;
  return NO_OPERATOR;
}

static void dump_binary(const Expr *e, const char *op, FILE *out) {
  fputc('(', out);
  dump_expr(e->left, out);
  fputs(op, out);
  dump_expr(e->right, out);
  fputc(')', out);
}

static void dump_expr(const Expr *e, FILE *out) {
  switch (e->kind) {
  case EXPR_INT: fprintf(out, "%lld", (long long)e->integer); break;
  case EXPR_FLOAT: dump_float(e->number, out); break;
  case EXPR_STRING: dump_text(e->text, out); break;
  case EXPR_BOOL: fputs(e->integer ? "true" : "false", out); break;
  case EXPR_NONE: fputs("none", out); break;
  case EXPR_HOLE: fputs("_", out); break;
  case EXPR_NAME: fputs(e->text, out); break;
  case EXPR_MEMBER:
    dump_expr(e->left, out);
    fprintf(out, ".%s", e->text);
    break;
  case EXPR_INDEX:
    dump_expr(e->left, out);
    fputc('[', out);
    dump_expr(e->right, out);
    fputc(']', out);
    break;
  case EXPR_CALL:
    dump_expr(e->left, out);
    fputc('(', out);
    dump_args(e->args, out);
    fputc(')', out);
    break;
  case EXPR_LIST:
  case EXPR_TUPLE:
    fputs(e->kind == EXPR_LIST ? "[" : "tuple(", out);
    dump_args(e->args, out);
    fputc(e->kind == EXPR_LIST ? ']' : ')', out);
    break;
  case EXPR_UNARY:
    fputs(e->op == OP_NOT ? "(not " : "(-", out);
    dump_expr(e->left, out);
    fputc(')', out);
    break;
  case EXPR_BINARY: {
    char op[8];
    snprintf(op, sizeof op, " %s ", operator_name(e->op));
    dump_binary(e, op, out);
    break;
  }
  case EXPR_RANGE: dump_binary(e, " .. ", out); break;
  }
}

static void dump_indices(const Index *index, FILE *out) {
  fputc('[', out);
  for (const char *comma = ""; index; index = index->next, comma = ", ") {
    fputs(comma, out);
    if (index->begin) dump_expr(index->begin, out);
    if (index->is_range) fputc(':', out);
    if (index->end) dump_expr(index->end, out);
  }
  fputc(']', out);
}

static void dump_two(const char *name, const Selector *s, FILE *out) {
  fprintf(out, "%s(", name);
  dump_selector(s->left, out);
  fputs(", ", out);
  dump_selector(s->right, out);
  fputc(')', out);
}

static void dump_counted(const char *name, const Selector *s, FILE *out) {
  fputs(name, out);
  if (s->left) {
    fputc('(', out);
    dump_selector(s->left, out);
    fputc(')', out);
  }
  dump_indices(s->index, out);
}

static void dump_selector(const Selector *s, FILE *out) {
  if (s->parameters_of) fputs("parameters of ", out);
  switch (s->kind) {
  case SELECT_ALL: fputs("all", out); break;
  case SELECT_NAME:
    fprintf(out, "%s%s(%s)", s->is_template ? "template " : "",
            s->is_quoted ? "quoted"
            : s->is_glob ? "glob"
                         : "name",
            s->text);
    break;
  case SELECT_REGEX: fprintf(out, "regex(%s)", s->text); break;
  case SELECT_EVERY:
    fprintf(out, "every(%s", s->text);
    if (s->right) fputs(" in ", out), dump_selector(s->right, out);
    fputc(')', out);
    break;
  case SELECT_RANGE: dump_two("range", s, out); break;
  case SELECT_STAGES: dump_counted("stages", s, out); break;
  case SELECT_CHILDREN: dump_counted("children", s, out); break;
  case SELECT_PARAMETERS: dump_counted("parameters", s, out); break;
  case SELECT_BACKBONE: fputs("backbone", out); break;
  case SELECT_HEAD: fputs("head", out); break;
  case SELECT_UNION: dump_two("union", s, out); break;
  case SELECT_EXCEPT: dump_two("except", s, out); break;
  case SELECT_REGION: dump_counted("region", s, out); break;
  }
}

static void dump_donor(const Donor *donor, FILE *out) {
  fputs(" donor ", out);
  dump_expr(donor->model, out);
  if (donor->slice) fputs(" slice ", out), dump_selector(donor->slice, out);
  if (donor->from) fputs(" from ", out), dump_text(donor->from, out);
  if (donor->from_random) fputs(" from random", out);
  if (donor->under) fputs(" under ", out), dump_text(donor->under, out);
}

static const char *kind_name(StmtKind kind) {
  switch (kind) {
  case STMT_OUTPUT_ITEM: return "item";
  case STMT_SETTING: return "setting";
  case STMT_ASSIGN: return "assign";
  case STMT_EXPR: return "value";
  default: return keywords[kind].word;
  }
}

static void dump_names(const Stmt *s, FILE *out) {
  if (s->name) fprintf(out, " %s%s", s->name_is_template ? "template " : "", s->name);
  if (s->params) fputs(" params(", out), dump_args(s->params, out), fputc(')', out);
  if (s->args) fputs(" args(", out), dump_args(s->args, out), fputc(')', out);
}

static void dump_files(const Stmt *s, FILE *out) {
  if (s->to) fprintf(out, " to %s", s->to);
  if (s->file) fputs(" file ", out), dump_text(s->file, out);
  if (s->under) fputs(" under ", out), dump_text(s->under, out);
  for (const Allow *a = s->allow; a; a = a->next) {
    fprintf(out, " allow %s ", a->what);
    dump_selector(a->selector, out);
  }
}

static void dump_stmts(const Stmt *s, int indent, FILE *out) {
  for (; s; s = s->next) {
    fprintf(out, "%*s%s", indent * 2, "", kind_name(s->kind));
    dump_names(s, out);
    if (s->donor) dump_donor(s->donor, out);
    if (s->selector)
      fputs(s->kind == STMT_INSERT ? (s->after ? " after " : " before ") : " ", out), dump_selector(s->selector, out);
    if (s->kind == STMT_EXPECT && !s->selector) fputs(" parameters", out);
    if (s->source) fputs(" source ", out), dump_selector(s->source, out);
    if (s->compare) fprintf(out, " %s", operator_name(s->compare));
    if (s->value) fputs(s->compare ? " " : " = ", out), dump_expr(s->value, out);
    dump_files(s, out);
    fputc('\n', out);
    dump_stmts(s->body, indent + 1, out);
    if (s->other) {
      fprintf(out, "%*selse\n", indent * 2, "");
      dump_stmts(s->other, indent + 1, out);
    }
  }
}

void ast_dump(const Stmt *first, FILE *out) { dump_stmts(first, 0, out); }
