/* Man pages in the macros of man(7), from the tables of commands, options, passes, statements, operators and training.
 */
#include "compiler/driver/manual/manual.h"
#include <ctype.h>

/* A text of the tables: nothing in it is roff's own, at the start of a line either. */
static void put(FILE *out, const char *text) {
  bool start = true;
  for (; *text; start = *text++ == '\n') {
    if (start && (*text == '.' || *text == '\'')) fputs("\\&", out);
    if (*text == '\\') fputs("\\e", out);
    else if (*text == '-') fputs("\\-", out);
    else fputc(*text, out);
  }
}

static void put_font(FILE *out, char font, const char *text) {
  fprintf(out, "\\f%c", font);
  put(out, text);
  fputs("\\fR", out);
}

static void put_title(FILE *out, const char *name, const char *section) {
  fputs(".\\\" Made by `surgeryc manual`: do not edit.\n.TH ", out);
  for (const char *c = name; *c; c++) fputc(toupper((unsigned char)*c), out);
  fprintf(out, " %s \"\" \"Surgery " SURGERY_VERSION "\" \"Surgery\"\n", section);
}

static void put_name(FILE *out, const char *name, const char *help) {
  fputs(".SH NAME\n", out);
  put(out, name);
  fputs(" \\- ", out);
  char line[256]; /* as a heading, without the full stop */
  snprintf(line, sizeof line, "%s", help);
  size_t length = strlen(line);
  if (length && line[length - 1] == '.') line[length - 1] = 0;
  put(out, line);
  fputc('\n', out);
}

static void put_option(FILE *out, const OptionRow *row) {
  const char *value = row->option.argument, *dashes = is_single_dash(row->option.name) ? "-" : "--";
  fputs(".TP\n", out);
  if (row->letter) {
    put_font(out, 'B', (char[]){'-', row->letter, 0});
    if (value) fputc(' ', out), put_font(out, 'I', value);
    fputs(", ", out);
  }
  fputs("\\fB", out);
  put(out, dashes), put(out, row->option.name);
  fputs("\\fR", out);
  if (value) fputc(dashes[1] ? '=' : ' ', out), put_font(out, 'I', value);
  fputc('\n', out);
  put(out, row->option.help);
  fputc('\n', out);
}

static void put_options(FILE *out, const CommandRow *command) {
  size_t count;
  const OptionRow *rows = option_rows(&count);
  fputs(".SH OPTIONS\n", out);
  for (size_t i = 0; i < count; i++)
    if (has_option(command, &rows[i])) put_option(out, &rows[i]);
}

static void put_commands(FILE *out) {
  fputs(".SH COMMANDS\n", out);
  for (size_t i = 1; i < COMMAND_COUNT; i++) {
    fprintf(out, ".TP\n.BR surgeryc\\-%s (1)\n", command_rows[i].name);
    put(out, command_rows[i].help);
    fputc('\n', out);
  }
}

void manual_command(FILE *out, const CommandRow *command) {
  bool is_build = command == &command_rows[COMMAND_BUILD];
  char name[64];
  snprintf(name, sizeof name, is_build ? "surgeryc" : "surgeryc-%s", command->name);
  put_title(out, name, "1");
  put_name(out, name, command->help);
  const char *rest = strstr(command->usage, "\n\n");
  fputs(".SH SYNOPSIS\n.nf\n", out);
  for (const char *line = command->usage; line != rest && *line;) {
    size_t length = strcspn(line, "\n");
    char text[256];
    snprintf(text, sizeof text, "%.*s\n", (int)length, line + strspn(line, " "));
    put(out, text);
    line += length + (line[length] == '\n' && line + length != rest);
  }
  fputs(".fi\n.SH DESCRIPTION\n", out);
  put(out, command->help);
  fputc('\n', out);
  if (rest) {
    fputs(".PP\n.nf\n", out);
    put(out, rest + 2);
    fputs("\n.fi\n", out);
  }
  if (is_build) put_commands(out);
  put_options(out, command);
  fputs(".SH EXIT STATUS\n", out);
  put(out, exit_status_text(command));
  fputs(".\n.SH SEE ALSO\n", out);
  if (!is_build) fputs(".BR surgeryc (1),\n", out);
  fputs(".BR surgery (5)\n", out);
}

/* ---- the language ---- */

static void put_row(FILE *out, const char *form, const char *doc) {
  fputs(".TP\n", out);
  put_font(out, 'B', form);
  fputc('\n', out);
  put(out, doc);
  fputs(".\n", out);
}

static void put_operators(FILE *out, bool layers) {
  for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
    const OpInfo *info = op_info((OpId)op);
    if (info->is_layer != layers) continue;
    fputs(".TP\n", out);
    put_font(out, 'B', info->name);
    fputc('(', out);
    for (const ArgInfo *a = info->args; a->name; a++) {
      if (a != info->args) fputs(", ", out);
      put(out, a->name);
      if (a->fallback) fputc('=', out), put(out, a->fallback);
    }
    fputs(")\n", out);
    put(out, info->doc);
    fputs(".\n", out);
  }
}

void manual_language(FILE *out) {
  put_title(out, "surgery", "5");
  put_name(out, "surgery", "a language for editing pretrained networks");
  fputs(".SH DESCRIPTION\n", out);
  put(out, "A script takes a network that someone else trained, cuts it, freezes a part of it and gives it new layers; "
           "what it makes is compiled by surgeryc(1). A statement ends with its line or with a semicolon, a comment "
           "begins with #.\n");
  fputs(".SH STATEMENTS\n", out);
  for (int kind = 0; kind < STMT_KINDS; kind++)
    if (keywords[kind].word) put_row(out, keywords[kind].form, keywords[kind].doc);
  fputs(".SH LAYERS\nA model declares them and calls them; names and arguments are those of torch.nn.\n", out);
  put_operators(out, true);
  fputs(".SH FUNCTIONS\nOf values, in a forward.\n", out);
  put_operators(out, false);
  fputs(".SH TRAINING\nThe settings of a train block.\n", out);
#define SETTING(name, scope, type, fallback, least, most, doc) put_row(out, #name, doc);
#include "grammar/train.def"
  fputs(".SS Optimizers\n", out);
#define OPTIMIZER(name, args, checks, states, least, most, usual, doc) put_row(out, #name, doc);
#include "grammar/train.def"
  fputs(".SS Losses\n", out);
#define LOSS(name, args, checks, target, torch, doc) put_row(out, #name, doc);
#include "grammar/train.def"
  fputs(".SS Schedules\n", out);
#define SCHEDULE(name, args, torch, doc) put_row(out, #name, doc);
#include "grammar/train.def"
  fputs(".SS Augmentations\n", out);
#define AUGMENT(name, args, checks, place, torch, doc) put_row(out, #name, doc);
#include "grammar/train.def"
  fputs(".SH SEE ALSO\n.BR surgeryc (1)\n", out);
}
