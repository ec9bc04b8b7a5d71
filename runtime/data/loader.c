/* Batches of a data set, made ahead by threads of its own while the caller computes, or by the caller's when it asks
 * for them. What a batch holds depends on (seed, epoch, order) only, never on timing: samples go to fixed places of a
 * slot, and slots are handed out in order. Broken samples are left out of their batch. Called by train/ and the
 * commands. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/abi.h"
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"

#define SLOTS 3        /* batches in the making or in use */
#define CHEAP_UNIT 256 /* samples a thread takes at once where loading only copies */
#define MAX_THREADS 64

typedef enum SampleState { SAMPLE_GOOD, SAMPLE_BROKEN } SampleState;

typedef struct Slot {
  float *x;
  int32_t *mask; /* (batch, tokens); NULL: the input has none */
  char *target;
  int64_t *index;
  uint8_t *state;
  char **broken;   /* messages, at the sample's place until the batch is handed out */
  int64_t waiting; /* samples not yet loaded */
} Slot;

struct Loader {
  Dataset *set;
  LoaderOptions o;
  Slot slot[SLOTS];
  pthread_t thread[MAX_THREADS];
  int threads;
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  int64_t unit, next;       /* samples a job has; the next sample to be taken */
  int64_t handed, released; /* batches given to the caller; batches whose slot is free again */
  bool stop, failed;
  surgery_error failure;
};

static int64_t batch_size(const Loader *l, int64_t batch) { /* samples of batch number `batch` */
  int64_t left = l->o.count - l->o.first - batch * l->o.batch;
  return left < 0 ? 0 : left < l->o.batch ? left : l->o.batch;
}

static int64_t mask_size(const Loader *l) { return l->set->spec.input->mask ? l->set->spec.input->shape.dim[0] : 0; }

static void load_mask(const Loader *l, int64_t index, int32_t *to) {
  const int32_t *mask = l->set->mask ? l->set->mask(l->set, index) : NULL;
  for (int64_t i = 0; i < mask_size(l); i++) to[i] = mask ? mask[i] : 1;
}

/* One sample to its place; no lock is held. */
static int load_sample(Loader *l, int64_t sample, surgery_error *err) {
  Slot *slot = &l->slot[sample / l->o.batch % SLOTS];
  int64_t at = sample % l->o.batch, position = l->o.first + sample;
  int64_t index = l->o.order ? l->o.order[position] : position;
  uint64_t seed = DATASET_NO_AUGMENT;
  if (l->o.augment && l->set->can_augment) seed = random_key(random_key(l->o.seed, l->o.epoch), (uint64_t)index) >> 1;
  void *target = l->set->spec.target == TARGET_NONE ? NULL : slot->target + at * l->set->spec.target_count * 4;
  surgery_error why = {.status = SURGERY_OK};
  int status = l->set->load(l->set, index, seed, slot->x + at * l->set->spec.input->shape.count, target, &why);
  if (slot->mask) load_mask(l, index, slot->mask + at * mask_size(l));
  slot->index[at] = index;
  slot->state[at] = status == 0 ? SAMPLE_GOOD : SAMPLE_BROKEN;
  if (status > 0 && !(slot->broken[at] = strdup(why.message))) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  if (status < 0) *err = why;
  return status < 0 ? -1 : 0;
}

/* The next samples, of one batch; the lock is held, but not while they are loaded. */
static void load_some(Loader *l) {
  int64_t begin = l->next, batch = begin / l->o.batch;
  int64_t end = begin + l->unit, batch_end = batch * l->o.batch + batch_size(l, batch);
  if (end > batch_end) end = batch_end;
  l->next = end;
  pthread_mutex_unlock(&l->lock);
  surgery_error why;
  int status = 0;
  for (int64_t i = begin; i < end && status == 0; i++) status = load_sample(l, i, &why);
  pthread_mutex_lock(&l->lock);
  if (status && !l->failed) l->failed = true, l->failure = why;
  Slot *slot = &l->slot[batch % SLOTS];
  slot->waiting -= end - begin;
  if (slot->waiting == 0 || l->failed) pthread_cond_broadcast(&l->done);
  if (l->failed) pthread_cond_broadcast(&l->work);
}

