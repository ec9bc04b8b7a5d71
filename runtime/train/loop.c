/* The loop of loop.h. What it does at a step follows from the seed and the position alone; that is what makes
 * a resumed run equal to an uninterrupted one. Must not print, and must not know how commands are spelt. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/error.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/gradients.h"
#include "runtime/train/log.h"
#include "runtime/train/loop.h"

#define SHUFFLE_STREAM 0x73687566666c65u /* "shuffle": apart from the streams of names and samples */

typedef struct Loop {
  surgery_net *net;
  Dataset *train_set;
  const TrainOptions *o;
  Feed *train, *val;
  TrainPosition at;
  TrainLog log;
  Dataset *val_set;
  int64_t *order;
  Metrics accuracy; /* of one batch: only its counts are used */
  size_t phase;
  int64_t phase_start;    /* its first epoch */
  unsigned char *sum;     /* of the gradients of an unfinished step; NULL: every batch is one */
  unsigned char *average; /* of the weights; NULL: none */
  int64_t window, window_seen; /* batches and samples of the unfinished step */
  double window_loss;
  int64_t window_right, window_targets;
  double run_start, epoch_start;
  int64_t first_step, first_seen; /* where this process took over: for rates and the time left */
  TrainResult *result;
  surgery_error *err;
} Loop;

static bool stopped(const Loop *l) {
  return l->o->stop && *l->o->stop;
}

static void observe(const Loop *l, const TrainEvent *event) {
  if (l->o->observe) l->o->observe(l->o->context, event);
}

static void tell_broken(void *context, const char *message) {
  Loop *l = context;
  l->result->broken++;
  observe(l, &(TrainEvent){.kind = TRAIN_BROKEN, .text = message});
}

static void tell_features(void *context, int64_t done, int64_t total, double seconds) {
  observe(context, &(TrainEvent){.kind = TRAIN_FEATURES, .done = done, .total = total, .seconds = seconds});
}

/* All labels the same: nothing can be learnt from that, and it is nearly always a wrong folder. */
static int check_classes(const Loop *l) {
  const Dataset *set = l->train_set;
  if (!set->labels || set->spec.classes < 2) return 0;
  for (int64_t i = 1; i < set->count; i++)
    if (set->labels[i] != set->labels[0]) return 0;
  const char *name = set->class_count == 1 ? set->class_names[0] : NULL;
  return sg_fail(l->err, SURGERY_BAD_INPUT,
                 "%s: all %lld samples are of one class (%s%s%d%s): training needs two at least", set->path,
                 (long long)set->count, name ? name : "", name ? ", " : "", set->labels[0],
                 name ? "" : " by number");
}

static int64_t batch_of(const Loop *l, const ManifestPhase *phase) {
  return l->o->batch ? l->o->batch : phase->batch;
}

