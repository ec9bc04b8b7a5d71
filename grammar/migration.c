/* What fingers that know Python or C type, and how it is written here: single words, and whole statements such as
 * `model.fc = nn.Linear(512, 10)`. Looks only at the text; must not change what the parser does. Called by
 * syntax_error.c and, for words that the parser accepts as names, by the front end. */
#include "compiler/base/diag.h"
#include "grammar/parse_internal.h"
#include <ctype.h>

static const struct {
  const char *word;
  const char *instead; /* the keyword that is meant; NULL where none does the same */
  const char *help;    /* NULL with `instead` */
} words[] = {
    {"import", NULL,
     "nothing is imported: layers have the names of torch.nn, networks are built in; leave the line out"},
    {"from", NULL, "nothing is imported: layers have the names of torch.nn, networks are built in; leave the line out"},
    {"print", NULL, "`surgeryc plan` and `surgeryc show` print the network; leave the line out"},
    {"def", NULL, "how values flow is written: forward x { … return y }"},
    {"class", NULL, "a network is declared: model NAME(arguments) { … }"},
    {"while", NULL, "a loop runs over what is known at compile time: for i in 0..4 { … }"},
    {"elif", NULL, "it is written: } else if CONDITION { … }"},
    {"prune", NULL,
     "layers are taken away whole: remove SELECTOR; fewer channels are another layer: replace NAME with LAYER"},
    {"quantize", NULL, "computing is in f32; the program's export writes smaller files: --dtype f16, --dtype bf16"},
    {"export", NULL, "the compiled program exports: PROGRAM export --out FILE; leave the line out"},
    {"evaluate", NULL, "the compiled program evaluates: PROGRAM eval --data DIR; leave the line out"},
    {"predict", NULL, "the compiled program predicts: PROGRAM predict FILE; leave the line out"},
    {"thaw", "unfreeze", NULL},
    {"unlock", "unfreeze", NULL},
    {"delete", "remove", NULL},
    {"del", "remove", NULL},
    {"drop", "remove", NULL},
    {"cut", "remove", NULL},
    {"add", "append", NULL},
    {"use", "take", NULL},
    {"swap", "replace", NULL},
    {"const", "let", NULL},
    {"var", "let", NULL},
    {"assert", "expect", NULL},
    {"lock", "freeze", NULL},
};

const char *migration_of(const char *word, const char **instead) {
  *instead = NULL;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (streq(words[i].word, word)) {
      *instead = words[i].instead;
      return words[i].help;
    }
  return NULL;
}

bool migration_is_line_to_drop(const char *word) {
  return streq(word, "import") || streq(word, "from") || streq(word, "print");
}

static const char *const train_settings[] = {"optimizer", "loss",       "batch", "epochs", "augment",    "schedule",
                                             "clip_norm", "accumulate", "mixup", "seed",   "early_stop", "ema"};
static const char *const input_settings[] = {"resize", "center_crop", "normalize", "grayscale", "exif_transpose"};

const char *migration_block_of(const char *setting) {
  for (size_t i = 0; i < sizeof train_settings / sizeof *train_settings; i++)
    if (streq(train_settings[i], setting)) return "train";
  for (size_t i = 0; i < sizeof input_settings / sizeof *input_settings; i++)
    if (streq(input_settings[i], setting)) return "input image(3, 224, 224)";
  return NULL;
}

/* ---- the text of a statement ---- */

Span rest_of_statement(const Lexer *lx, uint32_t from) {
  return (Span){lx->source, from, text_statement_end(lx->text, lx->length, from)};
}

static const char *copy(const Lexer *lx, Span span) {
  return arena_strndup(lx->arena, lx->text + span.begin, span.end - span.begin);
}

