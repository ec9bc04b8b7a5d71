/* Reads a safetensors header: 8 bytes of length, JSON, then the tensors' bytes without a gap. Follows the
 * format's own description (huggingface/safetensors, README) and refuses what it forbids. Reads no tensor's
 * bytes. */
#include "runtime/weights/metadata.h"
#include "runtime/weights/formats.h"

#include <jansson.h>
#include <stdlib.h>

enum { LARGEST_HEADER = 100000000 };

typedef struct Header {
  surgery_weights *w;
  uint32_t file;
  const char *path;
  uint64_t data, data_size; /* where the tensors' bytes begin, and how many there are */
  uint64_t at;              /* absolute byte of the key that is being read */
  surgery_error *err;
} Header;

#define REFUSE(h, format, ...) sg_fail((h)->err, SURGERY_BAD_INPUT, "%s: " format, (h)->path, __VA_ARGS__)
#define REFUSE_TENSOR(h, name, format, ...)                                                                            \
  REFUSE(h, "tensor '%s' (byte %llu): " format, SG_Q(name), ULL((h)->at), __VA_ARGS__)

static json_t *parse(Header *h, const char *text, size_t length) {
  json_error_t error;
  json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (!root) {
    uint64_t at = 8 + (uint64_t)(error.position > 0 ? error.position : 0);
    switch (json_error_code(&error)) {
    case json_error_duplicate_key: REFUSE(h, "byte %llu: the header has a key twice: %s", ULL(at), error.text); break;
    case json_error_invalid_utf8: REFUSE(h, "byte %llu: the header is not UTF-8", ULL(at)); break;
    case json_error_out_of_memory: sg_fail_memory(h->err, h->path, length); break;
    default: REFUSE(h, "byte %llu: the header is not JSON: %s", ULL(at), error.text); break;
    }
    return NULL;
  }
  if (json_is_object(root)) return root;
  REFUSE(h, "byte 8: the header must be a JSON object%s", "");
  json_decref(root);
  return NULL;
}

static int check_metadata(Header *h, json_t *object) {
  const char *key;
  json_t *value;
  bool memory;
  if (!json_is_object(object)) return REFUSE(h, "byte %llu: __metadata__ must be an object of strings", ULL(h->at));
  json_object_foreach(object, key, value) {
    if (!json_is_string(value))
      return REFUSE(h, "byte %llu: __metadata__ '%s' must be a string", ULL(h->at), SG_Q(key));
  }
  metadata_read(h->w, object, &memory);
  return memory ? 0 : sg_fail_memory(h->err, h->path, json_object_size(object) * sizeof(WeightPair));
}

/* A list of `most` non-negative integers at the most; their number, or -1. */
static int64_t integers(Header *h, const char *tensor, const char *key, json_t *list, int64_t *to, size_t most) {
  if (!json_is_array(list)) return REFUSE_TENSOR(h, tensor, "'%s' must be a list of integers", key);
  if (json_array_size(list) > most) {
    return REFUSE_TENSOR(h, tensor, "'%s' has %zu entries; at most %zu are supported", key, json_array_size(list),
                         most);
  }
  for (size_t i = 0; i < json_array_size(list); i++) {
    json_t *item = json_array_get(list, i);
    if (!json_is_integer(item) || json_integer_value(item) < 0) {
      return REFUSE_TENSOR(h, tensor, "'%s' must be a list of integers that are not negative", key);
    }
    to[i] = json_integer_value(item);
  }
  return (int64_t)json_array_size(list);
}

static int read_tensor(Header *h, const char *name, json_t *object) {
  json_t *dtype_name = json_object_get(object, "dtype");
  if (!json_is_object(object) || !json_is_string(dtype_name)) {
    return REFUSE_TENSOR(h, name, "must be an object with 'dtype', 'shape' and '%s'", "data_offsets");
  }
  int dtype = dtype_from_safetensors(json_string_value(dtype_name), json_string_length(dtype_name));
  if (dtype < 0) {
    return REFUSE_TENSOR(h, name, "unknown dtype '%s' (known: F64, F32, F16, BF16, I64 to I8, U64 to U8, BOOL)",
                         SG_Q(json_string_value(dtype_name)));
  }
  int64_t shape[SURGERY_MAX_RANK], range[2];
  int64_t rank = integers(h, name, "shape", json_object_get(object, "shape"), shape, SURGERY_MAX_RANK);
  if (rank < 0) return -1;
  int64_t ends = integers(h, name, "data_offsets", json_object_get(object, "data_offsets"), range, 2);
  if (ends < 0) return -1;
  if (ends != 2) return REFUSE_TENSOR(h, name, "'%s' must be [begin, end]", "data_offsets");
  WeightTensor *t = weights_add(h->w, name, strlen(name), h->err);
  if (!t) return -1;
  t->file = h->file;
  if (weights_shape(h->w, t, (surgery_dtype)dtype, rank, shape, h->at, h->err)) return -1;
  uint64_t begin = (uint64_t)range[0], end = (uint64_t)range[1];
  if (begin > end) {
    return REFUSE_TENSOR(h, name, "data_offsets [%llu, %llu] are out of order", ULL(begin), ULL(end));
  }
  if (end > h->data_size) {
    return REFUSE_TENSOR(h, name, "data_offsets [%llu, %llu] go past the end: byte %llu of a file of %llu", ULL(begin),
                         ULL(end), ULL(h->data + end), ULL(h->data + h->data_size));
  }
  if (end - begin != t->span) {
    return REFUSE(h, "tensor '%s' (byte %llu): %s of shape %s takes %llu bytes, but data_offsets give %llu", SG_Q(name),
                  ULL(h->data + begin), surgery_dtype_name(t->pub.dtype), SHAPE(t->pub.rank, t->pub.shape),
                  ULL(t->span), ULL(end - begin));
  }
  t->offset = h->data + begin;
  return 0;
}

