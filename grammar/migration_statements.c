/* Whole statements of PyTorch, Keras, YAML and of English, and how each is written here: one row each. Looks only at
 * the text. Called where a statement could not be read (syntax_error.c, token_values.c) or stands for nothing
 * (compiler/lang/migration.c). */
#include "compiler/base/diag.h"
#include "grammar/parse_internal.h"
#include <ctype.h>

/* In a pattern a blank is any number of blanks, and these take a piece of the text, each with its number:
 *   @1  a path, as model.layer1[0].conv1; in a fix it is the network's: layer1.0.conv1
 *   $1  one argument: up to a comma, a bracket or a quote
 *   *1  anything with its brackets closed, also nothing
 *   &1  a verb that takes a selector
 *   ~1  the name of a file
 * The first row that fits counts. A fix of "" is a line to be left out; without a fix the help is all there is. */
static const struct {
  const char *pattern, *help, *fix;
} statements[] = {
#define LOAD "weights are read by"
#define SAVE "weights are written by"
#define DROP "the compiled program knows by its command (train, eval, predict) what is done; leave the line out"
#define FREEZE "gradients are stopped and let through by statements"
    {"@1.load_state_dict(torch.load(\"~2\"*3), strict=False)", LOAD,
     "load all from \"~2\" allow missing all, unexpected **"},
    {"@1.load_state_dict(torch.load(\"~2\"*3)*4)", LOAD, "load all from \"~2\""},
    {"@1.load_state_dict(*2)", "weights are read by: load all from \"FILE\"", NULL},
    {"@1.load_weights(\"~2\")", LOAD, "load all from \"~2\""},
    {"@1 = torch.load(\"~2\"*3)", LOAD, "load all from \"~2\""},
    {"torch.save(*1.state_dict(), \"~2\")", SAVE, "save all to \"~2\""},
    {"torch.save(*1)", "weights are written by: save all to \"FILE.pth\"", NULL},
    {"@1.save_weights(\"~2\")", "weights are written by: save all to \"FILE.pth\"", NULL},
    {"@1.eval()", DROP, ""},
    {"@1.train()", DROP, ""},
    {"@1.cuda()", DROP, ""},
    {"@1.cpu()", DROP, ""},
    {"@1.to(*2)", DROP, ""},
    {"@1 = @2.to(*3)", DROP, ""},
    {"@1 = torch.device(*2)", DROP, ""},
    {"@1.zero_grad()", DROP, ""},
    {"@1.backward()", DROP, ""},
    {"@1.step()", DROP, ""},
    {"@1.summary()", "`surgeryc show` prints the network; leave the line out", ""},
    {"@1.compile(*2)", "optimizer and loss belong in a block: train { optimizer Adam(lr=1e-3); loss CrossEntropy }",
     NULL},
    {"@1.fit(*2)", "the compiled program trains: PROGRAM train --data DIR; leave the line out", ""},
    {"@1 = torch.optim.lr_scheduler.*2", "it belongs in the train block: train { schedule step(10) }", NULL},
    {"@1 = lr_scheduler.*2", "it belongs in the train block: train { schedule step(10) }", NULL},
    {"@1 = torch.optim.@2(*5.parameters(), *4)", "it belongs in the train block", "train { optimizer @2(*4) }"},
    {"@1 = optim.@2(*5.parameters(), *4)", "it belongs in the train block", "train { optimizer @2(*4) }"},
    {"@1 = nn.@2Loss(*3)", "it belongs in the train block: train { loss @2(*3) }", NULL},
    {"@1.requires_grad_(False)", FREEZE, "freeze @1"},
    {"@1.requires_grad_(*2)", FREEZE, "unfreeze @1"},
    {"for @1 in @2.parameters(): @3.requires_grad = False", FREEZE, "freeze @2"},
    {"for @1 in @2.parameters(): @3.requires_grad = True", FREEZE, "unfreeze @2"},
    {"for @1 in @2.named_parameters()*3",
     "selectors pick layers by their names: freeze all except fc, freeze /^layer[12]/", NULL},
    {"for @1, @2 in @3.named_parameters()*4",
     "selectors pick layers by their names: freeze all except fc, freeze /^layer[12]/", NULL},
    {"@1.add_module(\"@2\", *3)", "a layer is put at the end by", "append @2 = *3"},
    {"nn.init.@2_(@1)", "initial values are given by", "init @1 with @2()"},
    {"torch.nn.init.@2_(@1)", "initial values are given by", "init @1 with @2()"},
    {"@1 = nn.Sequential(\\*list(@2.children())[:-1])", "layers are taken away by", "remove children[-1]"},
    {"@1 = nn.Sequential(\\*list(@2.children())[:-$3])", "layers are taken away by", "remove children[-$3:]"},
    {"@1 = *5ModuleList([*2 for @3 in *4])",
     "layers are made by a loop, and called by their names: for @3 in *4 { \"@1{@3}\" = *2 }", NULL},
    {"del @1", "layers are taken away by", "remove @1"},
    {"@1.out_features = $2", "a layer is replaced by", "replace @1 with Linear(_, $2)"},
    {"@1.p = $2", "a layer is replaced by", "replace @1 with Dropout($2)"},
    {"@1.inplace = $2", "whether a layer works in place is the compiler's business; leave the line out", ""},
#define ARGUMENT(name)                                                                                                 \
  {"@1." name " = $2", "the arguments of a layer stay; put another in its place: replace @1 with …(…, " name "=$2)",   \
   NULL}
    ARGUMENT("stride"),
    ARGUMENT("padding"),
    ARGUMENT("kernel_size"),
    ARGUMENT("dilation"),
    ARGUMENT("groups"),
    ARGUMENT("bias"),
    ARGUMENT("eps"),
    ARGUMENT("momentum"),
    ARGUMENT("in_features"),
    ARGUMENT("in_channels"),
    ARGUMENT("out_channels"),
    ARGUMENT("num_features"),
    {"@1.weight = *2",
     "values come from a file or an initialiser: load @1.weight from \"FILE\", init @1 with kaiming_normal()", NULL},
    {"@1.weight.data*2",
     "values come from a file or an initialiser: load @1.weight from \"FILE\", init @1 with kaiming_normal()", NULL},
    /* statements of this language, nearly */
    {"replace *1 with $2, *3", "several layers in the place of one are a Sequential",
     "replace *1 with Sequential($2, *3)"},
    {"load *1 from \"~2\" strict=False", "what may be missing or left over is named by",
     "load *1 from \"~2\" allow missing all, unexpected **"},
    {"load *1 from \"~2\", strict=False", "what may be missing or left over is named by",
     "load *1 from \"~2\" allow missing all, unexpected **"},
    {"load *1 from \"~2\"*3 strict=True", "a load is always strict", "load *1 from \"~2\""},
#define ALLOW(what)                                                                                                    \
  {"load *1 allow " what " @2, @3", "several are written in brackets", "load *1 allow " what " (@2, @3)"},             \
      {"load *1 allow " what " @2, @3, @4", "several are written in brackets", "load *1 allow " what " (@2, @3, @4)"}
    ALLOW("unexpected"),
    ALLOW("missing"),
    ALLOW("shape"),
#define PLAIN(start)                                                                                                   \
  {start "torch.nn.@1(*2)", "layers are written without their module", start "@1(*2)"},                                \
      {start "nn.@1(*2)", "layers are written without their module", start "@1(*2)"}
    PLAIN("append "),
    PLAIN("append @3 = "),
    PLAIN("prepend "),
    PLAIN("prepend @3 = "),
    {"append *1 after *2", "within the network a layer is put by", "insert *1 after *2"},
    {"append *1 before *2", "within the network a layer is put by", "insert *1 before *2"},
    {"add *1 after *2", "within the network a layer is put by", "insert *1 after *2"},
    {"add *1 before *2", "within the network a layer is put by", "insert *1 before *2"},
    {"insert *1 between @2 and @3", "one of the two says where", "insert *1 before @3"},
    {"adapt *1 to $2 channels", "it is written", "adapt *1 to channels $2"},
    {"adapt *1 to channels=$2", "it is written", "adapt *1 to channels $2"},
    {"adapt *1 to $2", "it is written", "adapt *1 to channels $2"},
    {"take *1 from http*2/~3", "nothing is fetched: download the file, and name it", "take *1 from \"~3\""},
#define EXCEPT(wrong) {"&1 " wrong " *2", "it is written", "&1 all except *2"}
    EXCEPT("everything but"),
    EXCEPT("everything except"),
    EXCEPT("all but"),
    EXCEPT("all, except"),
    EXCEPT("all, but"),
    EXCEPT("all excluding"),
    EXCEPT("all without"),
    EXCEPT("all minus"),
    EXCEPT("all -"),
    EXCEPT("all not"),
    EXCEPT("everything, except"),
    EXCEPT("everything without"),
    EXCEPT("not"),
    EXCEPT("!"),
    EXCEPT("~"),
    EXCEPT("-"),
    {"&1 *2, except *3", "it is written", "&1 *2 except *3"},
    {"&1 *2 but *3", "it is written", "&1 *2 except *3"},
    /* YAML */
    {"model: @1", "a network is taken by", "take @1"},
    {"network: @1", "a network is taken by", "take @1"},
    {"backbone: @1", "a network is taken by", "take @1"},
    {"take: *1", "a statement is written without ':'", "take *1"},
    {"labels: [*1]", "a statement is written without ':'", "labels *1"},
    {"&1: [*2]", "a statement is written without ':'", "&1 *2"},
    {"&1: *2", "a statement is written without ':'", "&1 *2"},
};

