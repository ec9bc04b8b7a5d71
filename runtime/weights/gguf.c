/* Reads a GGUF header (ggml's format, version 2 and 3): pairs of metadata, then a list of tensors with name, sizes,
 * type and place. Follows ggml's docs/gguf.md. Tensors of plain numbers are read; the quantised types of ggml, which
 * no layer here computes with, are refused by name. Reads no tensor's bytes. Called through formats.def. */
#include "runtime/weights/formats.h"
#include "runtime/weights/pickle.h" /* ByteStream */

enum { LONGEST_NAME = 65535, DEEPEST_ARRAY = 4, MOST_METADATA = 1 << 20 };

typedef struct Gguf {
  surgery_weights *w;
  uint32_t file;
  const char *path;
  ByteStream stream;
  uint64_t alignment;
  char *text; /* the string that was read last; LONGEST_NAME + 1 bytes */
  surgery_error *err;
} Gguf;

#define REFUSE(g, format, ...)                                                                                         \
  sg_fail((g)->err, SURGERY_BAD_INPUT, "%s: byte %llu: " format, (g)->path, ULL(stream_at(&(g)->stream)), __VA_ARGS__)

WeightMatch gguf_probe(const WeightHead *head) { return weights_begins(head, "GGUF", 4, 0) ? MATCH_SURE : MATCH_NOT; }

static int get(Gguf *g, void *to, size_t size, const char *what) {
  return stream_get(&g->stream, to, size, what, g->err);
}

static int skip(Gguf *g, uint64_t size, const char *what) {
  if (size > stream_left(&g->stream))
    return REFUSE(g, "%s of %llu bytes goes past the end of the file", what, ULL(size));
  stream_seek(&g->stream, stream_at(&g->stream) + size);
  return 0;
}

/* A string into g->text. */
static int get_text(Gguf *g, const char *what) {
  uint64_t length;
  if (get(g, &length, 8, what)) return -1;
  if (length > LONGEST_NAME)
    return REFUSE(g, "%s of %llu bytes; at most %d are allowed", what, ULL(length), LONGEST_NAME);
  if (get(g, g->text, (size_t)length, what)) return -1;
  g->text[length] = 0;
  return strlen(g->text) == length ? 0 : REFUSE(g, "a zero byte in %s", what);
}

/* ---- metadata ---- */

enum { KIND_BOOL = 7, KIND_STRING = 8, KIND_ARRAY = 9, KIND_U32 = 4 };
/* The bytes of a value, by its kind: u8 i8 u16 i16 u32 i32 f32 bool string array u64 i64 f64. */
static const uint8_t kind_size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static int skip_value(Gguf *g, uint32_t kind, int depth) {
  uint64_t count, length;
  uint32_t inner;
  if (kind >= sizeof kind_size) return REFUSE(g, "metadata of an unknown type, %u", kind);
  if (kind == KIND_STRING) return get(g, &length, 8, "a text") ? -1 : skip(g, length, "a text");
  if (kind != KIND_ARRAY) return skip(g, kind_size[kind], "a value");
  if (depth == DEEPEST_ARRAY) return REFUSE(g, "lists in lists more than %d deep", DEEPEST_ARRAY);
  if (get(g, &inner, 4, "a list") || get(g, &count, 8, "a list")) return -1;
  if (count > stream_left(&g->stream)) return REFUSE(g, "a list of %llu entries goes past the end", ULL(count));
  if (inner < sizeof kind_size && kind_size[inner]) return skip(g, count * kind_size[inner], "a list");
  for (uint64_t i = 0; i < count; i++)
    if (skip_value(g, inner, depth + 1)) return -1;
  return 0;
}

static int read_pair(Gguf *g) {
  uint32_t kind, alignment;
  if (get_text(g, "a key") || get(g, &kind, 4, "a key's type")) return -1;
  if (strcmp(g->text, "general.alignment") != 0 || kind != KIND_U32) return skip_value(g, kind, 0);
  if (get(g, &alignment, 4, "the alignment")) return -1;
  if (alignment == 0 || alignment > 1 << 20 || (alignment & (alignment - 1)) != 0)
    return REFUSE(g, "an alignment of %u bytes", alignment);
  g->alignment = alignment;
  return 0;
}

/* ---- tensors ---- */

/* ggml's types of tensors; the numbers between are types that ggml has removed. */
static const struct {
  uint32_t id;
  int dtype; /* -1: quantised */
  const char *name;
} types[] = {{0, SURGERY_F32, "F32"},  {1, SURGERY_F16, "F16"},  {2, -1, "Q4_0"},          {3, -1, "Q4_1"},
             {6, -1, "Q5_0"},          {7, -1, "Q5_1"},          {8, -1, "Q8_0"},          {9, -1, "Q8_1"},
             {10, -1, "Q2_K"},         {11, -1, "Q3_K"},         {12, -1, "Q4_K"},         {13, -1, "Q5_K"},
             {14, -1, "Q6_K"},         {15, -1, "Q8_K"},         {24, SURGERY_I8, "I8"},   {25, SURGERY_I16, "I16"},
             {26, SURGERY_I32, "I32"}, {27, SURGERY_I64, "I64"}, {28, SURGERY_F64, "F64"}, {30, SURGERY_BF16, "BF16"}};

