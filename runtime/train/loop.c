/* The loop of loop.h. What it does at a step follows from the seed and the position alone; that is what makes
 * a resumed run equal to an uninterrupted one. Must not print, and must not know how commands are spelt. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/error.h"
#include "runtime/train/evaluate.h"
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
  int64_t *order;
  Metrics accuracy; /* of one batch: only its counts are used */
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

/* PyTorch finds this at the end of the first epoch; here it is known before. */
static int check_last_batch(const Loop *l) {
  int64_t count = l->train_set->count, batch = l->o->batch, last = count % batch ? count % batch : batch;
  if (batch > count) last = count;
  const char *lonely = net_lonely_batchnorm(l->net, last);
  if (!lonely) return 0;
  return sg_fail(
      l->err, SURGERY_BAD_INPUT,
      "the last batch of %lld samples in batches of %lld holds 1: '%s' expects more than 1 value per channel "
      "when training; choose another --batch",
      (long long)count, (long long)batch, lonely);
}

static int64_t cache_limit(const Loop *l) {
  if (l->o->cache_limit) return l->o->cache_limit;
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (int64_t)pages / 2 * size : INT64_MAX / 2;
}

static Feed *open_feed(Loop *l, Dataset *set, bool augment, int64_t limit) {
  FeedOptions o = {.augment = augment && set->spec.augment_count > 0,
                   .cache = l->o->cache,
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

static int resume(Loop *l) {
  if (!l->o->resume) {
    l->net->rng[0] = l->o->seed, l->net->rng[1] = 0;
    l->at = (TrainPosition){
        .seed = l->o->seed, .batch = l->o->batch, .samples = l->train_set->count, .shuffle = l->o->shuffle};
  } else {
    if (checkpoint_read(l->net, &l->at, l->o->resume, l->err)) return -1;
    if (l->at.samples != l->train_set->count)
      return sg_fail(l->err, SURGERY_BAD_INPUT,
                     "%s: the checkpoint was made with %lld training samples, but %s has %lld", l->o->resume,
                     (long long)l->at.samples, l->train_set->path, (long long)l->train_set->count);
    if (l->at.batch != l->o->batch || l->at.seed != l->o->seed || l->at.shuffle != l->o->shuffle)
      return sg_fail(l->err, SURGERY_BAD_INPUT,
                     "%s: the checkpoint was made with batch %lld, seed %llu, %s: a resumed run keeps these",
                     l->o->resume, (long long)l->at.batch, (unsigned long long)l->at.seed,
                     l->at.shuffle ? "shuffled" : "not shuffled");
  }
  l->at.lr = optimizer_lr(l->net->optimizer);
  l->first_step = l->at.step;
  return 0;
}

static int save_checkpoint(Loop *l) {
  if (checkpoint_write(l->net, &l->at, l->o->checkpoint, l->err)) return -1;
  observe(l, &(TrainEvent){.kind = TRAIN_CHECKPOINT, .text = l->o->checkpoint});
  return 0;
}

static int64_t steps_of(const Loop *l, int64_t samples) {
  return (samples + l->at.batch - 1) / l->at.batch;
}

static void tell_step(Loop *l, double loss, double accuracy) {
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
                           .val_loss = NAN,
                           .val_accuracy = NAN,
                           .seconds = epoch_spent,
                           .rate = epoch_spent > 0 ? (double)(l->at.seen - l->first_seen) / epoch_spent : 0,
                           .left = done > 0 ? spent / (double)done * (double)total_steps : 0});
}

static int one_step(Loop *l, const FeedBatch *batch) {
  float loss;
  if (net_gradients(l->net, batch->n, batch->x, batch->target, &loss, l->err)) return -1;
  if (!isfinite(loss))
    return sg_fail(
        l->err, SURGERY_BAD_INPUT,
        "epoch %lld, step %lld: the loss is %g: training has diverged; a smaller --lr (now %g) may help. "
        "No weights were written",
        (long long)l->at.epoch + 1, (long long)l->at.step + 1, (double)loss, l->at.lr);
  int64_t before = l->accuracy.top1, targets = l->accuracy.targets;
  if (l->accuracy.classes) metrics_add(&l->accuracy, batch->n, l->net->outputs[0], batch->target);
  int64_t right = l->accuracy.top1 - before;
  targets = l->accuracy.targets - targets;
  net_update(l->net);
  l->at.step++;
  l->at.taken += batch->taken;
  l->at.loss_sum += (double)loss * (double)batch->n;
  l->at.seen += batch->n;
  l->at.right += right;
  log_step(&l->log, l->at.epoch + 1, l->at.step, loss, l->at.lr);
  tell_step(l, loss, targets ? (double)right / (double)targets : NAN);
  return 0;
}

