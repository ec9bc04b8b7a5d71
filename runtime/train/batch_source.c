/* The feature cache and the stream of batches of feed.h. Does no output; what is worth telling goes to the
 * options' callbacks. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/base/error.h"
#include "runtime/train/feature_file.h"
#include "runtime/train/batch_source.h"
#include "runtime/train/mixup.h"

#define CACHE_BATCH 16 /* for the prefix: large enough for the kernels, small in memory */

struct BatchSource {
  surgery_net *net;
  Dataset *set;
  FeedOptions o;
  Loader *loader;         /* of the running pass, without a cache */
  unsigned char *cache;   /* [count] features, or NULL */
  uint8_t *good;          /* [count]: has features */
  unsigned char *targets; /* [count] */
  int32_t *masks;         /* [count], or NULL: the input has none */
  double seconds;
  const char *uncached; /* why there is no cache */
  FeatureFile *file;    /* or NULL */
  char **broken;        /* messages told so far */
  int64_t broken_count;
  const int64_t *order; /* of the running pass on the cache */
  int64_t at, batch, batch_room;
  unsigned char *x, *target;       /* a batch gathered from the cache */
  uint64_t epoch;                  /* of the running pass */
  int64_t step_room;               /* samples that the next four have room for */
  float *floats, *mixed, *mixed_x; /* targets as floats, mixed ones, mixed samples */
  int64_t *other;                  /* with whom each is mixed */
  unsigned char *dominant;         /* targets of those with the larger share */
  int32_t *mask;
};

#define MIXUP_STREAM 0x6d69787570u /* "mixup" */

double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int64_t target_bytes(const BatchSource *f) { return f->set->spec.target_count * 4; }

static int64_t mask_size(const BatchSource *f) {
  const ManifestInput *input = &f->net->manifest->input;
  return input->mask ? input->shape.dim[0] : 0;
}

/* A sample is found broken in every pass again; it is told once. */
static int tell_broken(BatchSource *f, const Batch *batch, surgery_error *err) {
  for (size_t i = 0; i < batch->broken_count; i++) {
    bool known = false;
    for (int64_t k = 0; k < f->broken_count && !known; k++) known = strcmp(f->broken[k], batch->broken[i]) == 0;
    if (known) continue;
    char **more = realloc(f->broken, (size_t)(f->broken_count + 1) * sizeof *more);
    if (more) f->broken = more;
    if (!more || !(more[f->broken_count] = strdup(batch->broken[i])))
      return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
    f->broken_count++;
    if (f->o.broken) f->o.broken(f->o.context, batch->broken[i]);
  }
  return 0;
}

static int keep_features(BatchSource *f, const Batch *batch, surgery_error *err) {
  int64_t bytes = f->o.phase->features_bytes;
  if (net_features(f->net, f->o.phase, batch->n, batch->x, batch->mask, err)) return -1;
  for (int64_t i = 0; i < batch->n; i++) {
    int64_t index = batch->index[i];
    memcpy(f->cache + index * bytes, (const unsigned char *)f->net->features + i * bytes, (size_t)bytes);
    memcpy(f->targets + index * target_bytes(f), (const char *)batch->target + i * target_bytes(f),
           (size_t)target_bytes(f));
    if (f->masks)
      memcpy(f->masks + index * mask_size(f), batch->mask + i * mask_size(f), (size_t)mask_size(f) * sizeof *f->masks);
    f->good[index] = 1;
  }
  return 0;
}

static FeaturePlaces places(const BatchSource *f) { return (FeaturePlaces){f->cache, f->targets, f->good}; }

/* The indices of the samples whose features no file had, in whole blocks. */
static int64_t list_missing(const BatchSource *f, int64_t *order) {
  int64_t count = 0;
  for (int64_t i = 0; i < f->set->count; i++) {
    if (!f->good[i]) {
      order[count++] = i;
      continue;
    }
    const int32_t *mask = f->masks && f->set->mask ? f->set->mask(f->set, i) : NULL;
    for (int64_t k = 0; k < mask_size(f); k++) f->masks[i * mask_size(f) + k] = mask ? mask[k] : 1;
  }
  return count;
}

