/* The grammar. Actions only build nodes (build.h): no name, shape or file is looked up here, and any statement
 * may be in any block; compiler/lang, compiler/settings and compiler/edit judge. tokens.c ends every statement with
 * END, which is also where the parser recovers. README.md explains the language, in the order of the rules. */
%require "3.8"
%define api.pure full
%define api.prefix {surgery_yy}
%define api.token.prefix {TOK_}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%parse-param {Lexer *lexer} {ParseResult *result}
%lex-param {Lexer *lexer}

%code requires {
#include "grammar/build.h"
typedef struct ParseResult {
  Stmt *script;
  Expr *expression;
} ParseResult;
}

%code top {
#define YYSTACK_USE_ALLOCA 0
}

%code {
#include "grammar/parse_internal.h"
#define YYLLOC_DEFAULT(current, rhs, n)                                                                    \
  ((current) = (n) ? span_join(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n))                                         \
                   : (Span){YYRHSLOC(rhs, 0).source, YYRHSLOC(rhs, 0).end, YYRHSLOC(rhs, 0).end})
static int surgery_yylex_token(SURGERY_YYSTYPE *value, Span *span, Lexer *lexer) {
  return next_token(lexer, &value->token, span);
}
#undef yylex
#define yylex surgery_yylex_token
/* Called only when the parser's stack is full. */
static void surgery_yyerror(const Span *span, Lexer *lexer, ParseResult *result, const char *message) {
  (void)result, (void)message; /* it can only be "memory exhausted" */
  diag_report(lexer->diags, DIAG_E0008, *span, "too deeply nested to be read");
}
static const StmtList NOTHING = {0};
}

%union {
  TokenValue token;
  Expr *expr;
  Arg *arg;
  ArgList args;
  Selector *selector;
  SelectorList selectors;
  Index *index;
  IndexList indices;
  Donor *donor;
  Allow *allow;
  AllowList allows;
  Stmt *stmt;
  StmtList stmts;
  Operator op;
}

%token START_SCRIPT START_EXPRESSION
%token END "the end of the statement"
%token TAKE "'take'" REMOVE "'remove'" REPLACE "'replace'" INSERT "'insert'" APPEND "'append'" PREPEND "'prepend'"
%token RENAME "'rename'" FREEZE "'freeze'" UNFREEZE "'unfreeze'" LOAD "'load'" SAVE "'save'" INIT "'init'"
%token ADAPT "'adapt'" OUTPUT "'output'" EXPECT "'expect'" INPUT "'input'" LABELS "'labels'" TRAIN "'train'"
%token MODEL "'model'" PARAM "'param'" LET "'let'" FOR "'for'" IF "'if'" ELSE "'else'" INCLUDE "'include'"
%token SET "'set'"
%token STAGES "'stages'" FORWARD "'forward'" RETURN "'return'" GROUP "'group'" PHASE "'phase'"
%token WITH "'with'" TO "'to'" FROM "'from'" BEFORE "'before'" AFTER "'after'" UNDER "'under'" ALLOW "'allow'"
%token CHANNELS "'channels'" PARAMETERS "'parameters'" OF "'of'" EVERY "'every'" IN "'in'" EXCEPT "'except'"
%token AND "'and'" OR "'or'" NOT "'not'" TRUE "'true'" FALSE "'false'" NONE "'none'" HOLE "'_'"
%token LE "'<='" GE "'>='" EQ "'=='" NE "'!='" FLOORDIV "'//'" DOTDOT "'..'"
%token <token> NAME "a name" SETTING "a setting" PATH "a layer" REGEX "a regular expression"
%token <token> STRING "a string" INT "an integer" FLOAT "a number" MEMBER "a member" UPDATE "an assignment"

%left OR
%left AND
%precedence NOT
%nonassoc '<' '>' LE GE EQ NE
%left '+' '-'
%left '*' '/' FLOORDIV '%'
%precedence NEGATE

%type <stmts> statements block items
%type <stmt> statement if item
%type <expr> expr postfix primary range layer
%type <arg> arg named param
%type <args> args arg_list sequence settings nameds names params param_list values
%type <selector> selector frozen single operand picked
%type <selectors> union
%type <index> index
%type <indices> indices
%type <expr> bound
%type <donor> donor donor_model sliced
%type <stmt> addition
%type <allow> allow
%type <allows> allows
%type <stmt> insertion load
%type <op> comparison
%type <token> file