static int by_offset(const void *a, const void *b) {
  const WeightTensor *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  /* Of two at one place the empty one is first; both empty: by name, so that the order is the same
   * everywhere. */
  if (x->span != y->span) return x->span < y->span ? -1 : 1;
  return strcmp(x->pub.name, y->pub.name);
}

/* In file order every tensor begins where the one before it ended, and the last ends with the file. */
static int check_cover(Header *h, size_t first) {
  size_t count = h->w->count - first;
  WeightTensor *tensors = count ? h->w->tensors + first : NULL;
  if (count) qsort(tensors, count, sizeof *tensors, by_offset);
  uint64_t at = h->data;
  for (size_t i = 0; i < count; i++) {
    const WeightTensor *t = &tensors[i];
    if (t->offset > at) {
      return REFUSE(h, "a hole of %llu bytes at byte %llu, before tensor '%s'", ULL(t->offset - at), ULL(at),
                    SG_Q(t->pub.name));
    }
    if (t->offset < at) {
      return REFUSE(h, "tensor '%s' (byte %llu) overlaps '%s', which ends at byte %llu", SG_Q(t->pub.name),
                    ULL(t->offset), SG_Q(tensors[i - 1].pub.name), ULL(at));
    }
    at = t->offset + t->span;
  }
  if (at != h->data + h->data_size) {
    return REFUSE(h, "%llu trailing bytes at byte %llu, after the last tensor", ULL(h->data + h->data_size - at),
                  ULL(at));
  }
  return 0;
}

static int read_header(Header *h, const char *text, size_t length) {
  json_t *root = parse(h, text, length);
  if (!root) return -1;
  size_t first = h->w->count, keys = json_object_size(root), key = 0;
  uint64_t *places = calloc(keys + 1, sizeof *places);
  int status = places ? 0 : sg_fail_memory(h->err, h->path, keys * sizeof *places);
  const char *name;
  json_t *value;
  if (places) json_places(text, length, -1, places, keys);
  json_object_foreach(root, name, value) {
    if (status) break;
    h->at = 8 + places[key++];
    status = strcmp(name, "__metadata__") == 0 ? check_metadata(h, value) : read_tensor(h, name, value);
  }
  free(places);
  json_decref(root);
  return status ? -1 : check_cover(h, first);
}

bool json_begins(const WeightHead *head, size_t at) {
  while (at < head->have && head->bytes[at] && strchr(" \t\r\n", head->bytes[at])) at++;
  return at < head->have && head->bytes[at] == '{';
}

/* It may begin with any byte: its header's length, whose lowest byte comes first. */
WeightMatch safetensors_probe(const WeightHead *head) {
  uint64_t length = 0;
  if (json_begins(head, 8)) return MATCH_LIKELY;
  if (head->have > 8) memcpy(&length, head->bytes, 8);
  return head->have <= 8 || (length >= 2 && length <= head->size - 8) ? MATCH_WEAK : MATCH_NOT;
}

int safetensors_read(surgery_weights *w, uint32_t file, surgery_error *err) {
  const WeightFile *f = &w->files[file];
  Header h = {.w = w, .file = file, .path = f->path, .err = err};
  uint64_t length = 0;
  if (f->size < 8)
    return REFUSE(&h, "too short for any weight file: %llu bytes; safetensors needs 8 at least", ULL(f->size));
  if (weights_bytes(f, &length, 0, 8, err)) return -1;
  if (length > LARGEST_HEADER) {
    return REFUSE(&h, "byte 0: a safetensors header of %llu bytes; at most %d are allowed", ULL(length),
                  LARGEST_HEADER);
  }
  if (length > f->size - 8) {
    return REFUSE(&h, "byte 0: the header's %llu bytes go past the end of the file (%llu bytes)", ULL(length),
                  ULL(f->size));
  }
  h.data = 8 + length;
  h.data_size = f->size - h.data;
  char *text = malloc((size_t)length + 1);
  if (!text) return sg_fail_memory(err, f->path, (size_t)length + 1);
  int status = weights_bytes(f, text, 8, (size_t)length, err);
  if (!status) status = read_header(&h, text, (size_t)length);
  free(text);
  w->format = "safetensors";
  return status;
}
