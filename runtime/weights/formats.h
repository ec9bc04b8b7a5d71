/* The formats of weight files, as formats.def lists them: each format's own functions, and the questions that the table
 * answers. Knows no format from inside. Used by weights.c, by the writers, and by the compiler for names of files. */
#ifndef SURGERY_WEIGHTS_FORMATS_H
#define SURGERY_WEIGHTS_FORMATS_H
#include "runtime/weights/write.h"

typedef struct WeightHead { /* what a probe sees of a file */
  const unsigned char *bytes;
  size_t have;   /* 512, or the file's size */
  uint64_t size; /* of the whole file */
} WeightHead;

/* How sure a probe is. Those that are sure are asked before the foreign formats, the others after. */
typedef enum WeightMatch {
  MATCH_NOT,
  MATCH_WEAK, /* it may be, where nobody else says likely */
  MATCH_LIKELY,
  MATCH_SURE /* by a magic number */
} WeightMatch;

/* A reader: files[file] is open; it fills tensors and note. 0, or -1. */
#define FORMAT(id, ...)                                                                                                \
  WeightMatch id##_probe(const WeightHead *head);                                                                      \
  int id##_read(surgery_weights *w, uint32_t file, surgery_error *err);
#include "runtime/weights/formats.def"

/* For probes: these bytes are at place `at`. */
bool weights_begins(const WeightHead *head, const char *bytes, size_t length, size_t at);
bool json_begins(const WeightHead *head, size_t at); /* blanks there, then an object */
/* Looks at the first bytes of files[file] and calls its reader. */
int weights_detect(surgery_weights *w, uint32_t file, surgery_error *err);
/* A file of this name usually holds weights: the row's id, else NULL. */
const char *weights_format_of_name(const char *path);
#endif
