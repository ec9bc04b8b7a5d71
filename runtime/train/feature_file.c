/* The file of feature_file.h:
 *
 *   Head                  64 bytes and the hash of what it says and of the entries
 *   Entry [blocks]        what each block was made of, and the hash of its features
 *   features              count × features_bytes, in the order of the data set
 *
 * A block is as many samples as go through the prefix at once, so that a block computed anew goes through it in the
 * same company as without a file, and comes out the same to the last bit. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/kernels/blas.h"
#include "runtime/base/content_hash.h"
#include "runtime/base/error.h"
#include "runtime/base/io.h"
#include "runtime/train/feature_file.h"

/* "feature2"; another number when the arithmetic of the preprocessing or content_hash changes. */
#define MAGIC 0x3265727574616566u

typedef struct Head {
  uint64_t magic, count, block, features_bytes;
  ContentHash program, weights; /* the compiled prefix with its preprocessing; the frozen numbers */
} Head;

typedef struct Entry {
  ContentHash samples;  /* {{0}}: one cannot be read */
  ContentHash features; /* {{0}}: not kept, since a sample is broken, which is to be told each time */
} Entry;

struct FeatureFile {
  char *path;
  Head head;
  int64_t blocks;
  int64_t right, unkept; /* samples: read from the file; of blocks that no file keeps */
  Entry *entries;        /* [blocks], as the samples are now; features: once the block is good */
};

/* ---- what the features are made of ---- */

static ContentHash program_hash(const surgery_net *net, const ManifestPhase *phase) {
  ContentHash d = content_hash_text((ContentHash){{0}}, SURGERY_VERSION);
  d = content_hash_text(d, net->network->cpu); /* its instructions round in their own way */
  d = content_hash_text(d, blas_name());
  return content_hash_text(d, *phase->features_key ? phase->features_key : net->network->manifest);
}

/* The statistics of a trainable layer change with it, so they belong after the prefix. */
static bool moves(const Manifest *m, const ManifestPhase *phase, const ManifestTensor *t) {
  const char *dot = strrchr(t->name, '.');
  for (size_t i = 0; t->buffer && dot && i < m->layer_count; i++)
    if (!phase->frozen[i] && strncmp(m->layers[i].name, t->name, (size_t)(dot - t->name)) == 0 &&
        !m->layers[i].name[dot - t->name])
      return true;
  return false;
}

/* All that stays as it is, names and shapes with the numbers: more than the prefix reads, but never less. */
static ContentHash weights_hash(const surgery_net *net, const ManifestPhase *phase) {
  ContentHash d = {{0}};
  for (size_t i = 0; i < net->manifest->tensor_count; i++) {
    const ManifestTensor *t = &net->manifest->tensors[i];
    if (phase->grad[i] >= 0 || t->shared || moves(net->manifest, phase, t)) continue;
    d = content_hash_text(d, t->name);
    d = content_hash(d, t->shape.dim, (size_t)t->shape.rank * sizeof *t->shape.dim);
    d = content_hash(d, net->weights + t->offset, (size_t)t->shape.count * (t->i64 ? 8 : 4));
  }
  return d;
}

typedef struct Look { /* at the samples, by all threads */
  FeatureFile *file;
  Dataset *set;
  const FeaturePlaces *places;
  atomic_bool failed; /* no memory */
} Look;

/* Sources with little to compute have no hash of their own: it is that of the loaded sample. 0: done; else the sample
 * is broken, and the loader will say why. */
static int sample_hash(const Look *look, int64_t index, float *x, ContentHash *hash) {
  Dataset *set = look->set;
  size_t target_bytes = (size_t)set->spec.target_count * 4;
  unsigned char *target = look->places->targets + (size_t)index * target_bytes;
  surgery_error ignored;
  if (set->hash && set->targets) {
    memcpy(target, (const char *)set->targets + (size_t)index * target_bytes, target_bytes);
    if (set->spec.raw) *hash = content_hash_text(*hash, "raw");
    return set->hash(set, index, hash);
  }
  if (set->load(set, index, DATASET_NO_AUGMENT, x, target, &ignored)) return -1;
  *hash = content_hash(*hash, x, (size_t)set->spec.input->shape.count * sizeof *x);
  const int32_t *mask = set->mask ? set->mask(set, index) : NULL;
  if (mask) *hash = content_hash(*hash, mask, (size_t)set->spec.input->shape.dim[0] * sizeof *mask);
  return 0;
}

static void look_at_blocks(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  Look *look = buf[0];
  FeatureFile *f = look->file;
  float *x = malloc((size_t)look->set->spec.input->shape.count * sizeof *x + 1);
  if (!x) atomic_store(&look->failed, true);
  for (int64_t b = begin; x && b < end; b++) {
    ContentHash d = {{1, 0}};
    int64_t first = b * (int64_t)f->head.block, last = first + (int64_t)f->head.block;
    if (last > look->set->count) last = look->set->count;
    int broken = 0;
    for (int64_t i = first; i < last && !broken; i++) broken = sample_hash(look, i, x, &d);
    f->entries[b].samples = broken ? (ContentHash){{0}} : d;
  }
  free(x);
}