static int dtype_of(Gguf *g, const char *tensor, uint32_t type) {
  const char *name = NULL;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (types[i].id != type) continue;
    if (types[i].dtype >= 0) return types[i].dtype;
    name = types[i].name;
  }
  if (!name)
    return REFUSE(g, "tensor '%s' is of a type that is not known here, %u (F32, F16, BF16 are)", SG_Q(tensor), type);
  return REFUSE(g,
                "tensor '%s' is quantised (%s); convert the file to F32, F16 or BF16, as by convert_hf_to_gguf.py "
                "--outtype f16",
                SG_Q(tensor), name);
}

/* The sizes of a shape are kept the fastest first. The place is counted from the end of the header, which is not known
 * yet. */
static int read_tensor(Gguf *g) {
  uint32_t rank, type;
  uint64_t dim, offset;
  int64_t shape[SURGERY_MAX_RANK] = {0};
  if (get_text(g, "a tensor's name") || get(g, &rank, 4, "a tensor's rank")) return -1;
  if (rank > SURGERY_MAX_RANK)
    return REFUSE(g, "tensor '%s': %u dimensions; at most %d are supported", SG_Q(g->text), rank, SURGERY_MAX_RANK);
  for (uint32_t i = 0; i < rank; i++) {
    if (get(g, &dim, 8, "a tensor's shape")) return -1;
    if (dim > INT64_MAX) return REFUSE(g, "tensor '%s': a size of %llu", SG_Q(g->text), ULL(dim));
    shape[rank - 1 - i] = (int64_t)dim;
  }
  if (get(g, &type, 4, "a tensor's type") || get(g, &offset, 8, "a tensor's place")) return -1;
  int dtype = dtype_of(g, g->text, type);
  if (dtype < 0) return -1;
  WeightTensor *t = weights_add(g->w, g->text, strlen(g->text), g->err);
  if (!t) return -1;
  t->file = g->file;
  t->offset = offset;
  return weights_shape(g->w, t, (surgery_dtype)dtype, rank, shape, stream_at(&g->stream), g->err);
}

/* Now that the header's end is known: where each tensor lies, within the file. */
static int place_tensors(Gguf *g, size_t first) {
  uint64_t size = g->w->files[g->file].size, at = stream_at(&g->stream);
  uint64_t data = (at + g->alignment - 1) / g->alignment * g->alignment;
  for (size_t i = first; i < g->w->count; i++) {
    WeightTensor *t = &g->w->tensors[i];
    bool aligned = t->offset % g->alignment == 0;
    if (!aligned || data > size || t->offset > size - data || t->span > size - data - t->offset)
      return sg_fail(g->err, SURGERY_BAD_INPUT, "%s: tensor '%s': %llu bytes at byte %llu of the data %s", g->path,
                     SG_Q(t->pub.name), ULL(t->span), ULL(t->offset),
                     aligned ? "go past the end of the file" : "are not aligned");
    t->offset += data;
  }
  return 0;
}

static int read_header(Gguf *g) {
  uint32_t version;
  uint64_t tensors, pairs;
  if (skip(g, 4, "the magic number") || get(g, &version, 4, "the version")) return -1;
  if (version >> 16) return REFUSE(g, "a big-endian GGUF file; little-endian ones are read%s", "");
  if (version < 2 || version > 3) return REFUSE(g, "GGUF of version %u; 2 and 3 are read", version);
  if (get(g, &tensors, 8, "the number of tensors") || get(g, &pairs, 8, "the number of pairs")) return -1;
  if (pairs > MOST_METADATA) return REFUSE(g, "%llu pairs of metadata", ULL(pairs));
  size_t first = g->w->count;
  for (uint64_t i = 0; i < pairs; i++)
    if (read_pair(g)) return -1;
  for (uint64_t i = 0; i < tensors; i++)
    if (read_tensor(g)) return -1;
  return place_tensors(g, first);
}

int gguf_read(surgery_weights *w, uint32_t file, surgery_error *err) {
  const WeightFile *f = &w->files[file];
  Gguf g = {.w = w, .file = file, .path = f->path, .alignment = 32, .err = err};
  if (!(g.text = pool_alloc(&w->pool, LONGEST_NAME + 1))) return sg_fail_memory(err, f->path, LONGEST_NAME + 1);
  stream_open(&g.stream, f, 0, f->size);
  w->format = "gguf";
  return read_header(&g);
}
