/* Completions of surgeryc for bash, zsh and fish: commands, the options that each has, and the values of those that
 * have a list. All else is a file's name. */
#include "compiler/driver/manual/manual.h"

static const char *dashes(const OptionRow *row) { return is_single_dash(row->option.name) ? "-" : "--"; }

static void put_commands(FILE *out, const char *between) {
  for (size_t i = 1; i < COMMAND_COUNT; i++) fprintf(out, "%s%s", i > 1 ? between : "", command_rows[i].name);
}

static void put_values(FILE *out, const char *name) {
  size_t count;
  const char *const *values = option_values(name, &count);
  for (size_t i = 0; values && i < count; i++) fprintf(out, "%s%s", i ? " " : "", values[i]);
}

/* ---- bash ---- */

static void bash_values(FILE *out) {
  size_t rows, count;
  const OptionRow *row = option_rows(&rows);
  fputs("  case $prev in\n", out);
  for (size_t i = 0; i < rows; i++) {
    if (!row[i].option.argument) continue;
    fprintf(out, "  %s%s", dashes(&row[i]), row[i].option.name);
    if (row[i].letter) fprintf(out, " | -%c", row[i].letter);
    fputs(") ", out);
    if (option_values(row[i].option.name, &count)) {
      fputs("COMPREPLY=($(compgen -W '", out);
      put_values(out, row[i].option.name);
      fputs("' -- \"$cur\")); ", out);
    }
    fputs("return ;;\n", out);
  }
  fputs("  esac\n", out);
}

/* One with a value is completed up to its "=", and one with a single dash as a word. */
static void bash_options(FILE *out) {
  size_t rows;
  const OptionRow *row = option_rows(&rows);
  fputs("  case $command in\n", out);
  for (size_t k = 0; k < COMMAND_COUNT; k++) {
    fprintf(out, "  %s) options='", command_rows[k].name);
    for (size_t i = 0; i < rows; i++)
      if (has_option(&command_rows[k], &row[i]))
        fprintf(out, "%s%s%s ", dashes(&row[i]), row[i].option.name,
                row[i].option.argument && !is_single_dash(row[i].option.name) ? "=" : "");
    fputs("' ;;\n", out);
  }
  fputs("  esac\n", out);
}

void manual_bash(FILE *out) {
  fputs("# Completions of surgeryc for bash. Made by `surgeryc manual bash`: do not edit.\n"
        "_surgeryc() {\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=build options=\n"
        "  COMPREPLY=()\n"
        "  # \"=\" is a word of its own\n"
        "  if [[ $cur == = ]]; then cur=\n"
        "  elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
        "  if ((COMP_CWORD > 1)); then\n"
        "    case ${COMP_WORDS[1]} in ",
        out);
  put_commands(out, " | ");
  fputs(") command=${COMP_WORDS[1]} ;; esac\n  fi\n", out);
  bash_values(out);
  bash_options(out);
  fputs("  if [[ $cur == -* ]]; then\n"
        "    COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
        "    if [[ ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi\n"
        "  elif ((COMP_CWORD == 1)); then\n"
        "    COMPREPLY=($(compgen -W '",
        out);
  put_commands(out, " ");
  fputs("' -- \"$cur\") $(compgen -f -X '!*.surgery' -- \"$cur\"))\n"
        "  fi\n"
        "}\n"
        "complete -o default -F _surgeryc surgeryc\n",
        out);
}

/* ---- zsh ---- */

/* Within single quotes and the brackets of _arguments. */
static void zsh_text(FILE *out, const char *text) {
  for (; *text; text++) {
    if (strchr("[]:\\", *text)) fputc('\\', out);
    if (*text == '\'') fputs("'\\''", out);
    else fputc(*text, out);
  }
}

static void zsh_option(FILE *out, const OptionRow *row) {
  const char *name = row->option.name, *value = row->option.argument;
  size_t count;
  const char *equals = value && !is_single_dash(name) ? "=" : "";
  fputs("      '*'", out);
  if (row->letter) fprintf(out, "{-%c%s,%s%s%s}", row->letter, value ? "+" : "", dashes(row), name, equals);
  else fprintf(out, "%s%s%s", dashes(row), name, equals);
  fputs("'[", out);
  zsh_text(out, row->option.help);
  fputc(']', out);
  if (value) {
    fputc(':', out);
    zsh_text(out, value);
    fputc(':', out);
    if (option_values(name, &count)) fputc('(', out), put_values(out, name), fputc(')', out);
    else fputs("_files", out);
  }
  fputs("' \\\n", out);
}