static int compute_missing(BatchSource *f, const int64_t *order, int64_t count, double start, surgery_error *err) {
  LoaderOptions o = {
      .order = order, .count = count, .batch = CACHE_BATCH, .threads = loader_threads_beside(), .help = true};
  Loader *loader = loader_start(f->set, &o, err);
  if (!loader) return -1;
  Batch batch;
  int status = net_pack(f->net, err); /* while the first samples are loaded */
  while (status >= 0 && (status = loader_next(loader, &batch, err)) > 0) {
    if (f->o.stop && *f->o.stop)
      status = sg_fail(err, SURGERY_INTERRUPTED, "interrupted before the first step: there is nothing to save");
    else if (tell_broken(f, &batch, err) || keep_features(f, &batch, err)) status = -1;
    if (status < 0) break;
    if (f->o.progress)
      f->o.progress(f->o.context, f->set->count - count + batch.first + batch.taken, f->set->count,
                    seconds_now() - start);
  }
  loader_stop(loader);
  return status;
}

static void tell_note(const BatchSource *f, const char *text) {
  if (text && f->o.note) f->o.note(f->o.context, text);
}

static int open_file(BatchSource *f, surgery_error *err) {
  char *note;
  FeaturePlaces to = places(f);
  f->file = feature_file_open(f->net, f->o.phase, f->set, f->o.folder, CACHE_BATCH, &to, &note, err);
  tell_note(f, note);
  free(note);
  return f->file ? 0 : -1;
}

/* The features are there: a disk that has no room for them stops no training. */
static void write_file(BatchSource *f) {
  surgery_error why;
  FeaturePlaces from = places(f);
  if (feature_file_write(f->file, &from, &why)) tell_note(f, why.message);
}

static int fill_cache(BatchSource *f, surgery_error *err) {
  double start = seconds_now();
  surgery_error why;
  if (f->o.folder && open_file(f, &why)) {
    if (!f->o.under_way) return sg_fail(err, why.status, "%s", why.message);
    tell_note(f, why.message);
  }
  int64_t *order = malloc((size_t)f->set->count * sizeof *order + 1);
  int64_t missing = order ? list_missing(f, order) : 0;
  int status = order ? 0 : sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  if (missing) status = compute_missing(f, order, missing, start, err);
  free(order);
  if (status == 0 && f->file && feature_file_wants(f->file)) write_file(f);
  f->seconds = seconds_now() - start;
  return status;
}

/* Whether a cache is possible, and memory for it; no memory is no error: the prefix then runs each time. */
static bool make_cache(BatchSource *f) {
  int64_t bytes, count = f->set->count;
  if (!f->o.cache) return false;
  f->uncached = !net_has(f->net, f->o.phase, NET_PREFIX) ? "nothing is frozen before the first layer that learns"
                : f->o.mixup > 0                         ? "mixup mixes other samples in each epoch"
                : f->o.augment && f->set->can_augment    ? "its pictures are augmented, differently in each epoch"
                : __builtin_mul_overflow(f->o.phase->features_bytes, count, &bytes) || bytes > f->o.cache_limit
                    ? "they do not fit into the memory"
                    : NULL;
  if (f->uncached) return false;
  f->cache = calloc((size_t)bytes + 1, 1);
  f->good = calloc((size_t)count + 1, 1);
  f->targets = malloc((size_t)(count * target_bytes(f)) + 1);
  if (mask_size(f)) f->masks = calloc((size_t)count, (size_t)mask_size(f) * sizeof *f->masks);
  if (f->cache && f->good && f->targets && (f->masks || !mask_size(f))) return true;
  f->uncached = "they do not fit into the memory";
  free(f->cache), free(f->good), free(f->targets), free(f->masks);
  f->cache = f->good = f->targets = NULL, f->masks = NULL;
  return false;
}