%%

start
  : START_SCRIPT statements       { result->script = $2.first; }
  | START_EXPRESSION expr END     { result->expression = $2; }
  | START_EXPRESSION error END    { result->expression = NULL; }
  ;

statements
  : %empty                        { $$ = NOTHING; }
  | statements statement END      { $$ = stmts_add($1, $2); }
  | statements error END          { $$ = $1; yyerrok; }
  ;

block: '{' statements '}'         { $$ = $2; };

statement
  /* what is done to the network */
  : TAKE donor                    { $$ = build_stmt(lexer, STMT_TAKE, @$); $$->donor = $2; }
  | REMOVE selector               { $$ = build_stmt(lexer, STMT_REMOVE, @$); $$->selector = $2; }
  | REPLACE selector WITH layer   { $$ = build_stmt(lexer, STMT_REPLACE, @$); $$->selector = $2; $$->value = $4; }
  | INSERT insertion BEFORE selector { $$ = $2; $$->span = @$; $$->selector = $4; }
  | INSERT insertion AFTER selector  { $$ = $2; $$->span = @$; $$->selector = $4; $$->after = true; }
  | APPEND addition               { $$ = $2; $$->span = @$; $$->kind = STMT_APPEND; }
  | PREPEND addition              { $$ = $2; $$->span = @$; $$->kind = STMT_PREPEND; }
  | RENAME selector TO PATH       { $$ = build_stmt(lexer, STMT_RENAME, @$); $$->selector = $2;
                                    stmt_target(lexer, $$, $4.text, @4, false); }
  | RENAME selector TO STRING     { $$ = build_stmt(lexer, STMT_RENAME, @$); $$->selector = $2;
                                    stmt_target(lexer, $$, $4.text, @4, true); }
  | FREEZE frozen                 { $$ = build_stmt(lexer, STMT_FREEZE, @$); $$->selector = $2; }
  | UNFREEZE frozen               { $$ = build_stmt(lexer, STMT_UNFREEZE, @$); $$->selector = $2; }
  | load                          { $$ = $1; $$->span = @$; }
  | SAVE selector TO file         { $$ = build_stmt(lexer, STMT_SAVE, @$); $$->selector = $2;
                                    $$->file = $4.text; $$->file_span = @4; }
  | INIT selector WITH expr       { $$ = build_stmt(lexer, STMT_INIT, @$); $$->selector = $2; $$->value = $4; }
  | ADAPT selector TO CHANNELS expr { $$ = build_stmt(lexer, STMT_ADAPT, @$); $$->selector = $2; $$->value = $5; }
  | SET selector nameds           { $$ = build_stmt(lexer, STMT_SET, @$); $$->selector = $2;
                                    $$->args = args_checked(lexer, $3, false).first; }
  | OUTPUT items                  { $$ = build_stmt(lexer, STMT_OUTPUT, @$); $$->body = $2.first; }
  | EXPECT single '(' sequence ')' { $$ = build_stmt(lexer, STMT_EXPECT, @$); $$->selector = $2;
                                    $$->value = build_sequence(lexer, span_join(@3, @5), EXPR_TUPLE, $4); }
  | EXPECT single comparison expr { $$ = build_stmt(lexer, STMT_EXPECT, @$); $$->compare = $3; $$->value = $4;
                                    bool count = $2->kind == SELECT_NAME && streq($2->text, "parameters");
                                    $$->selector = count ? NULL : $2; }
  | EXPECT PARAMETERS OF single comparison expr
                                  { $$ = build_stmt(lexer, STMT_EXPECT, @$); $$->selector = $4; $$->compare = $5;
                                    $$->value = $6; }
  /* input, labels, training */
  | INPUT NAME                    { $$ = build_stmt(lexer, STMT_INPUT, @$); stmt_name($$, $2.text, @2); }
  | INPUT NAME block              { $$ = build_stmt(lexer, STMT_INPUT, @$); stmt_name($$, $2.text, @2);
                                    $$->block = true; stmt_blocks(lexer, $$, $3, NOTHING); }
  | INPUT NAME '(' args ')'       { $$ = build_stmt(lexer, STMT_INPUT, @$); stmt_name($$, $2.text, @2);
                                    $$->args = args_checked(lexer, $4, false).first; }
  | INPUT NAME '(' args ')' block { $$ = build_stmt(lexer, STMT_INPUT, @$); stmt_name($$, $2.text, @2);
                                    $$->block = true; $$->args = args_checked(lexer, $4, false).first;
                                    stmt_blocks(lexer, $$, $6, NOTHING); }
  | LABELS values                 { $$ = build_stmt(lexer, STMT_LABELS, @$); $$->args = $2.first; }
  | TRAIN block                   { $$ = build_stmt(lexer, STMT_TRAIN, @$); stmt_blocks(lexer, $$, $2, NOTHING); }
  | PHASE NAME block              { $$ = build_stmt(lexer, STMT_PHASE, @$); stmt_name($$, $2.text, @2);
                                    stmt_blocks(lexer, $$, $3, NOTHING); }
  | GROUP selector nameds         { $$ = build_stmt(lexer, STMT_GROUP, @$); $$->selector = $2;
                                    $$->args = args_checked(lexer, $3, false).first; }
  | SETTING                       { $$ = build_stmt(lexer, STMT_SETTING, @$); stmt_name($$, $1.text, @1); }
  | SETTING settings              { $$ = build_stmt(lexer, STMT_SETTING, @$); stmt_name($$, $1.text, @1);
                                    $$->args = args_checked(lexer, $2, false).first; }
  | SETTING '(' nameds ')'        { $$ = build_stmt(lexer, STMT_SETTING, @$); stmt_name($$, $1.text, @1); /* as a call */
                                    $$->args = args_checked(lexer, $3, false).first; }
  | SETTING '=' settings          { $$ = build_stmt(lexer, STMT_SETTING, @$); stmt_name($$, $1.text, @1);
                                    $$->args = $3.first;
                                    if (setting_equals(lexer, @2, $1.text, @3)) $$->args->next = NULL; }
  /* declarations and constants */
  | MODEL NAME params block       { $$ = build_stmt(lexer, STMT_MODEL, @$); stmt_name($$, $2.text, @2);
                                    $$->params = $3.first; stmt_blocks(lexer, $$, $4, NOTHING); }
  | MODEL NAME params '=' expr    { $$ = build_stmt(lexer, STMT_MODEL, @$); stmt_name($$, $2.text, @2);
                                    $$->params = $3.first; $$->value = $5; }
  | PARAM NAME '=' expr           { $$ = build_stmt(lexer, STMT_PARAM, @$); stmt_name($$, $2.text, @2); $$->value = $4; }
  | LET NAME '=' expr             { $$ = build_stmt(lexer, STMT_LET, @$); stmt_name($$, $2.text, @2); $$->value = $4; }
  | FOR names IN range block      { $$ = build_stmt(lexer, STMT_FOR, @$); $$->params = $2.first; $$->value = $4;
                                    stmt_blocks(lexer, $$, $5, NOTHING); }
  | if
  | INCLUDE STRING                { $$ = build_stmt(lexer, STMT_INCLUDE, @$); $$->file = $2.text; $$->file_span = @2; }
  | STAGES items                  { $$ = build_stmt(lexer, STMT_STAGES, @$); $$->body = $2.first; }
  | FORWARD names block           { $$ = build_stmt(lexer, STMT_FORWARD, @$); $$->params = $2.first;
                                    stmt_blocks(lexer, $$, $3, NOTHING); }
  | RETURN values                 { $$ = build_stmt(lexer, STMT_RETURN, @$);
                                    $$->value = $2.first->next ? build_sequence(lexer, @2, EXPR_TUPLE, $2) : $2.first->value; }
  | NAME '=' expr                 { $$ = build_stmt(lexer, STMT_ASSIGN, @$); stmt_name($$, $1.text, @1); $$->value = $3; }
  | STRING '=' expr               { $$ = build_stmt(lexer, STMT_ASSIGN, @$); stmt_name($$, $1.text, @1); $$->value = $3; }
  | NAME UPDATE expr              { $$ = build_stmt(lexer, STMT_ASSIGN, @$); stmt_name($$, $1.text, @1);
                                    $$->value = build_binary(lexer, @$, EXPR_BINARY, operator_of(lexer->text[@2.begin]),
                                                             build_text(lexer, EXPR_NAME, @1, $1.text), $3); }
  | expr                          { $$ = build_stmt(lexer, STMT_EXPR, @$); $$->value = $1; }
  ;