void manual_zsh(FILE *out) {
  size_t rows;
  const OptionRow *row = option_rows(&rows);
  fputs("#compdef surgeryc\n"
        "# Completions of surgeryc for zsh. Made by `surgeryc manual zsh`: do not edit.\n"
        "_surgeryc_first() {\n"
        "  local -a commands=(\n",
        out);
  for (size_t i = 1; i < COMMAND_COUNT; i++) {
    fprintf(out, "    '%s:", command_rows[i].name);
    zsh_text(out, command_rows[i].help);
    fputs("'\n", out);
  }
  fputs("  )\n"
        "  _describe command commands\n"
        "  _files -g '*.surgery'\n"
        "}\n"
        "_surgeryc() {\n"
        "  local command=build\n"
        "  if ((CURRENT > 2)); then\n"
        "    case $words[2] in (",
        out);
  put_commands(out, "|");
  fputs(") command=$words[2]; shift words; ((CURRENT--)) ;; esac\n"
        "  fi\n"
        "  case $command in\n",
        out);
  for (size_t k = 0; k < COMMAND_COUNT; k++) {
    fprintf(out, "  (%s)\n    _arguments \\\n", command_rows[k].name);
    for (size_t i = 0; i < rows; i++)
      if (has_option(&command_rows[k], &row[i])) zsh_option(out, &row[i]);
    fputs(k == COMMAND_BUILD ? "      '1: :_surgeryc_first' '*: :_files' ;;\n" : "      '*: :_files' ;;\n", out);
  }
  fputs("  esac\n"
        "}\n"
        "if [[ $funcstack[1] == _surgeryc ]]; then _surgeryc \"$@\"; else compdef _surgeryc surgeryc; fi\n",
        out);
}

/* ---- fish ---- */

static void fish_text(FILE *out, const char *text) {
  fputc('\'', out);
  for (; *text; text++) {
    if (*text == '\'' || *text == '\\') fputc('\\', out);
    fputc(*text, out);
  }
  fputc('\'', out);
}

static void fish_option(FILE *out, const OptionRow *row) {
  size_t count;
  fputs("complete -c surgeryc -n '__surgeryc_command_is", out);
  for (size_t k = 0; k < COMMAND_COUNT; k++)
    if (has_option(&command_rows[k], row)) fprintf(out, " %s", command_rows[k].name);
  fprintf(out, "' %s %s", is_single_dash(row->option.name) ? "-o" : "-l", row->option.name);
  if (row->letter) fprintf(out, " -s %c", row->letter);
  if (row->option.argument) fputs(" -r", out);
  if (option_values(row->option.name, &count)) {
    fputs(" -f -a '", out);
    put_values(out, row->option.name);
    fputc('\'', out);
  }
  fputs(" -d ", out);
  fish_text(out, row->option.help);
  fputc('\n', out);
}

void manual_fish(FILE *out) {
  size_t rows;
  const OptionRow *row = option_rows(&rows);
  fputs("# Completions of surgeryc for fish. Made by `surgeryc manual fish`: do not edit.\n"
        "function __surgeryc_command_is\n"
        "  set -l words (commandline -opc)\n"
        "  set -l command build\n"
        "  if set -q words[2]; and contains -- $words[2] ",
        out);
  put_commands(out, " ");
  fputs("\n    set command $words[2]\n"
        "  end\n"
        "  contains -- $command $argv\n"
        "end\n"
        "function __surgeryc_is_first\n"
        "  test (count (commandline -opc)) -eq 1\n"
        "end\n",
        out);
  for (size_t i = 1; i < COMMAND_COUNT; i++) {
    fprintf(out, "complete -c surgeryc -n __surgeryc_is_first -a %s -d ", command_rows[i].name);
    fish_text(out, command_rows[i].help);
    fputc('\n', out);
  }
  for (size_t i = 0; i < rows; i++) fish_option(out, &row[i]);
}
