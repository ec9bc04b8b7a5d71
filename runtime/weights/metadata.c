/* The pairs of text that a weight file keeps beside its tensors. In safetensors they are the header's
 * `__metadata__`; a zip archive (.pth, .npz) has them, as the same JSON object, in the archive's comment:
 * PyTorch and numpy do not look there, so that a state_dict has no key more and an .npz no array more. Called
 * by the readers and the writers of both. */
#include "runtime/base/text.h"
#include "runtime/weights/metadata.h"
#include "runtime/weights/write.h"

#include <stdlib.h>

size_t metadata_read(surgery_weights *w, const json_t *object, bool *memory) {
  const char *key;
  json_t *value;
  size_t n = 0;
  WeightPair *pairs = pool_array(&w->pool, json_object_size(object), sizeof *pairs);
  *memory = pairs != NULL;
  if (!pairs) return 0;
  json_object_foreach((json_t *)object, key, value) {
    if (!json_is_string(value)) continue;
    pairs[n].key = pool_strndup(&w->pool, key, strlen(key));
    pairs[n].value = pool_strndup(&w->pool, json_string_value(value), json_string_length(value));
    *memory = *memory && pairs[n].key && pairs[n].value;
    if (!*memory) return 0;
    n++;
  }
  w->metadata = pairs;
  w->metadata_count = n;
  return n;
}

/* Anybody may write anything into a comment: what is no object is none of ours. */
int metadata_read_comment(surgery_weights *w, const char *comment, size_t length, const char *path,
                          surgery_error *err) {
  json_t *root = length && comment[0] == '{' ? json_loadb(comment, length, JSON_REJECT_DUPLICATES, NULL) : NULL;
  bool memory = true;
  if (json_is_object(root)) metadata_read(w, root, &memory);
  json_decref(root);
  return memory ? 0 : sg_fail_memory(err, path, length);
}

void metadata_add_string(Bytes *b, const char *text) {
  bytes_text(b, "\"");
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') bytes_format(b, "\\%c", c);
    else if (c < 0x20) bytes_format(b, "\\u%04x", c);
    else bytes_add(b, text, 1);
  }
  bytes_text(b, "\"");
}

int metadata_write(Bytes *b, const char *path, const char *const *metadata, surgery_error *err) {
  bytes_text(b, "{");
  for (size_t i = 0; metadata[i]; i += 2) {
    if (!metadata[i + 1] || !utf8_valid(metadata[i], strlen(metadata[i])) ||
        !utf8_valid(metadata[i + 1], strlen(metadata[i + 1]))) {
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: metadata '%s' must have a value, both UTF-8", path,
                     SG_Q(metadata[i]));
    }
    for (size_t before = 0; before < i; before += 2) {
      if (strcmp(metadata[before], metadata[i]) == 0) {
        return sg_fail(err, SURGERY_BAD_INPUT, "%s: metadata '%s' is given twice", path, SG_Q(metadata[i]));
      }
    }
    if (i) bytes_text(b, ",");
    metadata_add_string(b, metadata[i]);
    bytes_text(b, ":");
    metadata_add_string(b, metadata[i + 1]);
  }
  bytes_text(b, "}");
  return 0;
}

/* Pair by pair from the first on, as long as all of it fits the comment: the names of many thousand classes
 * do not. */
int metadata_write_comment(Bytes *b, const char *path, const char *const *metadata, surgery_error *err) {
  Bytes whole = {0};
  if (!metadata || !metadata[0]) return 0;
  if (metadata_write(&whole, path, metadata, err)) {
    bytes_free(&whole);
    return -1;
  }
  if (whole.failed || whole.count <= METADATA_COMMENT_MOST) {
    *b = whole;
    return whole.failed ? sg_fail_memory(err, path, whole.count) : 0;
  }
  bytes_free(&whole);
  size_t pairs = 0;
  while (metadata[2 * pairs]) pairs++;
  const char **fewer = calloc(2 * pairs, sizeof *fewer);
  if (!fewer) return sg_fail_memory(err, path, 2 * pairs * sizeof *fewer);
  memcpy(fewer, metadata, 2 * (pairs - 1) * sizeof *fewer);
  int status = metadata_write_comment(b, path, fewer, err);
  free(fewer);
  return status;
}

bool surgery_weights_keeps(const char *path, const char *const *metadata) {
  size_t length = strlen(path);
  if (length > 12 && strcmp(path + length - 12, ".safetensors") == 0) return true;
  Bytes b = {0};
  surgery_error ignored;
  bool good = metadata_write(&b, path, metadata, &ignored) == 0 && !b.failed && b.count <= METADATA_COMMENT_MOST;
  bytes_free(&b);
  return good;
}
