/* The training up to its first step, and the beginnings of its phases. What data and script do not have together is
 * found here, before any time is spent. Called by loop.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/base/error.h"
#include "runtime/base/pages.h"
#include "runtime/train/loop_parts.h"

/* ---- checks ---- */

/* All labels the same: nothing can be learnt from that, and it is nearly always a wrong folder. */
static int check_classes(const Loop *l) {
  const Dataset *set = l->train_set;
  if (!set->labels || set->spec.classes < 2) return 0;
  for (int64_t i = 1; i < set->count; i++)
    if (set->labels[i] != set->labels[0]) return 0;
  const char *name = set->class_count == 1 ? set->class_names[0] : NULL;
  return sg_fail(l->err, SURGERY_BAD_INPUT,
                 "%s: all %lld samples are of one class (%s%s%d%s): training needs two at least", set->path,
                 (long long)set->count, name ? name : "", name ? ", " : "", set->labels[0], name ? "" : " by number");
}

static int64_t batch_of(const Loop *l, const StageRecipe *phase) { return l->o->batch ? l->o->batch : phase->batch; }

/* PyTorch finds this at the end of the first epoch; here it is known before, for all phases. */
static int check_last_batch(const Loop *l) {
  const Manifest *m = l->net->manifest;
  int64_t count = l->train_set->count;
  for (int64_t i = 0; i < m->train->stage_count; i++) {
    const ManifestPhase *phase = &m->phases[i];
    int64_t batch = batch_of(l, phase->recipe), last = count % batch ? count % batch : batch;
    if (batch > count) last = count;
    const char *lonely = net_lonely_batchnorm(m, phase, last);
    if (lonely)
      return sg_fail(
          l->err, SURGERY_BAD_INPUT,
          "the last batch of %lld samples in batches of %lld holds 1: '%s' expects more than 1 value per channel "
          "when training; choose another --batch",
          (long long)count, (long long)batch, lonely);
  }
  return 0;
}

/* What the script wants and the data cannot give. */
static int check_early_stop(const Loop *l) {
  const TrainRecipe *t = l->net->manifest->train;
  if (t->early_stop.patience == 0) return 0;
  if (!l->val_set)
    return sg_fail(l->err, SURGERY_BAD_INPUT,
                   "early_stop looks at the validation's %s, and there is no validation set: give one with --val",
                   t->early_stop.monitor ? "accuracy" : "loss");
  if (t->early_stop.monitor && !net_classes(l->net->manifest))
    return sg_fail(l->err, SURGERY_BAD_INPUT, "early_stop looks at the accuracy, but this network is no classifier");
  return 0;
}
/* ---- data ---- */

static int64_t cache_limit(const Loop *l) {
  if (l->o->cache_limit) return l->o->cache_limit;
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (int64_t)pages / 2 * size : INT64_MAX / 2;
}

static void tell_broken(void *context, const char *message) {
  Loop *l = context;
  l->result->broken++;
  loop_observe(l, &(TrainEvent){.kind = TRAIN_BROKEN, .text = message});
}

static void tell_features(void *context, int64_t done, int64_t total, double seconds) {
  loop_observe(context, &(TrainEvent){.kind = TRAIN_FEATURES, .done = done, .total = total, .seconds = seconds});
}

static void tell_note(void *context, const char *text) {
  loop_observe(context, &(TrainEvent){.kind = TRAIN_REMARK, .text = text});
}

/* Who asks for files is told where none come to be. */
static void tell_cache(Loop *l, const Dataset *set, const BatchSource *feed) {
  const char *path;
  int64_t read = batch_source_read(feed, &path);
  char text[600];
  if (batch_source_cached_bytes(feed))
    loop_observe(l, &(TrainEvent){.kind = TRAIN_CACHED,
                                  .text = path,
                                  .done = read,
                                  .total = set->count,
                                  .bytes = batch_source_cached_bytes(feed),
                                  .seconds = batch_source_seconds(feed)});
  else if (l->o->feature_folder && batch_source_uncached(feed)) {
    snprintf(text, sizeof text, "%.400s: no features are kept: %s", set->path, batch_source_uncached(feed));
    tell_note(l, text);
  }
}

static BatchSource *open_feed(Loop *l, Dataset *set, bool augment, int64_t limit) {
  FeedOptions o = {.phase = loop_phase(l),
                   .augment = augment && set->spec.augment.count > 0,
                   .cache = l->o->cache,
                   .folder = l->o->feature_folder,
                   .under_way = l->at.step > 0,
                   .training = augment,
                   .mixup = augment ? l->net->manifest->train->mixup : 0,
                   .cache_limit = limit,
                   .seed = l->at.seed,
                   .stop = l->o->stop,
                   .broken = tell_broken,
                   .note = tell_note,
                   .progress = tell_features,
                   .context = l};
  BatchSource *feed = batch_source_open(l->net, set, &o, l->err);
  if (feed) tell_cache(l, set, feed);
  return feed;
}