BatchSource *batch_source_open(surgery_net *net, Dataset *set, const FeedOptions *options, surgery_error *err) {
  BatchSource *f = calloc(1, sizeof *f);
  if (!f) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
    return NULL;
  }
  f->net = net, f->set = set, f->o = *options;
  if (make_cache(f)) {
    if (fill_cache(f, err)) {
      batch_source_close(f);
      return NULL;
    }
    if (f->broken_count == set->count) {
      sg_fail(err, SURGERY_BAD_INPUT, "%s: none of the %lld samples can be used: %s", set->path, (long long)set->count,
              f->broken[0]);
      batch_source_close(f);
      return NULL;
    }
  }
  return f;
}

void batch_source_close(BatchSource *f) {
  if (!f) return;
  loader_stop(f->loader);
  feature_file_close(f->file);
  for (int64_t i = 0; i < f->broken_count; i++) free(f->broken[i]);
  free(f->broken), free(f->cache), free(f->good), free(f->targets), free(f->x), free(f->target);
  free(f->floats), free(f->mixed), free(f->mixed_x), free(f->other), free(f->dominant);
  free(f->masks), free(f->mask);
  free(f);
}

static int reserve_batch(BatchSource *f, int64_t batch, surgery_error *err) {
  if (f->batch_room >= batch) return 0;
  int64_t bytes;
  void *x = NULL;
  free(f->x), free(f->target), free(f->mask);
  f->x = NULL, f->batch_room = 0;
  f->target = calloc((size_t)batch, (size_t)target_bytes(f) + 4);
  f->mask = calloc((size_t)batch, (size_t)mask_size(f) * sizeof *f->mask + 4);
  if (!f->mask || __builtin_mul_overflow(f->o.phase->features_bytes, batch, &bytes) || !f->target ||
      posix_memalign(&x, 64, (size_t)bytes + 64))
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for a batch of %lld samples", (long long)batch);
  f->x = x;
  f->batch_room = batch;
  return 0;
}

int batch_source_start(BatchSource *f, uint64_t epoch, const int64_t *order, int64_t first, int64_t batch,
                       surgery_error *err) {
  if (batch > f->set->count) batch = f->set->count;
  f->epoch = epoch, f->at = first;
  if (f->cache) {
    f->order = order, f->batch = batch;
    return reserve_batch(f, batch, err);
  }
  loader_stop(f->loader);
  LoaderOptions o = {.order = order,
                     .count = f->set->count,
                     .first = first,
                     .batch = batch,
                     .augment = f->o.augment,
                     .seed = f->o.seed,
                     .epoch = epoch,
                     .threads = loader_threads_beside(),
                     .help = true};
  f->loader = loader_start(f->set, &o, err);
  return f->loader ? net_pack(f->net, err) : -1;
}

static int next_cached(BatchSource *f, FeedBatch *batch) {
  int64_t bytes = f->o.phase->features_bytes, left = f->set->count - f->at;
  batch->taken = left < f->batch ? left : f->batch;
  for (int64_t i = 0; i < batch->taken; i++) {
    int64_t index = f->order ? f->order[f->at + i] : f->at + i;
    if (!f->good[index]) continue;
    memcpy(f->x + batch->n * bytes, f->cache + index * bytes, (size_t)bytes);
    memcpy(f->target + batch->n * target_bytes(f), f->targets + index * target_bytes(f), (size_t)target_bytes(f));
    if (f->masks)
      memcpy(f->mask + batch->n * mask_size(f), f->masks + index * mask_size(f),
             (size_t)mask_size(f) * sizeof *f->mask);
    batch->n++;
  }
  f->at += batch->taken;
  batch->x = f->x, batch->target = f->target, batch->mask = f->masks ? f->mask : NULL;
  return batch->taken > 0;
}

/* ---- what step() takes ---- */