/* ---- matching ---- */

typedef struct Captures {
  const char *begin[10];
  size_t length[10];
  int left; /* steps, so that no text takes long */
} Captures;

static bool fits(Captures *c, const char *pattern, const char *text);

static bool path_char(char ch) {
  return isalnum((unsigned char)ch) || ch == '_' || ch == '.' || ch == '[' || ch == ']';
}

static bool take(Captures *c, const char *pattern, const char *text, size_t length) {
  int at = pattern[1] - '0';
  c->begin[at] = text;
  c->length[at] = length;
  return fits(c, pattern + 2, text + length);
}

/* The longest first, so that `.` in the pattern finds the last one. */
static bool take_word(Captures *c, const char *pattern, const char *text, bool (*holds)(char)) {
  size_t length = 0;
  while (holds(text[length])) length++;
  for (; length > 0; length--)
    if (take(c, pattern, text, length)) return true;
  return false;
}

static bool file_char(char ch) { return (unsigned char)ch > ' ' && ch != '"' && ch != '\''; }
static bool last_file_char(char ch) { return file_char(ch) && ch != '/'; }

/* The shortest first; brackets within are closed. */
static bool take_any(Captures *c, const char *pattern, const char *text) {
  int depth = 0;
  for (size_t length = 0;; length++) {
    if (depth == 0 && take(c, pattern, text, length)) return true;
    char ch = text[length];
    if (!ch || ch == '\n') return false;
    if (strchr("([{", ch)) depth++;
    if (strchr(")]}", ch) && --depth < 0) return false;
  }
}

