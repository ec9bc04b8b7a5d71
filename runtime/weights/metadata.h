/* Between the readers and writers of weight files: pairs of text as a JSON object. Private to
 * runtime/weights/. */
#ifndef SURGERY_WEIGHTS_METADATA_H
#define SURGERY_WEIGHTS_METADATA_H
#include <jansson.h>
#include "runtime/weights/write.h"

enum { METADATA_COMMENT_MOST = 65535 }; /* bytes of a zip archive's comment */

/* The object's texts become w's metadata; returns how many. *memory: there was enough. */
size_t metadata_read(surgery_weights *w, const json_t *object, bool *memory);
/* The same of a zip archive's comment, which may hold anything. -1: no memory. */
int metadata_read_comment(surgery_weights *w, const char *comment, size_t length, const char *path, surgery_error *err);

void metadata_add_string(Bytes *b, const char *text);
/* {"key":"value",…}; refuses keys given twice and what is not UTF-8. */
int metadata_write(Bytes *b, const char *path, const char *const *metadata, surgery_error *err);
/* At most METADATA_COMMENT_MOST bytes into an empty *b: the last pairs are left out where they do not fit. */
int metadata_write_comment(Bytes *b, const char *path, const char *const *metadata, surgery_error *err);
#endif