const char *without_modules(Arena *arena, const char *text) {
  static const char *const modules[] = {"torch.nn.functional.", "torch.nn.", "torch.", "nn.", "F.", "self."};
  char *out = arena_alloc(arena, strlen(text) + 1), *to = out;
  for (const char *at = text; *at;) {
    bool starts = at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_' && at[-1] != '.');
    size_t skip = 0;
    for (size_t i = 0; starts && !skip && i < sizeof modules / sizeof *modules; i++)
      if (strncmp(at, modules[i], strlen(modules[i])) == 0) skip = strlen(modules[i]);
    if (skip) at += skip;
    else *to++ = *at++;
  }
  *to = '\0';
  return out;
}

const char *path_of_network(Arena *arena, const char *text) {
  static const char *const objects[] = {"model.", "net.", "network.", "self.", "backbone."};
  for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
    if (strncmp(text, objects[i], strlen(objects[i])) == 0) {
      text += strlen(objects[i]);
      break;
    }
  for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) /* model.requires_grad_(False) */
    if (strncmp(text, objects[i], strlen(text)) == 0 && strlen(text) + 1 == strlen(objects[i])) return "all";
  char *out = arena_alloc(arena, strlen(text) + 1), *to = out;
  for (; *text; text++) {
    if (*text == '[') *to++ = '.';
    else if (isalnum((unsigned char)*text) || *text == '_' || *text == '.') *to++ = *text;
    else if (*text != ']') return NULL;
  }
  *to = '\0';
  return *out ? out : NULL;
}

/* layer4.requires_grad = False */
static bool cure_requires_grad(Lexer *lx, Diag *diag, Span whole, char *path, const char *value) {
  char *end = strstr(path, ".requires_grad");
  if (!end || end[strlen(".requires_grad")]) return false;
  *end = '\0';
  const char *verb = strncmp(value, "True", 4) == 0 || strncmp(value, "true", 4) == 0 ? "unfreeze" : "freeze";
  diag_help(lx->diags, diag, "gradients are stopped and let through by statements: %s %s", verb, path);
  diag_fix(lx->diags, diag, whole, "%s %s", verb, path);
  return true;
}

bool cure_assignment(Lexer *lx, Diag *diag, Span equals) {
  if (lx->text[equals.begin] != '=') return false;
  Span before = {lx->source, lx->first.begin, equals.begin};
  while (before.end > before.begin && isspace((unsigned char)lx->text[before.end - 1])) before.end--;
  if (before.end - before.begin > 200 || !memchr(lx->text + before.begin, '.', before.end - before.begin)) return false;
  const char *path = path_of_network(lx->arena, copy(lx, before));
  Span rest = rest_of_statement(lx, equals.end);
  if (!path || rest.end == rest.begin || rest.end - rest.begin > 500) return false;
  const char *value = without_modules(lx->arena, copy(lx, rest));
  while (*value == ' ') value++;
  Span whole = {lx->source, lx->first.begin, rest.end};
  if (cure_requires_grad(lx, diag, whole, (char *)path, value)) return true;
  diag_help(lx->diags, diag, "a layer is replaced by: replace %s with %s", path, value);
  diag_fix(lx->diags, diag, whole, "replace %s with %s", path, value);
  return true;
}

/* `def forward(self, x) {`, `class Net(nn.Module) {`: the line up to its brace. */
void cure_declaration(Lexer *lx, Diag *diag, const char *word) {
  uint32_t brace = lx->first.end;
  while (brace < lx->length && lx->text[brace] != '{' && lx->text[brace] != '\n') brace++;
  if (brace >= lx->length || lx->text[brace] != '{') return;
  Span head = {lx->source, lx->first.begin, brace};
  const char *text = copy(lx, (Span){lx->source, lx->first.end, brace});
  while (*text == ' ') text++;
  int name = (int)strcspn(text, " (:");
  if (streq(word, "class")) {
    diag_fix(lx->diags, diag, head, "model %.*s ", name, text);
  } else if (strncmp(text, "forward(self, ", 14) == 0 && strchr(text, ')')) {
    text += 14;
    diag_fix(lx->diags, diag, head, "forward %.*s ", (int)strcspn(text, ")"), text);
  }
}