static int reserve_step(BatchSource *f, int64_t n, surgery_error *err) {
  if (f->step_room >= n) return 0;
  const Manifest *m = f->net->manifest;
  int64_t values = m->outputs[0].shape.count, inputs = m->input.shape.count;
  bool mixes = f->o.mixup > 0;
  void *x = NULL;
  free(f->floats), free(f->mixed), free(f->mixed_x), free(f->other), free(f->dominant);
  f->mixed_x = NULL, f->step_room = 0;
  f->floats = calloc((size_t)n, (size_t)values * sizeof *f->floats + 1);
  f->mixed = calloc((size_t)n, mixes ? (size_t)values * sizeof *f->mixed + 1 : 1);
  f->other = calloc((size_t)n, sizeof *f->other);
  f->dominant = calloc((size_t)n, (size_t)target_bytes(f) + 1);
  if (!f->floats || !f->mixed || !f->other || !f->dominant ||
      (mixes && posix_memalign(&x, 64, (size_t)n * (size_t)inputs * sizeof(float) + 64)))
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for a batch of %lld samples", (long long)n);
  f->mixed_x = x;
  f->step_room = n;
  return 0;
}

/* Classes become floats where step() wants them. */
static int make_step_target(BatchSource *f, FeedBatch *batch, surgery_error *err) {
  batch->step_target = batch->target;
  if (f->set->spec.target != TARGET_CLASSES || !net_takes_floats(f->net->manifest) || batch->n == 0) return 0;
  if (reserve_step(f, batch->n, err)) return -1;
  net_one_hot(f->net->manifest, batch->n, batch->target, f->floats);
  batch->step_target = f->floats;
  return 0;
}

/* The proportion and the partners depend only on the seed and the batch's place. */
static int mix(BatchSource *f, FeedBatch *batch, int64_t first, surgery_error *err) {
  const Manifest *m = f->net->manifest;
  if (batch->n == 0) return 0;
  if (reserve_step(f, batch->n, err) || make_step_target(f, batch, err)) return -1;
  Random random = random_stream(random_key(f->o.seed, MIXUP_STREAM), random_key(f->epoch, (uint64_t)first));
  double share = mixup_draw(&random, f->o.mixup, batch->n, f->other);
  mixup_rows(batch->x, batch->n, m->input.shape.count, share, f->other, f->mixed_x);
  mixup_rows(batch->step_target, batch->n, m->outputs[0].shape.count, share, f->other, f->mixed);
  size_t bytes = (size_t)target_bytes(f);
  for (int64_t i = 0; i < batch->n; i++)
    memcpy(f->dominant + (size_t)i * bytes,
           (const char *)batch->target + (size_t)(share < 0.5 ? f->other[i] : i) * bytes, bytes);
  batch->x = f->mixed_x, batch->step_target = f->mixed, batch->target = f->dominant;
  return 0;
}

int batch_source_next(BatchSource *f, FeedBatch *batch, surgery_error *err) {
  *batch = (FeedBatch){.n = 0};
  if (f->cache) {
    int more = next_cached(f, batch);
    return more && f->o.training && make_step_target(f, batch, err) ? -1 : more;
  }
  Batch loaded;
  int status = loader_next(f->loader, &loaded, err);
  if (status <= 0) return status;
  if (tell_broken(f, &loaded, err)) return -1;
  *batch =
      (FeedBatch){.n = loaded.n, .taken = loaded.taken, .x = loaded.x, .target = loaded.target, .mask = loaded.mask};
  if (f->o.mixup > 0) {
    if (mix(f, batch, loaded.first, err)) return -1;
  } else if (f->o.training && make_step_target(f, batch, err)) {
    return -1;
  }
  if (!net_has(f->net, f->o.phase, NET_PREFIX)) return 1;
  if (net_features(f->net, f->o.phase, batch->n, batch->x, batch->mask, err)) return -1;
  batch->x = f->net->features;
  return 1;
}

int64_t batch_source_count(const BatchSource *f) { return f->set->count; }
int64_t batch_source_broken(const BatchSource *f) { return f->broken_count; }
const ManifestPhase *batch_source_phase(const BatchSource *f) { return f->o.phase; }
double batch_source_seconds(const BatchSource *f) { return f->seconds; }
int64_t batch_source_cached_bytes(const BatchSource *f) {
  return f->cache ? f->set->count * f->o.phase->features_bytes : 0;
}
const char *batch_source_uncached(const BatchSource *f) { return f->uncached; }
int64_t batch_source_read(const BatchSource *f, const char **path) {
  *path = f->file ? feature_file_path(f->file) : NULL;
  return f->file ? feature_file_right(f->file) : 0;
}