static bool take_argument(Captures *c, const char *pattern, const char *text) {
  int depth = 0;
  size_t length = 0;
  for (; text[length] && text[length] != '\n'; length++) {
    char ch = text[length];
    if (strchr("([{", ch)) depth++;
    if (strchr(")]}", ch) && --depth < 0) break;
    if (depth == 0 && (ch == ',' || ch == '"')) break;
  }
  while (length > 0 && text[length - 1] == ' ') length--;
  return length > 0 && take(c, pattern, text, length);
}

static bool take_verb(Captures *c, const char *pattern, const char *text) {
  static const char *const verbs[] = {"freeze", "unfreeze", "remove", "load", "save", "output"};
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    size_t length = strlen(verbs[i]);
    if (strncmp(text, verbs[i], length) == 0 && !isalnum((unsigned char)text[length]) && take(c, pattern, text, length))
      return true;
  }
  return false;
}

static bool fits(Captures *c, const char *pattern, const char *text) {
  if (--c->left < 0) return false;
  if (!*pattern) return text[strspn(text, " \t\r\n;")] == '\0';
  if (*pattern == ' ') {
    size_t blanks = strspn(text, " \t\r\n");
    bool word = isalnum((unsigned char)pattern[1]) && blanks == 0; /* two words do not run together */
    return fits(c, pattern + 1, text + blanks) && !(word && isalnum((unsigned char)text[-1]));
  }
  if (isdigit((unsigned char)pattern[1])) switch (*pattern) {
    case '@': return take_word(c, pattern, text, path_char);
    case '~': return take_word(c, pattern, text, pattern[-1] == '/' ? last_file_char : file_char);
    case '$': return take_argument(c, pattern, text);
    case '*': return take_any(c, pattern, text);
    case '&': return take_verb(c, pattern, text);
    }
  if (*pattern == '\\') pattern++;
  return *pattern == *text && fits(c, pattern + 1, text + 1);
}

/* ---- what is written instead ---- */

static const char *filled(Arena *arena, const Captures *c, const char *form) {
  const char *out = "";
  for (const char *at = form; *at; at++) {
    if (!strchr("@~$*&", *at) || !isdigit((unsigned char)at[1])) {
      out = arena_printf(arena, "%s%c", out, *at);
      continue;
    }
    int i = at[1] - '0';
    const char *piece = arena_strndup(arena, c->begin[i], c->length[i]);
    if (*at == '@') {
      const char *path = path_of_network(arena, piece);
      piece = path ? path : piece;
    } else if (*at != '~') {
      piece = without_modules(arena, piece);
    }
    out = arena_printf(arena, "%s%s", out, piece);
    at++;
  }
  return out;
}

const char *migration_statement(Arena *arena, const char *text, const char **fix) {
  *fix = NULL;
  if (strlen(text) > 1000) return NULL;
  while (isspace((unsigned char)*text)) text++;
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
    Captures c = {.left = 100000};
    if (!fits(&c, statements[i].pattern, text)) continue;
    if (statements[i].fix) *fix = filled(arena, &c, statements[i].fix);
    const char *help = filled(arena, &c, statements[i].help);
    return *fix && **fix ? arena_printf(arena, "%s: %s", help, *fix) : help;
  }
  return NULL;
}