insertion
  : layer                         { $$ = build_stmt(lexer, STMT_INSERT, @$); $$->value = $1; }
  | NAME '=' layer                { $$ = build_stmt(lexer, STMT_INSERT, @$); stmt_name($$, $1.text, @1); $$->value = $3; }
  | STRING '=' layer              { $$ = build_stmt(lexer, STMT_INSERT, @$); stmt_name($$, $1.text, @1); $$->value = $3; }
  ;

addition
  : donor                         { $$ = build_stmt(lexer, STMT_APPEND, @$); stmt_addition($$, $1); }
  | NAME '=' donor                { $$ = build_stmt(lexer, STMT_APPEND, @$); stmt_name($$, $1.text, @1); stmt_addition($$, $3); }
  | STRING '=' donor              { $$ = build_stmt(lexer, STMT_APPEND, @$); stmt_name($$, $1.text, @1); stmt_addition($$, $3); }
  ;

layer: expr;

frozen
  : selector
  | PARAMETERS OF selector        { $$ = $3; $$->parameters_of = true; }
  ;

load
  : LOAD selector FROM file       { $$ = build_stmt(lexer, STMT_LOAD, @$); $$->selector = $2;
                                    $$->file = $4.text; $$->file_span = @4; }
  | LOAD selector '=' selector FROM file
                                  { $$ = build_stmt(lexer, STMT_LOAD, @$); $$->selector = $2; $$->source = $4;
                                    $$->file = $6.text; $$->file_span = @6; }
  | load UNDER STRING             { $$ = $1; $$->under = $3.text; $$->under_span = @3; }
  | load ALLOW allows             { $$ = $1; $$->allow = $3.first; }
  ;

