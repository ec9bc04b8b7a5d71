/* "did you mean 'layer4'?": the nearest name by edit distance (insert, delete, replace, swap neighbours;
 * another case of the same letter counts half, a digit the more the further it is off, so that layer5 is nearer
 * to layer4 than to layer1). Where none is near, the one name that holds the wrong one as a word of its own, or is
 * held by it: num_classes and classes, CrossEntropyLoss and CrossEntropy. Must not print. Called where a name was
 * not found. */
#include "runtime/base/nearest.h"
#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 128, EDIT = 20, CASE = 10, DIGIT = 8 };

static int replace_cost(char a, char b) {
  if (a == b) return 0;
  if (isdigit((unsigned char)a) && isdigit((unsigned char)b)) return DIGIT + abs(a - b);
  return tolower((unsigned char)a) == tolower((unsigned char)b) ? CASE : EDIT;
}

static int least(int a, int b) { return a < b ? a : b; }

/* Optimal string alignment distance; three rows are enough because a swap looks two rows back. */
static int distance(const char *a, int a_length, const char *b, int b_length) {
  int rows[3][LONGEST + 1];
  for (int j = 0; j <= b_length; j++) rows[0][j] = j * EDIT;
  for (int i = 1; i <= a_length; i++) {
    int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
    row[0] = i * EDIT;
    for (int j = 1; j <= b_length; j++) {
      row[j] = least(above[j - 1] + replace_cost(a[i - 1], b[j - 1]), least(above[j], row[j - 1]) + EDIT);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = least(row[j], above2[j - 2] + EDIT);
    }
  }
  return rows[a_length % 3][b_length];
}

/* Does `name` begin or end with `part`, in any case of the letters? Three letters say nothing. */
static bool shares_end(const char *name, size_t length, const char *part, size_t part_length) {
  return part_length >= 4 && part_length < length &&
         (strncasecmp(name, part, part_length) == 0 || strcasecmp(name + length - part_length, part) == 0);
}

static const char *suggest_part(const char *wrong, size_t length, const char *const *names, size_t count) {
  const char *found = NULL;
  for (size_t i = 0; i < count; i++) {
    size_t other = names[i] ? strnlen(names[i], LONGEST + 1) : 0;
    if (other > LONGEST || !(shares_end(wrong, length, names[i], other) || shares_end(names[i], other, wrong, length)))
      continue;
    if (found && strcmp(found, names[i]) != 0) return NULL; /* which of them, nobody knows */
    found = names[i];
  }
  return found;
}

const char *nearest_name(const char *wrong, const char *const *names, size_t count) {
  if (!wrong) return NULL;
  size_t length = strnlen(wrong, LONGEST + 1);
  if (length == 0 || length > LONGEST) return NULL;
  int nearest = INT_MAX;
  const char *best = NULL;
  for (size_t i = 0; i < count; i++) {
    if (!names[i]) continue;
    size_t other = strnlen(names[i], LONGEST + 1);
    if (other == 0 || other > LONGEST) continue;
    if (strcasecmp(wrong, names[i]) == 0) return names[i];
    int longer = (int)(length > other ? length : other), difference = 2 * longer - (int)(length + other);
    int limit = (length < 3 ? 1 : longer / 3) * EDIT; /* a third of the letters may be wrong */
    if (difference * EDIT > limit) continue;
    int d = distance(wrong, (int)length, names[i], (int)other);
    if (d >= longer * EDIT) continue; /* nothing in common */
    if (d <= limit && d < nearest) {
      best = names[i];
      nearest = d;
    }
  }
  return best ? best : suggest_part(wrong, length, names, count);
}