/* ---- phases ---- */

int64_t train_epochs(const Manifest *m) {
  int64_t sum = 0;
  for (int64_t i = 0; i < m->train->stage_count; i++) sum += m->train->stages[i].epochs;
  return sum;
}

/* The phase of an epoch follows from the script only; the last one also takes what --epochs adds. */
size_t loop_phase_of(const Manifest *m, int64_t epoch, int64_t *start) {
  size_t i = 0;
  *start = 0;
  while (i + 1 < (size_t)m->train->stage_count && epoch >= *start + m->train->stages[i].epochs)
    *start += m->train->stages[i++].epochs;
  return i;
}

static int64_t phase_epochs(const Loop *l) {
  const Manifest *m = l->net->manifest;
  if (l->phase + 1 < (size_t)m->train->stage_count) return m->train->stages[l->phase].epochs;
  return l->o->epochs > l->phase_start ? l->o->epochs - l->phase_start : 1;
}

int64_t loop_steps(const Loop *l, int64_t samples) {
  int64_t batches = (samples + l->at.batch - 1) / l->at.batch, accumulate = l->net->manifest->train->accumulate;
  return (batches + accumulate - 1) / accumulate;
}

/* Schedules count epochs or steps from the beginning of their phase. */
void loop_set_time(Loop *l) {
  bool steps = schedule_counts_steps(&loop_phase(l)->recipe->schedule);
  optimizer_set_time(l->optimizer, steps ? l->at.phase_step : l->at.epoch - l->phase_start);
}

static void set_rates(Loop *l) {
  const StageRecipe *phase = loop_phase(l)->recipe;
  int64_t epochs = phase_epochs(l);
  optimizer_set_schedule(l->optimizer,
                         schedule_counts_steps(&phase->schedule) ? epochs * loop_steps(l, l->at.samples) : epochs);
  if (l->at.lr >= 0 && !phase->own_lr) optimizer_set_lr(l->optimizer, l->at.lr);
  loop_set_time(l);
}

/* The phase of the position: its functions, a new optimizer, its augmentations; the feeds are opened when they are
 * needed. */
static int set_phase(Loop *l) {
  const Manifest *m = l->net->manifest;
  batch_source_close(l->train), batch_source_close(l->val);
  l->train = l->val = NULL;
  l->phase = loop_phase_of(m, l->at.epoch, &l->phase_start);
  const ManifestPhase *phase = loop_phase(l);
  optimizer_free(l->optimizer);
  if (!(l->optimizer = optimizer_new(m, phase, l->err))) return -1;
  memset(l->net->grads, 0, (size_t)m->grads_bytes);
  l->at.phase = (int64_t)l->phase;
  l->at.batch = batch_of(l, phase->recipe);
  if (m->train->stage_count > 1) l->train_set->spec.augment = phase->recipe->augment;
  return 0;
}

int loop_begin_phase(Loop *l) {
  if (set_phase(l)) return -1;
  l->at.phase_step = 0;
  if (l->average) memcpy(l->average, l->net->weights, (size_t)l->net->manifest->weights_bytes);
  set_rates(l);
  return 0;
}

int loop_open_feeds(Loop *l) {
  int64_t limit = cache_limit(l);
  const char *name = loop_phase(l)->recipe->name;
  if (l->train) return 0;
  if (name)
    loop_observe(l, &(TrainEvent){.kind = TRAIN_PHASE,
                                  .text = name,
                                  .epoch = l->at.epoch + 1,
                                  .epochs = l->phase_start + phase_epochs(l)});
  if (!(l->train = open_feed(l, l->train_set, true, limit))) return -1;
  limit -= batch_source_cached_bytes(l->train);
  return !l->val_set || (l->val = open_feed(l, l->val_set, false, limit)) ? 0 : -1;
}

/* ---- where it begins ---- */

/* Whether every phase has the batch that it had. */
static bool same_batches(const Loop *l, const TrainPosition *was) {
  const TrainRecipe *t = l->net->manifest->train;
  for (int64_t i = 0; i < t->stage_count; i++)
    if (batch_of(l, &t->stages[i]) != (was->batch_given ? was->batch_given : t->stages[i].batch)) return false;
  return true;
}