static void *work(void *argument) {
  Loader *l = argument;
  int64_t total = l->o.count - l->o.first;
  pthread_mutex_lock(&l->lock);
  for (;;) {
    while (!l->stop && !l->failed && l->next < total && l->next / l->o.batch >= l->released + SLOTS)
      pthread_cond_wait(&l->work, &l->lock);
    if (l->stop || l->failed || l->next >= total) break;
    load_some(l);
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

/* What is left to be begun of the batch that the caller asks for. */
static void help(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  (void)begin, (void)end, (void)scratch;
  Loader *l = buf[0];
  int64_t stop = l->handed * l->o.batch + n;
  pthread_mutex_lock(&l->lock);
  while (!l->failed && l->next < stop) load_some(l);
  pthread_mutex_unlock(&l->lock);
}

static int make_slots(Loader *l) {
  int64_t size = l->set->spec.input->shape.count, x_bytes;
  if (__builtin_mul_overflow(size * 4, l->o.batch, &x_bytes) || x_bytes > INT64_MAX / 2) return -1;
  for (int i = 0; i < SLOTS; i++) {
    Slot *slot = &l->slot[i];
    void *x = NULL;
    if (posix_memalign(&x, 64, (size_t)x_bytes + 64)) return -1;
    slot->x = x;
    slot->target = calloc((size_t)l->o.batch, (size_t)l->set->spec.target_count * 4 + 4);
    slot->index = calloc((size_t)l->o.batch, sizeof *slot->index);
    slot->state = calloc((size_t)l->o.batch, 1);
    slot->broken = calloc((size_t)l->o.batch, sizeof *slot->broken);
    if (!slot->target || !slot->index || !slot->state || !slot->broken) return -1;
    if (mask_size(l) && !(slot->mask = calloc((size_t)l->o.batch, (size_t)mask_size(l) * sizeof *slot->mask)))
      return -1;
    slot->waiting = batch_size(l, i);
  }
  return 0;
}

int loader_threads_beside(void) {
  int left = sg_cpus() - sg_threads();
  return left < 0 ? 0 : left < sg_threads() ? left : sg_threads();
}

Loader *loader_start(Dataset *set, const LoaderOptions *options, surgery_error *err) {
  Loader *l = calloc(1, sizeof *l);
  if (!l) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
    return NULL;
  }
  l->set = set, l->o = *options;
  l->unit = set->cheap ? CHEAP_UNIT : 1;
  if (l->o.batch > l->o.count - l->o.first && l->o.count > l->o.first) l->o.batch = l->o.count - l->o.first;
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->work, NULL), pthread_cond_init(&l->done, NULL);
  if (make_slots(l)) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory for batches of %lld samples", (long long)options->batch);
    loader_stop(l);
    return NULL;
  }
  if (set->cheap) l->o.help = false;
  int least = l->o.help ? 0 : 1, wanted = set->cheap || options->threads < least ? least : options->threads;
  if (wanted > MAX_THREADS) wanted = MAX_THREADS;
  if (wanted > l->o.count - l->o.first) wanted = l->o.count > l->o.first ? (int)(l->o.count - l->o.first) : 1;
  while (l->threads < wanted && pthread_create(&l->thread[l->threads], NULL, work, l) == 0) l->threads++;
  if (l->threads == 0 && !l->o.help) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no thread can be started to load data");
    loader_stop(l);
    return NULL;
  }
  return l;
}

/* Moves the good samples together; their number. */
static int64_t close_gaps(Loader *l, Slot *slot, int64_t n, Batch *batch) {
  int64_t size = l->set->spec.input->shape.count, target = l->set->spec.target_count * 4, good = 0;
  for (int64_t i = 0; i < n; i++) {
    if (slot->state[i] == SAMPLE_BROKEN) {
      char *message = slot->broken[i];
      slot->broken[i] = NULL;
      slot->broken[batch->broken_count++] = message; /* broken_count <= i: that place is done with */
      continue;
    }
    if (good != i) {
      memmove(slot->x + good * size, slot->x + i * size, (size_t)size * sizeof *slot->x);
      memmove(slot->target + good * target, slot->target + i * target, (size_t)target);
      if (slot->mask)
        memmove(slot->mask + good * mask_size(l), slot->mask + i * mask_size(l),
                (size_t)mask_size(l) * sizeof *slot->mask);
      slot->index[good] = slot->index[i];
    }
    good++;
  }
  batch->broken = slot->broken;
  return good;
}

static void release(Loader *l) { /* the slot of the batch that the caller had; the lock is held */
  if (l->handed == l->released) return;
  Slot *slot = &l->slot[l->released % SLOTS];
  for (int64_t i = 0; i < l->o.batch; i++) free(slot->broken[i]), slot->broken[i] = NULL;
  slot->waiting = batch_size(l, l->released + SLOTS);
  l->released++;
  pthread_cond_broadcast(&l->work);
}

/* The next batch's files, where no thread loads it meanwhile. */
static void read_ahead(const Loader *l) {
  int64_t first = (l->handed + 1) * l->o.batch, count = batch_size(l, l->handed + 1);
  for (int64_t i = 0; l->set->ahead && i < count; i++) {
    int64_t position = l->o.first + first + i;
    l->set->ahead(l->set, l->o.order ? l->o.order[position] : position);
  }
}

int loader_next(Loader *l, Batch *batch, surgery_error *err) {
  *batch = (Batch){.n = 0};
  pthread_mutex_lock(&l->lock);
  release(l);
  int64_t n = batch_size(l, l->handed);
  Slot *slot = &l->slot[l->handed % SLOTS];
  if (l->o.help && n) {
    pthread_mutex_unlock(&l->lock);
    sg_parallel(help, (void *[]){l}, n, sg_threads(), sg_threads(), NULL, 0);
    if (l->threads == 0) read_ahead(l);
    pthread_mutex_lock(&l->lock);
  }
  while (n && slot->waiting && !l->failed) pthread_cond_wait(&l->done, &l->lock);
  bool failed = l->failed;
  if (failed && err) *err = l->failure;
  pthread_mutex_unlock(&l->lock);
  if (failed) return -1;
  if (n == 0) return 0;
  batch->first = l->o.first + l->handed * l->o.batch;
  batch->taken = n;
  batch->n = close_gaps(l, slot, n, batch);
  batch->mask = slot->mask;
  batch->x = slot->x, batch->target = slot->target, batch->index = slot->index;
  l->handed++;
  return 1;
}

void loader_stop(Loader *l) {
  if (!l) return;
  pthread_mutex_lock(&l->lock);
  l->stop = true;
  pthread_cond_broadcast(&l->work);
  pthread_mutex_unlock(&l->lock);
  for (int i = 0; i < l->threads; i++) pthread_join(l->thread[i], NULL);
  for (int s = 0; s < SLOTS; s++) {
    Slot *slot = &l->slot[s];
    for (int64_t i = 0; slot->broken && i < l->o.batch; i++) free(slot->broken[i]);
    free(slot->x), free(slot->mask), free(slot->target), free(slot->index), free(slot->state), free(slot->broken);
  }
  pthread_mutex_destroy(&l->lock);
  pthread_cond_destroy(&l->work), pthread_cond_destroy(&l->done);
  free(l);
}
