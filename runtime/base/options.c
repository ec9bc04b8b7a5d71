/* Options of a command line: see options.h. */
#include "runtime/base/options.h"
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>

static bool whole_number(const char *text, int64_t least, int64_t *to) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (end == text || *end || errno || value < least) return false;
  *to = value;
  return true;
}

bool option_store(const Option *o, void *values, const char *value) {
  void *to = (char *)values + o->offset;
  char *end;
  switch (o->kind) {
  case OPTION_FLAG: *(bool *)to = true; return true;
  case OPTION_TEXT: *(const char **)to = value; return *value != 0;
  case OPTION_COUNT: return whole_number(value, 1, to);
  case OPTION_SIZE: return whole_number(value, 0, to);
  case OPTION_RATE:
    errno = 0;
    *(double *)to = strtod(value, &end);
    return end != value && !*end && isfinite(*(double *)to) && *(double *)to >= 0;
  case OPTION_REFUSED:
  case OPTION_OWN: break;
  }
  return false;
}

void options_add(OptionReader *reader, const Option *option, char letter) {
  if (reader->count == OPTIONS_MOST) abort(); /* a table that is too long */
  reader->row[reader->count] = option, reader->letter[reader->count++] = letter;
}

OptionsEnd options_read(const OptionReader *reader, int argc, char **argv,
                        bool (*take)(void *user, int row, const char *value), void *user, int *word) {
  enum { LONG = 256 }; /* above all letters */
  struct option list[OPTIONS_MOST + 1] = {0};
  char letters[2 * OPTIONS_MOST + 2], *end = letters;
  if (!reader->loud) *end++ = ':';
  for (int i = 0; i < reader->count; i++) {
    const Option *o = reader->row[i];
    bool flag = o->kind == OPTION_FLAG || (o->kind == OPTION_OWN && !o->argument);
    list[i] = (struct option){o->name, flag ? no_argument : required_argument, NULL, LONG + i};
    if (reader->letter[i]) *end++ = reader->letter[i];
    if (reader->letter[i] && !flag) *end++ = ':';
  }
  *end = 0;
  optind = 0, opterr = reader->loud; /* 0: getopt starts anew, for a second call in one process */
  for (int key; (key = getopt_long(argc, argv, letters, list, NULL)) != -1;) {
    int row = key - LONG;
    *word = key == '?' && optopt && optopt < LONG ? optopt : optind - 1;
    if (key == ':') return OPTIONS_NO_VALUE;
    if (key == '?') return optopt && optopt < LONG ? OPTIONS_LETTER : OPTIONS_UNKNOWN;
    for (int i = 0; row < 0 && i < reader->count; i++)
      if (reader->letter[i] == key) row = i;
    if (!take(user, row, optarg)) return OPTIONS_STOPPED;
  }
  *word = optind;
  return OPTIONS_READ;
}
