/* What the two printers of diagnostics share. */
#ifndef SURGERY_BASE_DIAG_SORT_H
#define SURGERY_BASE_DIAG_SORT_H
#include "compiler/base/diag.h"

/* All of them, files in the order in which they were met and places in source order; what has no place
 * comes last. The list belongs to `arena`. */
Diag **diag_sorted(const Diags *diags, Arena *arena);
const char *diag_severity_name(DiagSeverity severity); /* "error", "warning", "note" */
#endif
