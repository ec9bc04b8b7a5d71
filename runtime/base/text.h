/* Text that is read by people: UTF-8, what of it a terminal may be given, numbers and shapes. Independent of the
 * locale, so that an output reads the same everywhere. Called by everything that prints or names. */
#ifndef SURGERY_BASE_TEXT_H
#define SURGERY_BASE_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length in bytes of the valid UTF-8 code point at `at`, with it in `*point`; 0 when there is none. */
int utf8_decode(const char *at, const char *end, uint32_t *point);
bool utf8_valid(const char *text, size_t length);
/* Columns that a code point takes in a terminal: 0, 1 or 2. */
int utf8_width(uint32_t point);
/* C0 and C1 controls, which a terminal obeys, and the characters that turn the direction of what follows. */
bool is_control(uint32_t point);
/* Bytes of the UTF-8 character at text, or 0 where there is none or it is a control. */
size_t utf8_printable(const char *text, size_t left);
/* Copies, with U+FFFD for each byte that is no UTF-8 and, unless `controls` may stay, for each control. `to` has room
 * for 3 * length + 1 bytes. Returns the length. */
size_t utf8_mend(char *to, const char *text, size_t length, bool controls);

/* The same as a new text without controls, for names that files keep in UTF-8: a folder may be called anything. malloc;
 * NULL: no memory. */
char *text_clean_name(const char *name);

const char *text_thousands(int64_t number, char to[32]); /* 11,176,512; returns `to` */

/* "(64, 3, 7)"; open: what it begins with, "(" or "(N" or "[". Returns `to`. */
#define SHAPE_TEXT 232 /* ten dimensions of any size */
const char *text_shape(const char *open, int rank, const int64_t *dim, const char *close, char to[SHAPE_TEXT]);
#endif