static int check_resumed(const Loop *l, const TrainPosition *was) {
  if (was->samples != l->train_set->count)
    return sg_fail(l->err, SURGERY_BAD_INPUT, "%s: the checkpoint was made with %lld training samples, but %s has %lld",
                   l->o->resume, (long long)was->samples, l->train_set->path, (long long)l->train_set->count);
  if (!same_batches(l, was) || was->seed != l->o->seed || was->shuffle != l->o->shuffle)
    return sg_fail(l->err, SURGERY_BAD_INPUT,
                   "%s: the checkpoint was made with batch %lld, seed %llu, %s: a resumed run keeps these",
                   l->o->resume, (long long)was->batch, (unsigned long long)was->seed,
                   was->shuffle ? "shuffled" : "not shuffled");
  if (was->taken && was->phase != (int64_t)l->phase)
    return sg_fail(l->err, SURGERY_BAD_INPUT, "%s: the checkpoint is of phase %lld, and epoch %lld is of phase %zu now",
                   l->o->resume, (long long)was->phase + 1, (long long)was->epoch + 1, l->phase + 1);
  return 0;
}

static void tell_past(const Loop *l) {
  for (int64_t i = 0; i < l->at.epoch; i++)
    loop_observe(l, &(TrainEvent){.kind = TRAIN_PAST,
                                  .epoch = i + 1,
                                  .epochs = l->o->epochs,
                                  .loss = l->rows[i].loss,
                                  .accuracy = l->rows[i].accuracy,
                                  .val_loss = l->rows[i].val_loss,
                                  .val_accuracy = l->rows[i].val_accuracy,
                                  .lr = l->rows[i].lr});
}

static double rate_of(const Loop *l) {
  const StageRecipe *phase = loop_phase(l)->recipe;
  return l->o->lr >= 0 && !phase->own_lr ? l->o->lr : phase->optimizer.lr;
}

/* Another rate is another training, and another number of threads rounds otherwise: the bits are not those of a run
 * without the stop. */
static void tell_differences(Loop *l, const TrainPosition *was) {
  char text[300];
  if (was->rate >= 0 && was->phase == (int64_t)l->phase && was->rate != rate_of(l)) {
    snprintf(text, sizeof text, "the checkpoint was made with a learning rate of %g; this run goes on with %g",
             was->rate, rate_of(l));
    tell_note(l, text);
  }
  if (was->threads > 0 && was->threads != sg_threads()) {
    snprintf(text, sizeof text,
             "the checkpoint was made with %lld threads and this run has %d: its last bits may differ",
             (long long)was->threads, sg_threads());
    tell_note(l, text);
  }
}

static int resume(Loop *l) {
  if (!l->o->resume) {
    l->net->rng[0] = l->o->seed, l->net->rng[1] = 0;
    l->at = (TrainPosition){.seed = l->o->seed,
                            .batch_given = l->o->batch,
                            .samples = l->train_set->count,
                            .shuffle = l->o->shuffle,
                            .lr = l->o->lr,
                            .best = l->net->manifest->train->early_stop.monitor ? -INFINITY : INFINITY};
    return loop_begin_phase(l);
  }
  TrainPosition was;
  if (checkpoint_peek(l->o->resume, &was, l->err)) return -1;
  l->at = was;
  if (set_phase(l) || check_resumed(l, &was)) return -1;
  bool same = was.phase == (int64_t)l->phase;
  if (checkpoint_read(l->net, l->optimizer, &l->at, l->average, &l->rows, same, l->o->resume, l->err)) return -1;
  l->at.phase = (int64_t)l->phase, l->at.batch = batch_of(l, loop_phase(l)->recipe);
  l->at.lr = l->o->lr;
  l->first_step = l->at.step;
  set_rates(l);
  tell_differences(l, &was);
  tell_past(l);
  return 0;
}

/* ---- all of it ---- */

static int reserve(Loop *l) {
  const Manifest *m = l->net->manifest;
  bool averages = m->train->ema > 0, adds = m->train->accumulate > 1;
  l->order = malloc((size_t)l->train_set->count * sizeof *l->order);
  if (averages) l->average = sg_pages_new(m->weights_bytes);
  if (adds) l->sum = sg_pages_new(m->grads_bytes);
  if (l->order && (l->average || !averages) && (l->sum || !adds) && !(averages && chunks_init(&l->averaged, m, NULL)))
    return 0;
  return sg_fail(l->err, SURGERY_ENVIRONMENT, "no memory for %lld samples", (long long)l->train_set->count);
}

int loop_prepare(Loop *l) {
  if (!net_has(l->net, net_first_phase(l->net), NET_STEP))
    return sg_fail(l->err, SURGERY_BAD_INPUT, "nothing in this network is trainable: all of it is frozen");
  if (l->o->epochs < 0 || l->o->batch < 0 || l->train_set->count < 1)
    return sg_fail(l->err, SURGERY_BAD_INPUT, "%s: nothing to train on", l->train_set->path);
  if (check_classes(l) || check_last_batch(l) || check_early_stop(l) || reserve(l) || resume(l)) return -1;
  return metrics_init(&l->accuracy, l->net->manifest, l->train_set->spec.target == TARGET_CLASSES, l->err) ||
                 log_open(&l->log, l->o->log, l->o->resume != NULL, l->err) || loop_open_feeds(l)
             ? -1
             : 0;
}
