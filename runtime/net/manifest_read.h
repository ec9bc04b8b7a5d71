/* Between the two files that read the manifest: values out of JSON, the first mistake kept. Nobody else includes it. */
#ifndef SURGERY_MANIFEST_READ_H
#define SURGERY_MANIFEST_READ_H
#include <jansson.h>
#include "runtime/net/manifest.h"

/* The reader's state: the first mistake is kept, later reads return harmless values. */
typedef struct Reader {
  surgery_error *err;
  bool failed;
} Reader;

void manifest_wrong(Reader *r, const char *key, const char *what);
void *manifest_reserve(Reader *r, size_t count, size_t size); /* zeroed; NULL: no memory, and the reader has failed */
char *manifest_read_text(Reader *r, json_t *object, const char *key, bool optional);
int64_t manifest_read_size(Reader *r, json_t *object, const char *key, int64_t absent); /* absent < 0: must be there */
double manifest_read_number(json_t *object, const char *key, double absent);
bool manifest_read_bool(json_t *object, const char *key, bool absent);
/* A pair [a, b]; null or a missing second is `absent`. */
void manifest_read_pair(Reader *r, json_t *object, const char *key, double to[2], double absent);
void manifest_read_pixels(Reader *r, json_t *object, int64_t to[2]);
ManifestShape manifest_read_shape(Reader *r, json_t *object, const char *key);
void manifest_read_functions(Reader *r, json_t *root, ManifestFunction to[NET_FUNCTIONS]);

/* ---- manifest_train.c ---- */
/* m->phases, with all else of the manifest read before. */
void manifest_read_phases(Reader *r, json_t *root, Manifest *m);
void manifest_free_phases(Manifest *m);

/* ---- net_select.c ---- */
typedef struct ManifestLayout ManifestLayout;
/* Of "modules", "calls" and "stages", with the tensors read before. NULL: the reader has failed. `root` is a json_t. */
ManifestLayout *manifest_read_layout(Reader *r, void *root, const Manifest *m);
void manifest_free_layout(ManifestLayout *layout);
#endif