/* PyTorch finds this at the end of the first epoch; here it is known before, for all phases. */
static int check_last_batch(const Loop *l) {
  Manifest *m = l->net->manifest;
  int64_t count = l->train_set->count;
  for (size_t i = 0; i < m->train.phase_count; i++) {
    manifest_select_phase(m, i);
    int64_t batch = batch_of(l, manifest_phase(m)), last = count % batch ? count % batch : batch;
    if (batch > count) last = count;
    const char *lonely = net_lonely_batchnorm(l->net, last);
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
  const ManifestTrain *t = &l->net->manifest->train;
  if (t->patience == 0) return 0;
  if (!l->val_set)
    return sg_fail(l->err, SURGERY_BAD_INPUT,
                   "early_stop looks at the validation's %s, and there is no validation set: give one with --val",
                   t->watch_accuracy ? "accuracy" : "loss");
  if (t->watch_accuracy && !net_classes(l->net->manifest))
    return sg_fail(l->err, SURGERY_BAD_INPUT, "early_stop looks at the accuracy, but this network is no classifier");
  return 0;
}

static int64_t cache_limit(const Loop *l) {
  if (l->o->cache_limit) return l->o->cache_limit;
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (int64_t)pages / 2 * size : INT64_MAX / 2;
}

static Feed *open_feed(Loop *l, Dataset *set, bool augment, int64_t limit) {
  FeedOptions o = {.augment = augment && set->spec.augment_count > 0,
                   .cache = l->o->cache,
                   .training = augment,
                   .mixup = augment ? l->net->manifest->train.mixup : 0,
                   .cache_limit = limit,
                   .seed = l->at.seed,
                   .stop = l->o->stop,
                   .broken = tell_broken,
                   .progress = tell_features,
                   .context = l};
  Feed *feed = feed_open(l->net, set, &o, l->err);
  if (feed && feed_cached_bytes(feed))
    observe(l, &(TrainEvent){.kind = TRAIN_CACHED,
                             .total = set->count,
                             .bytes = feed_cached_bytes(feed),
                             .seconds = feed_seconds(feed)});
  return feed;
}

/* ---- phases ---- */

int64_t train_epochs(const Manifest *m) {
  int64_t sum = 0;
  for (size_t i = 0; i < m->train.phase_count; i++) sum += m->train.phases[i].epochs;
  return sum;
}

/* The phase of an epoch follows from the script alone; the last one also takes what --epochs adds. */
static size_t phase_of(const Manifest *m, int64_t epoch, int64_t *start) {
  size_t i = 0;
  *start = 0;
  while (i + 1 < m->train.phase_count && epoch >= *start + m->train.phases[i].epochs) *start += m->train.phases[i++].epochs;
  return i;
}

static int64_t phase_epochs(const Loop *l) {
  const Manifest *m = l->net->manifest;
  if (l->phase + 1 < m->train.phase_count) return m->train.phases[l->phase].epochs;
  return l->o->epochs > l->phase_start ? l->o->epochs - l->phase_start : 1;
}

static int64_t steps_of(const Loop *l, int64_t samples) {
  int64_t batches = (samples + l->at.batch - 1) / l->at.batch, accumulate = l->net->manifest->train.accumulate;
  return (batches + accumulate - 1) / accumulate;
}

/* Schedules count epochs or steps from the beginning of their phase. */
static void set_time(Loop *l) {
  bool steps = manifest_phase(l->net->manifest)->schedule.per_step;
  optimizer_set_time(l->net->optimizer, steps ? l->at.phase_step : l->at.epoch - l->phase_start);
}

static void set_rates(Loop *l) {
  const ManifestPhase *phase = manifest_phase(l->net->manifest);
  int64_t epochs = phase_epochs(l);
  optimizer_set_schedule(l->net->optimizer, phase->schedule.per_step ? epochs * steps_of(l, l->at.samples) : epochs);
  if (l->at.lr >= 0 && !phase->own_lr) optimizer_set_lr(l->net->optimizer, l->at.lr);
  set_time(l);
}

/* The phase of the position: its functions, a new optimizer, its augmentations; the feeds are opened when they are
 * needed. */
static int set_phase(Loop *l) {
  const Manifest *m = l->net->manifest;
  feed_close(l->train), feed_close(l->val);
  l->train = l->val = NULL;
  l->phase = phase_of(m, l->at.epoch, &l->phase_start);
  if (net_set_phase(l->net, l->phase, l->err)) return -1;
  const ManifestPhase *phase = manifest_phase(m);
  l->at.phase = (int64_t)l->phase;
  l->at.batch = batch_of(l, phase);
  if (m->train.phase_count > 1) l->train_set->spec.augment = phase->augment, l->train_set->spec.augment_count = phase->augment_count;
  return 0;
}

static int begin_phase(Loop *l) {
  if (set_phase(l)) return -1;
  l->at.phase_step = 0;
  if (l->average) memcpy(l->average, l->net->weights, (size_t)l->net->manifest->weights_bytes);
  set_rates(l);
  return 0;
}

static int open_feeds(Loop *l) {
  int64_t limit = cache_limit(l);
  const char *name = manifest_phase(l->net->manifest)->name;
  if (l->train) return 0;
  if (name)
    observe(l, &(TrainEvent){.kind = TRAIN_PHASE, .text = name, .epoch = l->at.epoch + 1, .epochs = l->phase_start + phase_epochs(l)});
  if (!(l->train = open_feed(l, l->train_set, true, limit))) return -1;
  limit -= feed_cached_bytes(l->train);
  return !l->val_set || (l->val = open_feed(l, l->val_set, false, limit)) ? 0 : -1;
}

/* ---- where it begins ---- */

/* Whether every phase has the batch that it had. */
static bool same_batches(const Loop *l, const TrainPosition *was) {
  const ManifestTrain *t = &l->net->manifest->train;
  for (size_t i = 0; i < t->phase_count; i++)
    if (batch_of(l, &t->phases[i]) != (was->batch_given ? was->batch_given : t->phases[i].batch)) return false;
  return true;
}

static int check_resumed(const Loop *l, const TrainPosition *was) {
  if (was->samples != l->train_set->count)
    return sg_fail(l->err, SURGERY_BAD_INPUT,
                   "%s: the checkpoint was made with %lld training samples, but %s has %lld", l->o->resume,
                   (long long)was->samples, l->train_set->path, (long long)l->train_set->count);
  if (!same_batches(l, was) || was->seed != l->o->seed ||
      was->shuffle != l->o->shuffle)
    return sg_fail(l->err, SURGERY_BAD_INPUT,
                   "%s: the checkpoint was made with batch %lld, seed %llu, %s: a resumed run keeps these",
                   l->o->resume, (long long)was->batch, (unsigned long long)was->seed,
                   was->shuffle ? "shuffled" : "not shuffled");
  if (was->taken && was->phase != (int64_t)l->phase)
    return sg_fail(l->err, SURGERY_BAD_INPUT, "%s: the checkpoint is of phase %lld, and epoch %lld is of phase %zu now",
                   l->o->resume, (long long)was->phase + 1, (long long)was->epoch + 1, l->phase + 1);
  return 0;
}

static int resume(Loop *l) {
  if (!l->o->resume) {
    l->net->rng[0] = l->o->seed, l->net->rng[1] = 0;
    l->at = (TrainPosition){.seed = l->o->seed,
                            .batch_given = l->o->batch,
                            .samples = l->train_set->count,
                            .shuffle = l->o->shuffle,
                            .lr = l->o->lr,
                            .best = l->net->manifest->train.watch_accuracy ? -INFINITY : INFINITY};
    return begin_phase(l);
  }
  TrainPosition was;
  if (checkpoint_peek(l->o->resume, &was, l->err)) return -1;
  l->at = was;
  if (set_phase(l) || check_resumed(l, &was)) return -1;
  bool same = was.phase == (int64_t)l->phase;
  if (checkpoint_read(l->net, &l->at, l->average, same, l->o->resume, l->err)) return -1;
  l->at.phase = (int64_t)l->phase, l->at.batch = batch_of(l, manifest_phase(l->net->manifest));
  l->at.lr = l->o->lr;
  l->first_step = l->at.step;
  set_rates(l);
  return 0;
}

static int save_checkpoint(Loop *l) {
  if (checkpoint_write(l->net, &l->at, l->average, l->o->checkpoint, l->err)) return -1;
  observe(l, &(TrainEvent){.kind = TRAIN_CHECKPOINT, .text = l->o->checkpoint});
  return 0;
}

/* ---- steps ---- */

static void tell_step(Loop *l, double loss, double accuracy, double lr) {
  double now = seconds_now(), spent = now - l->run_start, epoch_spent = now - l->epoch_start;
  int64_t total_steps = steps_of(l, l->at.samples) * (l->o->epochs - l->at.epoch) - steps_of(l, l->at.taken);
  if (l->o->steps && l->o->steps - l->at.step < total_steps) total_steps = l->o->steps - l->at.step;
  int64_t done = l->at.step - l->first_step;
  observe(l, &(TrainEvent){.kind = TRAIN_STEP,
                           .epoch = l->at.epoch + 1,
                           .epochs = l->o->epochs,
                           .step = l->at.step,
                           .done = l->at.taken,
                           .total = l->at.samples,
                           .loss = loss,
                           .accuracy = accuracy,
                           .lr = lr,
                           .val_loss = NAN,
                           .val_accuracy = NAN,
                           .seconds = epoch_spent,
                           .rate = epoch_spent > 0 ? (double)(l->at.seen - l->first_seen) / epoch_spent : 0,
                           .left = done > 0 ? spent / (double)done * (double)total_steps : 0});
}

/* The optimizer's step, with the gradients of the batches since the last one. */
static void update(Loop *l) {
  const ManifestTrain *train = &l->net->manifest->train;
  double loss = l->window_loss, rate = optimizer_lr(l->net->optimizer);
  if (l->sum) memcpy(l->net->grads, l->sum, (size_t)l->net->manifest->grads_bytes);
  if (train->accumulate > 1) loss /= (double)l->window_seen;
  if (train->clip_norm > 0) gradients_clip(l->net->manifest, l->net->grads, train->clip_norm);
  net_update(l->net);
  if (l->average) weights_average(l->net->manifest, l->average, l->net->weights, train->ema);
  l->at.step++, l->at.phase_step++;
  log_step(&l->log, l->at.epoch + 1, l->at.step, loss, rate);
  tell_step(l, loss, l->window_targets ? (double)l->window_right / (double)l->window_targets : NAN, rate);
  set_time(l);
  l->window = l->window_seen = l->window_right = l->window_targets = 0;
  l->window_loss = 0;
}

static int one_batch(Loop *l, const FeedBatch *batch) {
  int64_t accumulate = l->net->manifest->train.accumulate;
  float loss;
  l->net->mask = batch->mask;
  if (net_gradients(l->net, batch->n, batch->x, batch->step_target, &loss, l->err)) return -1;
  if (!isfinite(loss))
    return sg_fail(
        l->err, SURGERY_BAD_INPUT,
        "epoch %lld, step %lld: the loss is %g: training has diverged; a smaller --lr (now %g) may help. "
        "No weights were written",
        (long long)l->at.epoch + 1, (long long)l->at.step + 1, (double)loss, optimizer_lr(l->net->optimizer));
  if (l->sum) gradients_add(l->net->manifest, l->sum, l->net->grads, 1.0 / (double)accumulate, l->window == 0);
  int64_t before = l->accuracy.top1, targets = l->accuracy.targets;
  if (l->accuracy.classes) metrics_add(&l->accuracy, batch->n, l->net->outputs[0], batch->target);
  int64_t right = l->accuracy.top1 - before;
  l->window++, l->window_seen += batch->n;
  l->window_right += right, l->window_targets += l->accuracy.targets - targets;
  /* one batch: its loss to the bit */
  if (l->window == 1) l->window_loss = accumulate > 1 ? (double)loss * (double)batch->n : (double)loss;
  else l->window_loss += (double)loss * (double)batch->n;
  l->at.batches++;
  l->at.taken += batch->taken;
  l->at.loss_sum += (double)loss * (double)batch->n;
  l->at.seen += batch->n;
  l->at.right += right;
  if (l->window == accumulate) update(l);
  return 0;
}

static bool enough_steps(const Loop *l) {
  return l->o->steps && l->at.step >= l->o->steps;
}

/* The rest of the running epoch. Returns 0 at its end, 1 where it stopped before; never between the batches of one
 * step. */
static int run_epoch(Loop *l) {
  FeedBatch batch;
  int status = 0;
  if (l->at.taken >= l->at.samples) return 0; /* resumed between the last step and the validation */
  if (l->at.shuffle)
    random_permutation(l->at.seed, random_key(SHUFFLE_STREAM, (uint64_t)l->at.epoch), l->order,
                       l->at.samples);
  if (feed_start(l->train, (uint64_t)l->at.epoch, l->at.shuffle ? l->order : NULL, l->at.taken, l->at.batch,
                 l->err))
    return -1;
  while ((l->window || (!stopped(l) && !enough_steps(l))) && (status = feed_next(l->train, &batch, l->err)) > 0) {
    if (batch.n == 0)
      l->at.taken += batch.taken; /* all of them broken */
    else if (one_batch(l, &batch))
      return -1;
  }
  if (status < 0) return -1;
  if (l->window) update(l); /* the epoch ends with a step of fewer batches */
  if (l->at.taken >= l->at.samples && l->at.seen == 0)
    return sg_fail(l->err, SURGERY_BAD_INPUT, "%s: none of the %lld samples can be used", l->train_set->path,
                   (long long)l->at.samples);
  return l->at.taken < l->at.samples;
}

/* The averaged weights in the place of the weights, and back. */
static void swap_average(Loop *l) {
  if (!l->average) return;
  unsigned char *weights = l->net->weights;
  l->net->weights = l->average, l->average = weights;
  l->net->packed_stale = true;
}

static int validate(Loop *l, TrainEvent *event) {
  event->val_loss = event->val_accuracy = NAN;
  if (!l->val) return 0;
  Metrics m;
  if (metrics_init(&m, l->net->manifest, l->val_set->spec.target == TARGET_CLASSES, l->err)) return -1;
  swap_average(l);
  int status =
      evaluate(l->net, l->val, l->at.batch > 16 ? l->at.batch : 16, &m, l->o->stop, NULL, NULL, l->err);
  swap_average(l);
  if (status == 0) event->val_loss = metrics_loss(&m), event->val_accuracy = metrics_top1(&m);
  metrics_free(&m);
  return status;
}

/* early_stop watches the last phase: what the ones before freeze follows from the script alone. */
static void watch(Loop *l, const TrainEvent *event) {
  const ManifestTrain *t = &l->net->manifest->train;
  if (t->patience == 0 || l->phase + 1 < t->phase_count) return;
  double value = t->watch_accuracy ? event->val_accuracy : event->val_loss;
  bool better = t->watch_accuracy ? value > l->at.best + t->min_delta : value < l->at.best - t->min_delta;
  l->at.waited = better ? 0 : l->at.waited + 1;
  if (better) l->at.best = value, l->at.best_epoch = event->epoch;
}

static bool waited_enough(const Loop *l) {
  int64_t patience = l->net->manifest->train.patience;
  return patience && l->at.waited >= patience;
}

/* Validation, log and checkpoint after an epoch. Returns 1 where a signal came: then the epoch counts as not
 * yet validated. */
static int finish_epoch(Loop *l) {
  TrainEvent event = {.kind = TRAIN_EPOCH,
                      .epoch = l->at.epoch + 1,
                      .epochs = l->o->epochs,
                      .step = l->at.step,
                      .total = l->at.samples};
  surgery_error why = {.status = SURGERY_OK}, *outer = l->err;
  l->err = &why;
  int status = validate(l, &event);
  l->err = outer;
  if (status && why.status == SURGERY_INTERRUPTED) return 1;
  if (status) {
    if (outer) *outer = why;
    return -1;
  }
  int64_t targets = l->at.seen * net_positions(l->net->manifest);
  event.loss = l->at.seen ? l->at.loss_sum / (double)l->at.seen : NAN;
  event.accuracy = l->accuracy.classes && targets ? (double)l->at.right / (double)targets : NAN;
  event.seconds = seconds_now() - l->epoch_start;
  event.rate = event.seconds > 0 ? (double)(l->at.seen - l->first_seen) / event.seconds : 0;
  log_epoch(&l->log, event.epoch, event.step, event.loss, event.accuracy, event.val_loss, event.val_accuracy,
            event.seconds);
  observe(l, &event);
  watch(l, &event);
  l->result->loss = event.loss, l->result->accuracy = event.accuracy;
  l->result->val_loss = event.val_loss, l->result->val_accuracy = event.val_accuracy;
  return 0;
}

/* With the last epoch of a phase the next one begins, so that a checkpoint is of it already. */
static int next_epoch(Loop *l) {
  int64_t start;
  l->at.epoch++;
  l->at.taken = l->at.seen = l->at.right = 0;
  l->at.loss_sum = 0;
  if (l->at.epoch < l->o->epochs && phase_of(l->net->manifest, l->at.epoch, &start) != l->phase) return begin_phase(l);
  set_time(l);
  return 0;
}

static int run_epochs(Loop *l) {
  while (l->at.epoch < l->o->epochs && !enough_steps(l) && !waited_enough(l)) {
    if (open_feeds(l)) return -1;
    l->epoch_start = seconds_now();
    l->first_seen = l->at.seen;
    int partial = run_epoch(l);
    if (partial < 0) return -1;
    bool interrupted = stopped(l);
    if (!interrupted) {
      int status = finish_epoch(l);
      if (status < 0) return -1;
      interrupted = status > 0;
    }
    if (interrupted) {
      l->result->interrupted = true;
      return save_checkpoint(l);
    }
    if (partial) return 0; /* --steps */
    if (next_epoch(l)) return -1;
    if (l->o->checkpoint_every && l->at.epoch % l->o->checkpoint_every == 0 && save_checkpoint(l)) return -1;
  }
  if (waited_enough(l) && l->at.epoch < l->o->epochs)
    observe(l, &(TrainEvent){.kind = TRAIN_EARLY, .epoch = l->at.best_epoch, .epochs = l->at.waited});
  return 0;
}

static int reserve(Loop *l) {
  const Manifest *m = l->net->manifest;
  l->order = malloc((size_t)l->train_set->count * sizeof *l->order);
  void *average = NULL;
  if (m->train.ema > 0 && posix_memalign(&average, 64, (size_t)m->weights_bytes + 64) == 0)
    l->average = memset(average, 0, (size_t)m->weights_bytes + 64);
  if (m->train.accumulate > 1) l->sum = calloc((size_t)m->grads_bytes + 1, 1);
  if (l->order && (l->average || m->train.ema == 0) && (l->sum || m->train.accumulate == 1)) return 0;
  return sg_fail(l->err, SURGERY_ENVIRONMENT, "no memory for %lld samples", (long long)l->train_set->count);
}

static int prepare(Loop *l) {
  if (!l->net->optimizer || !net_has(l->net, NET_STEP))
    return sg_fail(l->err, SURGERY_BAD_INPUT, "nothing in this network is trainable: all of it is frozen");
  if (l->o->epochs < 0 || l->o->batch < 0 || l->train_set->count < 1)
    return sg_fail(l->err, SURGERY_BAD_INPUT, "%s: nothing to train on", l->train_set->path);
  if (check_classes(l) || check_last_batch(l) || check_early_stop(l) || reserve(l) || resume(l)) return -1;
  return metrics_init(&l->accuracy, l->net->manifest, l->train_set->spec.target == TARGET_CLASSES, l->err) ||
                 log_open(&l->log, l->o->log, l->o->resume != NULL, l->err) || open_feeds(l)
             ? -1
             : 0;
}

int train_run(surgery_net *net, Dataset *train, Dataset *val, const TrainOptions *options,
              TrainResult *result, surgery_error *err) {
  *result = (TrainResult){.loss = NAN, .accuracy = NAN, .val_loss = NAN, .val_accuracy = NAN};
  Loop l = {.net = net, .train_set = train, .val_set = val, .o = options, .result = result, .err = err};
  int status = prepare(&l);
  l.run_start = seconds_now();
  if (status == 0) status = run_epochs(&l);
  surgery_error ignored;
  if (log_close(&l.log, status ? &ignored : err) && status == 0) status = -1;
  if (status == 0 && !result->interrupted) swap_average(&l);
  result->epochs = l.at.epoch, result->steps = l.at.step;
  feed_close(l.train), feed_close(l.val);
  metrics_free(&l.accuracy);
  free(l.order), free(l.sum), free(l.average);
  return status;
}
