/* Options of a command line from a table: the same row gives getopt_long its entry, --help its line and the value its
 * place. What is said where one is wrong is for the two that call this to say: surgeryc and the commands of programs.
 */
#ifndef SURGERY_BASE_OPTIONS_H
#define SURGERY_BASE_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum OptionKind {
  OPTION_FLAG,    /* bool */
  OPTION_TEXT,    /* const char *, not empty */
  OPTION_COUNT,   /* int64_t, 1 or more */
  OPTION_SIZE,    /* int64_t, 0 or more */
  OPTION_RATE,    /* double, 0 or more, finite */
  OPTION_REFUSED, /* known, and not there yet: `help` says why */
  OPTION_OWN      /* the caller's to read; a flag where `argument` is NULL */
} OptionKind;

typedef struct Option {
  const char *name; /* after two dashes */
  OptionKind kind;
  size_t offset;        /* in the struct of values */
  const char *argument; /* "FILE", for the help; NULL for a flag */
  const char *help;
} Option;

/* Puts the value in its place: false where it is none of the kind. */
bool option_store(const Option *option, void *values, const char *value);

enum { OPTIONS_MOST = 64 };
typedef struct OptionReader {
  const Option *row[OPTIONS_MOST];
  char letter[OPTIONS_MOST]; /* after one dash; 0: none */
  int count;
  bool loud; /* getopt prints what is wrong */
} OptionReader;

void options_add(OptionReader *reader, const Option *option, char letter);
typedef enum OptionsEnd {
  OPTIONS_READ,    /* *word: the first that is no option; argv is sorted so */
  OPTIONS_STOPPED, /* take() was false */
  OPTIONS_UNKNOWN, /* *word: the argument */
  OPTIONS_LETTER,  /* *word: the letter */
  OPTIONS_NO_VALUE /* *word: the argument that lacks one */
} OptionsEnd;
/* Calls take() for each option, with its place in the reader. */
OptionsEnd options_read(const OptionReader *reader, int argc, char **argv,
                        bool (*take)(void *user, int row, const char *value), void *user, int *word);
#endif