/* ---- reading ---- */

static int64_t block_samples(const FeatureFile *f, int64_t b) {
  int64_t left = (int64_t)f->head.count - b * (int64_t)f->head.block;
  return left < (int64_t)f->head.block ? left : (int64_t)f->head.block;
}

static uint64_t features_at(int64_t blocks) { /* the byte of the first block's features */
  return sizeof(Head) + sizeof(ContentHash) + (uint64_t)blocks * sizeof(Entry);
}

static ContentHash head_hash(const Head *head, const Entry *entries, int64_t blocks) {
  return content_hash(content_hash((ContentHash){{0}}, head, sizeof *head), entries, (size_t)blocks * sizeof *entries);
}

static bool empty(ContentHash d) { return content_hash_equal(d, (ContentHash){{0}}); }

/* Of the file that is there: its head and entries. A text: why nothing of it can be used. */
static const char *read_head(int fd, const char *path, uint64_t size, Head *head, Entry **entries, int64_t *blocks) {
  static const char damaged[] = "is damaged";
  surgery_error ignored;
  ContentHash sum;
  if (size < sizeof *head + sizeof sum || sg_pread(fd, path, head, 0, sizeof *head, &ignored)) return damaged;
  if (head->magic != MAGIC) return "is not a file of features of this version";
  uint64_t features;
  if (head->block == 0 || head->count > size || head->features_bytes > size) return damaged;
  *blocks = (int64_t)((head->count + head->block - 1) / head->block);
  if (__builtin_mul_overflow(head->count, head->features_bytes, &features) ||
      (uint64_t)*blocks > size / sizeof **entries || features > size || size != features_at(*blocks) + features)
    return damaged;
  if (!(*entries = malloc((size_t)*blocks * sizeof **entries + 1))) return "does not fit into the memory";
  if (sg_pread(fd, path, &sum, sizeof *head, sizeof sum, &ignored) ||
      sg_pread(fd, path, *entries, sizeof *head + sizeof sum, (size_t)*blocks * sizeof **entries, &ignored) ||
      !content_hash_equal(sum, head_hash(head, *entries, *blocks)))
    return damaged;
  return NULL;
}

static const char *difference(const Head *was, const Head *now) {
  if (!content_hash_equal(was->program, now->program))
    return "was made by another program, with another network or preprocessing";
  if (!content_hash_equal(was->weights, now->weights)) return "was made with other frozen weights";
  return was->block != now->block || was->features_bytes != now->features_bytes ? "was made in other blocks" : NULL;
}

/* The blocks that are still right. true: some of them are damaged. */
static bool read_blocks(FeatureFile *f, int fd, const Entry *was, int64_t blocks, int64_t was_count,
                        const FeaturePlaces *to) {
  size_t bytes = (size_t)f->head.features_bytes;
  bool damaged = false;
  for (int64_t b = 0; b < f->blocks && b < blocks; b++) {
    int64_t first = b * (int64_t)f->head.block, samples = block_samples(f, b);
    size_t size = (size_t)samples * bytes;
    if (empty(was[b].samples) || !content_hash_equal(was[b].samples, f->entries[b].samples) ||
        first + samples > was_count)
      continue;
    if (empty(was[b].features)) {
      f->unkept += samples;
      continue;
    }
    surgery_error ignored;
    unsigned char *at = to->features + (size_t)first * bytes;
    bool right = sg_pread(fd, f->path, at, features_at(blocks) + (uint64_t)first * bytes, size, &ignored) == 0 &&
                 content_hash_equal(content_hash((ContentHash){{0}}, at, size), was[b].features);
    damaged |= !right;
    if (!right) continue;
    f->entries[b].features = was[b].features;
    memset(to->good + first, 1, (size_t)samples);
    f->right += samples;
  }
  return damaged;
}

static char *text(const char *format, const char *path, const char *why) {
  char *to = NULL;
  return asprintf(&to, format, path, why) < 0 ? NULL : to;
}

bool feature_file_wants(const FeatureFile *f) { return f->right + f->unkept < (int64_t)f->head.count; }

static void read_file(FeatureFile *f, const FeaturePlaces *to, char **note) {
  surgery_error ignored;
  uint64_t size = 0;
  Head was;
  Entry *entries = NULL;
  int64_t blocks = 0;
  if (access(f->path, F_OK) != 0 && errno == ENOENT) return;
  int fd = sg_open_regular(f->path, &size, &ignored);
  const char *why = fd < 0 ? "cannot be read" : read_head(fd, f->path, size, &was, &entries, &blocks);
  if (!why) why = difference(&was, &f->head);
  bool damaged = !why && read_blocks(f, fd, entries, blocks, (int64_t)was.count, to);
  if (damaged) why = "is damaged in part";
  if (!why && feature_file_wants(f)) why = "was made of other samples in part";
  if (why) *note = text("%s %s: these features are computed anew", f->path, why);
  if (fd >= 0) close(fd);
  free(entries);
}