static bool enough_steps(const Loop *l) {
  return l->o->steps && l->at.step >= l->o->steps;
}

/* The rest of the running epoch. Returns 0 at its end, 1 where it stopped before. */
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
  while (!stopped(l) && !enough_steps(l) && (status = feed_next(l->train, &batch, l->err)) > 0) {
    if (batch.n == 0)
      l->at.taken += batch.taken; /* all of them broken */
    else if (one_step(l, &batch))
      return -1;
  }
  if (status < 0) return -1;
  if (l->at.taken >= l->at.samples && l->at.seen == 0)
    return sg_fail(l->err, SURGERY_BAD_INPUT, "%s: none of the %lld samples can be used", l->train_set->path,
                   (long long)l->at.samples);
  return l->at.taken < l->at.samples;
}

static int validate(Loop *l, TrainEvent *event) {
  event->val_loss = event->val_accuracy = NAN;
  if (!l->val) return 0;
  Metrics m;
  if (metrics_init(&m, l->net->manifest, l->err)) return -1;
  int status =
      evaluate(l->net, l->val, l->at.batch > 16 ? l->at.batch : 16, &m, l->o->stop, NULL, NULL, l->err);
  if (status == 0) event->val_loss = metrics_loss(&m), event->val_accuracy = metrics_top1(&m);
  metrics_free(&m);
  return status;
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
  l->result->loss = event.loss, l->result->accuracy = event.accuracy;
  l->result->val_loss = event.val_loss, l->result->val_accuracy = event.val_accuracy;
  return 0;
}

static void next_epoch(Loop *l) {
  l->at.epoch++;
  l->at.taken = l->at.seen = l->at.right = 0;
  l->at.loss_sum = 0;
}

static int run_epochs(Loop *l) {
  while (l->at.epoch < l->o->epochs && !enough_steps(l)) {
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
    next_epoch(l);
    if (l->o->checkpoint_every && l->at.epoch % l->o->checkpoint_every == 0 && save_checkpoint(l)) return -1;
  }
  return 0;
}

static int prepare(Loop *l, Dataset *val) {
  if (!l->net->optimizer || !net_has(l->net, NET_STEP))
    return sg_fail(l->err, SURGERY_BAD_INPUT, "nothing in this network is trainable: all of it is frozen");
  if (l->o->epochs < 0 || l->o->batch < 1 || l->train_set->count < 1)
    return sg_fail(l->err, SURGERY_BAD_INPUT, "%s: nothing to train on", l->train_set->path);
  if (check_classes(l) || check_last_batch(l) || resume(l)) return -1;
  l->order = malloc((size_t)l->train_set->count * sizeof *l->order);
  if (!l->order)
    return sg_fail(l->err, SURGERY_ENVIRONMENT, "no memory for %lld samples", (long long)l->train_set->count);
  if (metrics_init(&l->accuracy, l->net->manifest, l->err) ||
      log_open(&l->log, l->o->log, l->o->resume != NULL, l->err))
    return -1;
  int64_t limit = cache_limit(l);
  if (!(l->train = open_feed(l, l->train_set, true, limit))) return -1;
  limit -= feed_cached_bytes(l->train);
  return !val || (l->val = open_feed(l, val, false, limit)) ? 0 : -1;
}

int train_run(surgery_net *net, Dataset *train, Dataset *val, const TrainOptions *options,
              TrainResult *result, surgery_error *err) {
  *result = (TrainResult){.loss = NAN, .accuracy = NAN, .val_loss = NAN, .val_accuracy = NAN};
  Loop l = {.net = net, .train_set = train, .o = options, .result = result, .err = err};
  int status = prepare(&l, val);
  l.run_start = seconds_now();
  if (status == 0) status = run_epochs(&l);
  surgery_error ignored;
  if (log_close(&l.log, status ? &ignored : err) && status == 0) status = -1;
  result->epochs = l.at.epoch, result->steps = l.at.step;
  feed_close(l.train), feed_close(l.val);
  metrics_free(&l.accuracy);
  free(l.order);
  return status;
}
