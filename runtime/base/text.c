/* UTF-8, numbers and shapes as text: see text.h. */
#include "runtime/base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int utf8_decode(const char *at, const char *end, uint32_t *point) {
  static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
  if (at >= end) return 0;
  unsigned char first = (unsigned char)*at;
  if (first < 0x80) return *point = first, 1;
  int length = first >= 0xF0 && first < 0xF8   ? 4
               : first >= 0xE0 && first < 0xF0 ? 3
               : first >= 0xC2 && first < 0xE0 ? 2
                                               : 0;
  if (!length || end - at < length) return 0;
  uint32_t value = first & (0xFFu >> (length + 1));
  for (int i = 1; i < length; i++) {
    if (((unsigned char)at[i] & 0xC0) != 0x80) return 0;
    value = value << 6 | ((unsigned char)at[i] & 0x3F);
  }
  if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return 0;
  *point = value;
  return length;
}

bool utf8_valid(const char *text, size_t length) {
  uint32_t point;
  for (const char *end = text + length; text < end;) {
    int bytes = utf8_decode(text, end, &point);
    if (!bytes) return false;
    text += bytes;
  }
  return true;
}

bool is_control(uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x202A && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069);
}

size_t utf8_printable(const char *text, size_t left) {
  uint32_t point;
  int bytes = utf8_decode(text, text + left, &point);
  return bytes && !is_control(point) ? (size_t)bytes : 0;
}

size_t utf8_mend(char *to, const char *text, size_t length, bool controls) {
  char *begin = to;
  for (const char *at = text, *end = text + length; at < end;) {
    uint32_t point;
    int bytes = utf8_decode(at, end, &point);
    bool good = bytes && (controls || !is_control(point));
    size_t size = good ? (size_t)bytes : 3;
    memcpy(to, good ? at : "\xEF\xBF\xBD", size);
    to += size;
    at += bytes ? bytes : 1;
  }
  *to = '\0';
  return (size_t)(to - begin);
}

char *text_clean_name(const char *name) {
  size_t length = strlen(name);
  char *to = malloc(3 * length + 1);
  if (to) utf8_mend(to, name, length, false);
  return to;
}

int utf8_width(uint32_t point) {
  if (point < 0x300) return 1;
  if (point <= 0x36F || point == 0x200B || point == 0xFEFF || point == 0x200D || (point >= 0xFE00 && point <= 0xFE0F))
    return 0;
  static const uint32_t wide[][2] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},  {0xAC00, 0xD7A3},
                                     {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},  {0xFFE0, 0xFFE6},
                                     {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
    if (point >= wide[i][0] && point <= wide[i][1]) return 2;
  return 1;
}

const char *text_thousands(int64_t number, char to[32]) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%lld", (long long)number), at = 0;
  for (int i = 0; i < length; i++) {
    if (i && (length - i) % 3 == 0 && digits[i - 1] != '-') to[at++] = ',';
    to[at++] = digits[i];
  }
  to[at] = 0;
  return to;
}

const char *text_shape(const char *open, int rank, const int64_t *dim, const char *close, char to[SHAPE_TEXT]) {
  int used = snprintf(to, SHAPE_TEXT, "%s", open);
  for (int i = 0; i < rank && used < SHAPE_TEXT - 24; i++)
    used += snprintf(to + used, SHAPE_TEXT - (size_t)used, "%s%lld", i || open[1] ? ", " : "", (long long)dim[i]);
  snprintf(to + used, SHAPE_TEXT - (size_t)used, "%s", close);
  return to;
}
