/* The table of surgeryc's options for those who describe it: man pages and the shells' completions. What is typed is
 * read by parse_options() (driver.h) only. */
#ifndef SURGERY_DRIVER_OPTIONS_H
#define SURGERY_DRIVER_OPTIONS_H
#include "compiler/driver/driver.h"
#include "runtime/base/options.h"

typedef struct OptionRow {
  Option option;
  char letter;       /* 0: none */
  unsigned commands; /* which have it: bits by CommandId */
} OptionRow;

const OptionRow *option_rows(size_t *count);
bool has_option(const CommandRow *command, const OptionRow *row);
/* Is it typed with one dash, as gcc's -MD? */
bool is_single_dash(const char *name);
/* All values that an option may have; NULL: they are not a list. */
const char *const *option_values(const char *name, size_t *count);
const char *exit_status_text(const CommandRow *command);
#endif
