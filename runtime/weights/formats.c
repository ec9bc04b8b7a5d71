/* Which format a weight file has: by its content where it is read, by its suffix where it is written. Knows every
 * format by its row in formats.def and none from inside. Called by weights.c, by the index of shards, and through
 * surgery.h for writing. */
#include "runtime/weights/formats.h"

#include <stdio.h>
#include <strings.h>

typedef struct Format {
  const char *id, *shown, *suffixes, *writes;
  WeightMatch (*probe)(const WeightHead *head);
  int (*read)(surgery_weights *w, uint32_t file, surgery_error *err);
  WeightWriter *write;
} Format;

static const Format formats[] = {
#define FORMAT(id, shown, suffixes, writes, write) {#id, shown, suffixes, writes, id##_probe, id##_read, write},
#include "runtime/weights/formats.def"
};
#define FORMATS (sizeof formats / sizeof *formats)

static const struct {
  const char *bytes;
  size_t length, at;
  const char *what;
} foreign[] = {
#define FOREIGN(bytes, at, what) {bytes, sizeof bytes - 1, at, what},
#include "runtime/weights/formats.def"
};

static const struct {
  const char *suffix, *what;
} foreign_names[] = {
#define FOREIGN_NAME(suffix, what) {suffix, what},
#include "runtime/weights/formats.def"
};

/* ---- by content ---- */

bool weights_begins(const WeightHead *head, const char *bytes, size_t length, size_t at) {
  return head->have >= at + length && memcmp(head->bytes + at, bytes, length) == 0;
}

/* The surest of those that know the file; of equals the first. */
static const Format *find(const WeightHead *head, WeightMatch least) {
  const Format *best = NULL;
  for (size_t i = 0; i < FORMATS; i++) {
    WeightMatch match = formats[i].probe(head);
    if (match < least || match == MATCH_NOT) continue;
    best = &formats[i], least = match + 1;
  }
  return best;
}

static int refuse_unknown(const char *path, const WeightHead *head, surgery_error *err) {
  char known[200] = "";
  for (size_t i = 0, used = 0; i < FORMATS && used + 40 < sizeof known; i++)
    if (formats[i].shown)
      used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", formats[i].shown);
  return sg_fail(err, SURGERY_BAD_INPUT,
                 "%s: not a weight file that is known here (%s); it begins with bytes %02x %02x %02x %02x", path, known,
                 head->bytes[0], head->bytes[1], head->bytes[2], head->bytes[3]);
}

static int detect(surgery_weights *w, uint32_t file, surgery_error *err) {
  const WeightFile *f = &w->files[file];
  unsigned char bytes[512];
  WeightHead head = {bytes, f->size < sizeof bytes ? (size_t)f->size : sizeof bytes, f->size};
  if (sg_pread(f->fd, f->path, bytes, 0, head.have, err)) return -1;
  if (head.have == 0) return sg_fail(err, SURGERY_BAD_INPUT, "%s: is empty", f->path);
  const Format *format = find(&head, MATCH_SURE);
  for (size_t i = 0; !format && i < sizeof foreign / sizeof *foreign; i++)
    if (weights_begins(&head, foreign[i].bytes, foreign[i].length, foreign[i].at))
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: %s", f->path, foreign[i].what);
  if (!format) format = find(&head, MATCH_WEAK);
  return format ? format->read(w, file, err) : refuse_unknown(f->path, &head, err);
}

int weights_detect(surgery_weights *w, uint32_t file, surgery_error *err) {
  surgery_error why = {0};
  if (detect(w, file, &why) == 0) return 0;
  const char *path = w->files[file].path;
  size_t length = strlen(path);
  for (size_t i = 0; why.status == SURGERY_BAD_INPUT && i < sizeof foreign_names / sizeof *foreign_names; i++) {
    size_t tail = strlen(foreign_names[i].suffix);
    if (length > tail && strcasecmp(path + length - tail, foreign_names[i].suffix) == 0)
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: %s", path, foreign_names[i].what);
  }
  if (err) *err = why;
  return -1;
}

/* ---- by name ---- */

/* One of the suffixes, which are separated by a space. */
static bool has_suffix(const char *path, const char *suffixes) {
  size_t length = strlen(path);
  for (const char *at = suffixes; at && *at; at += strspn(at, " ")) {
    size_t tail = strcspn(at, " ");
    if (length > tail && memcmp(path + length - tail, at, tail) == 0) return true;
    at += tail;
  }
  return false;
}

const char *weights_format_of_name(const char *path) {
  for (size_t i = 0; i < FORMATS; i++)
    if (has_suffix(path, formats[i].suffixes)) return formats[i].id;
  return NULL;
}

WeightWriter *weights_writer(const char *path) {
  for (size_t i = 0; i < FORMATS; i++)
    if (formats[i].write && has_suffix(path, formats[i].writes)) return formats[i].write;
  return NULL;
}