/* between quotes, or the name of a constant */
file
  : STRING
  | NAME                          { $$.text = file_word(lexer, @1, $1.text); }
  | PATH                          { $$.text = file_word(lexer, @1, $1.text); }
  ;

allows
  : allow                         { $$ = allows_add((AllowList){0}, $1); }
  | allows ',' allow              { $$ = allows_add($1, $3); }
  ;

allow: PATH single                { $$ = build_allow(lexer, $1.text, @1, $2); };

items
  : item                          { $$ = stmts_add(NOTHING, $1); }
  | items ',' item                { $$ = stmts_add($1, $3); }
  ;

item
  : single                        { $$ = build_stmt(lexer, STMT_OUTPUT_ITEM, @$); $$->selector = $1; }
  | PATH '=' single               { $$ = build_stmt(lexer, STMT_OUTPUT_ITEM, @$); stmt_name($$, $1.text, @1); $$->selector = $3; }
  | STRING '=' single             { $$ = build_stmt(lexer, STMT_OUTPUT_ITEM, @$); stmt_name($$, $1.text, @1); $$->selector = $3; }
  ;

comparison
  : '<'  { $$ = OP_LESS; } | '>' { $$ = OP_GREATER; } | LE { $$ = OP_LESS_EQUAL; } | GE { $$ = OP_GREATER_EQUAL; }
  | EQ   { $$ = OP_EQUAL; } | NE { $$ = OP_NOT_EQUAL; }
  ;

/* ---- the donor of take, append, prepend: its slice is written like a value ---- */

donor
  : sliced
  | sliced FROM STRING            { $$ = $1; $$->span = @$; $$->from = $3.text; $$->from_span = @3; }
  | sliced FROM STRING UNDER STRING { $$ = $1; $$->span = @$; $$->from = $3.text; $$->from_span = @3;
                                    $$->under = $5.text; $$->under_span = @5; }
  | sliced FROM NAME              { $$ = $1; $$->span = @$; donor_from_word(lexer, $$, @3, $3.text); }
  ;

sliced
  : donor_model
  | sliced MEMBER                 { $$ = $1; donor_member(lexer, $$, @2, $2.text); }
  | sliced '[' index ']'          { $$ = $1; donor_index(lexer, $$, span_join(@2, @4), $3); }
  | sliced '[' expr DOTDOT expr ']' { $$ = $1; donor_range(lexer, $$, span_join(@2, @6), $3, $5); }
  ;

donor_model
  : NAME                          { $$ = build_donor_model(lexer, @$, build_text(lexer, EXPR_NAME, @1, $1.text)); }
  | STRING                        { $$ = build_donor_model(lexer, @$, build_text(lexer, EXPR_STRING, @1, $1.text)); }
  | NAME '(' args ')'             { Expr *name = build_text(lexer, EXPR_NAME, @1, $1.text);
                                    $$ = build_donor_model(lexer, @$, build_call(lexer, @$, name, $3)); }
  ;