/* ---- opening, writing ---- */

/* FOLDER/NAME-HASH.features: a file for each data set and phase of a network, so that what is outdated is written
 * over. */
static char *file_path(const surgery_net *net, const ManifestPhase *phase, const Dataset *set, const char *folder) {
  char *real = realpath(set->path, NULL), *path = NULL;
  uint64_t place = (uint64_t)(phase - net_first_phase(net));
  ContentHash d = content_hash_text((ContentHash){{0}}, real ? real : set->path);
  d = content_hash(d, &place, sizeof place);
  d = content_hash(d, &set->spec.role, sizeof set->spec.role); /* a test part beside the training part */
  if (asprintf(&path, "%s/%.80s-%016llx.features", folder, net->manifest->name, (unsigned long long)d.word[0]) < 0)
    path = NULL;
  free(real);
  return path;
}

static int make_folder(const char *folder, surgery_error *err) {
  struct stat st;
  if (mkdir(folder, 0777) == 0) return 0;
  int reason = errno;
  if (reason != EEXIST) return sg_fail_system(err, reason, "%s: the folder for features cannot be made", folder);
  if (stat(folder, &st) == 0 && !S_ISDIR(st.st_mode))
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: is a file, and a folder for features is wanted", folder);
  return 0;
}

/* Where nothing could be written in the end, that is said before hours of work. */
static int check_writable(const char *path, surgery_error *err) {
  SgWriter *writer = sg_writer_open(path, err);
  sg_writer_abort(writer);
  return writer ? 0 : -1;
}

FeatureFile *feature_file_open(const surgery_net *net, const ManifestPhase *phase, Dataset *set, const char *folder,
                               int64_t block, const FeaturePlaces *places, char **note, surgery_error *err) {
  FeatureFile *f = calloc(1, sizeof *f);
  *note = NULL;
  if (!f) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
    return NULL;
  }
  f->head = (Head){MAGIC,
                   (uint64_t)set->count,
                   (uint64_t)block,
                   (uint64_t)phase->features_bytes,
                   program_hash(net, phase),
                   weights_hash(net, phase)};
  f->blocks = (set->count + block - 1) / block;
  f->entries = calloc((size_t)f->blocks + 1, sizeof *f->entries);
  f->path = file_path(net, phase, set, folder);
  Look look = {.file = f, .set = set, .places = places};
  void *const buf[] = {&look};
  if (f->entries && f->path) sg_parallel(look_at_blocks, buf, 0, f->blocks, sg_threads(), NULL, 0);
  int failed = !f->entries || !f->path || atomic_load(&look.failed)
                   ? sg_fail(err, SURGERY_ENVIRONMENT, "no memory for a list of features")
                   : make_folder(folder, err);
  for (int64_t b = 0; !failed && b < f->blocks; b++)
    f->unkept += empty(f->entries[b].samples) ? block_samples(f, b) : 0;
  if (!failed) read_file(f, places, note);
  if (!failed && feature_file_wants(f)) failed = check_writable(f->path, err);
  if (!failed) return f;
  free(*note), *note = NULL;
  feature_file_close(f);
  return NULL;
}

const char *feature_file_path(const FeatureFile *f) { return f->path; }

int64_t feature_file_right(const FeatureFile *f) { return f->right; }

int feature_file_write(FeatureFile *f, const FeaturePlaces *from, surgery_error *err) {
  size_t bytes = (size_t)f->head.features_bytes;
  for (int64_t b = 0; b < f->blocks; b++) {
    int64_t first = b * (int64_t)f->head.block, samples = block_samples(f, b);
    bool broken = memchr(from->good + first, 0, (size_t)samples) != NULL;
    f->entries[b].features =
        broken ? (ContentHash){{0}}
               : content_hash((ContentHash){{0}}, from->features + (size_t)first * bytes, (size_t)samples * bytes);
  }
  ContentHash sum = head_hash(&f->head, f->entries, f->blocks);
  SgWriter *w = sg_writer_open(f->path, err);
  if (!w) return -1;
  if (sg_writer_write(w, &f->head, sizeof f->head, err) || sg_writer_write(w, &sum, sizeof sum, err) ||
      sg_writer_write(w, f->entries, (size_t)f->blocks * sizeof *f->entries, err) ||
      sg_writer_write(w, from->features, (size_t)f->head.count * bytes, err)) {
    sg_writer_abort(w);
    return -1;
  }
  return sg_writer_commit(w, err);
}

void feature_file_close(FeatureFile *f) {
  if (!f) return;
  free(f->path), free(f->entries);
  free(f);
}
