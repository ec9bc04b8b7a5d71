/* Between the settings' files: names that are known, and names that the language has but this version not. */
#ifndef SURGERY_SETTINGS_NAMES_H
#define SURGERY_SETTINGS_NAMES_H
#include "compiler/lang/lang.h"
/* True when `name` is one of `known`. Otherwise reports E0503 for one of `later`, or `code` with a suggestion. */
bool known_name(Session *s, DiagCode code, const char *what, const char *name, Span span, const char *const *known,
                size_t known_count, const char *const *later, size_t later_count);
#endif