/* ---- selectors ---- */

selector
  : union                         { $$ = build_union(lexer, $1); }
  | selector EXCEPT union         { $$ = build_selector(lexer, @$, SELECT_EXCEPT, NULL, $1, build_union(lexer, $3)); }
  ;

union
  : operand                       { $$ = selectors_add(lexer, (SelectorList){0}, $1); }
  | union ',' operand             { $$ = selectors_add(lexer, $1, $3); }
  ;

/* where a comma separates selectors that have something before them */
single
  : operand
  | single EXCEPT operand         { $$ = build_selector(lexer, @$, SELECT_EXCEPT, NULL, $1, $3); }
  ;

operand
  : picked
  | picked DOTDOT picked          { $$ = build_selector(lexer, @$, SELECT_RANGE, NULL, $1, $3); }
  | EVERY PATH                    { $$ = build_every(lexer, @$, @2, $2.text, NULL); }
  | EVERY PATH IN operand         { $$ = build_every(lexer, @$, @2, $2.text, $4); }
  | REGEX                         { $$ = build_selector(lexer, @$, SELECT_REGEX, $1.text, NULL, NULL); }
  | '(' selector ')'              { $$ = $2; }
  ;

picked
  : PATH                          { $$ = build_path(lexer, @1, $1.text); }
  | STRING                        { $$ = build_quoted(lexer, @1, $1.text); }
  | '[' indices ']'               { $$ = build_indexed(lexer, @$, NULL, $2); }
  | picked '[' indices ']'        { $$ = build_indexed(lexer, @$, $1, $3); }
  ;

indices
  : index                         { $$ = indices_add((IndexList){0}, $1); }
  | indices ',' index             { $$ = indices_add($1, $3); }
  ;

index
  : expr                          { $$ = build_index(lexer, @$, false, $1, NULL); }
  | bound ':' bound               { $$ = build_index(lexer, @$, true, $1, $3); }
  ;

bound: %empty { $$ = NULL; } | expr;

/* ---- values ---- */

range
  : expr
  | expr DOTDOT expr              { $$ = build_binary(lexer, @$, EXPR_RANGE, NO_OPERATOR, $1, $3); }
  ;

expr
  : postfix
  | '-' expr %prec NEGATE         { $$ = build_unary(lexer, @$, OP_NEGATE, $2); }
  | NOT expr                      { $$ = build_unary(lexer, @$, OP_NOT, $2); }
  | expr '+' expr                 { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_ADD, $1, $3); }
  | expr '-' expr                 { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_SUBTRACT, $1, $3); }
  | expr '*' expr                 { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_MULTIPLY, $1, $3); }
  | expr '/' expr                 { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_DIVIDE, $1, $3); }
  | expr '%' expr                 { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_REMAINDER, $1, $3); }
  | expr FLOORDIV expr            { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_FLOOR_DIVIDE, $1, $3); }
  | expr '<' expr                 { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_LESS, $1, $3); }
  | expr '>' expr                 { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_GREATER, $1, $3); }
  | expr LE expr                  { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_LESS_EQUAL, $1, $3); }
  | expr GE expr                  { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_GREATER_EQUAL, $1, $3); }
  | expr EQ expr                  { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_EQUAL, $1, $3); }
  | expr NE expr                  { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_NOT_EQUAL, $1, $3); }
  | expr AND expr                 { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_AND, $1, $3); }
  | expr OR expr                  { $$ = build_binary(lexer, @$, EXPR_BINARY, OP_OR, $1, $3); }
  ;

postfix
  : primary
  | postfix MEMBER                { $$ = build_member(lexer, @$, $1, $2.text); }
  | postfix '[' expr ']'          { $$ = build_binary(lexer, @$, EXPR_INDEX, NO_OPERATOR, $1, $3); }
  | postfix '(' args ')'          { $$ = build_call(lexer, @$, $1, $3); }
  ;

primary
  : NAME                          { $$ = build_text(lexer, EXPR_NAME, @$, $1.text); }
  | STRING                        { $$ = build_text(lexer, EXPR_STRING, @$, $1.text); }
  | INT                           { $$ = build_int(lexer, @$, $1.integer); }
  | FLOAT                         { $$ = build_float(lexer, @$, $1.number); }
  | TRUE                          { $$ = build_bool(lexer, @$, true); }
  | FALSE                         { $$ = build_bool(lexer, @$, false); }
  | NONE                          { $$ = build_expr(lexer, EXPR_NONE, @$); }
  | HOLE                          { $$ = build_expr(lexer, EXPR_HOLE, @$); }
  | '(' expr ')'                  { $$ = $2; }
  | '(' expr ',' ')'              { ArgList one = args_add((ArgList){0}, build_arg(lexer, NULL, SPAN_NONE, $2));
                                    $$ = build_sequence(lexer, @$, EXPR_TUPLE, one); }
  | '(' expr ',' sequence ')'     { ArgList all = args_add((ArgList){0}, build_arg(lexer, NULL, SPAN_NONE, $2));
                                    all.last->next = $4.first;
                                    if ($4.depth > all.depth) all.depth = $4.depth;
                                    $$ = build_sequence(lexer, @$, EXPR_TUPLE, all); }
  | '[' ']'                       { $$ = build_expr(lexer, EXPR_LIST, @$); }
  | '[' sequence ']'              { $$ = build_sequence(lexer, @$, EXPR_LIST, $2); }
  ;

/* values in brackets: a comma may stand behind the last */
sequence: values | values ',';

values
  : expr                          { $$ = args_add((ArgList){0}, build_arg(lexer, NULL, SPAN_NONE, $1)); }
  | values ',' expr               { $$ = args_add($1, build_arg(lexer, NULL, SPAN_NONE, $3)); }
  ;

args
  : %empty                        { $$ = (ArgList){0}; }
  | arg_list
  | arg_list ','                  { $$ = $1; }
  ;

arg_list
  : arg                           { $$ = args_add((ArgList){0}, $1); }
  | arg_list ',' arg              { $$ = args_add($1, $3); }
  ;

arg
  : expr                          { $$ = build_arg(lexer, NULL, SPAN_NONE, $1); }
  | named
  ;

named: NAME '=' expr              { $$ = build_arg(lexer, $1.text, @1, $3); };

/* the values of a setting: named ones may stand side by side without commas */
settings
  : arg                           { $$ = args_add((ArgList){0}, $1); }
  | settings ',' arg              { $$ = args_add($1, $3); }
  | settings named                { $$ = args_add($1, $2); }
  ;

nameds
  : named                         { $$ = args_add((ArgList){0}, $1); }
  | nameds named                  { $$ = args_add($1, $2); }
  | nameds ',' named              { $$ = args_add($1, $3); }
  ;

names
  : NAME                          { $$ = args_add((ArgList){0}, build_arg(lexer, $1.text, @1, NULL)); }
  | names ',' NAME                { $$ = args_add($1, build_arg(lexer, $3.text, @3, NULL)); }
  ;

params
  : %empty                        { $$ = (ArgList){0}; }
  | '(' ')'                       { $$ = (ArgList){0}; }
  | '(' param_list ')'            { $$ = $2; }
  | '(' param_list ',' ')'        { $$ = $2; }
  ;

param_list
  : param                         { $$ = args_add((ArgList){0}, $1); }
  | param_list ',' param          { $$ = args_add($1, $3); }
  ;

param
  : NAME                          { $$ = build_arg(lexer, $1.text, @1, NULL); }
  | named
  ;

if
  : IF expr block                 { $$ = build_stmt(lexer, STMT_IF, @$); $$->value = $2;
                                    stmt_blocks(lexer, $$, $3, NOTHING); }
  | IF expr block ELSE block      { $$ = build_stmt(lexer, STMT_IF, @$); $$->value = $2; stmt_blocks(lexer, $$, $3, $5); }
  | IF expr block ELSE if         { $$ = build_stmt(lexer, STMT_IF, @$); $$->value = $2;
                                    stmt_blocks(lexer, $$, $3, stmts_add(NOTHING, $5)); }
  ;

%%

static int yyreport_syntax_error(const yypcontext_t *context, Lexer *lexer, ParseResult *result) {
  (void)result;
  yysymbol_kind_t kinds[YYNTOKENS];
  const char *names[YYNTOKENS];
  int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
  for (int i = 0; i < count; i++) names[i] = yysymbol_name(kinds[i]);
  bool end = yypcontext_token(context) == YYSYMBOL_END;
  report_syntax(lexer, end, *yypcontext_location(context), names, count < 0 ? 0 : count);
  return 0;
}
