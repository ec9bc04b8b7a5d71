/* The loop of loop.h. What it does at a step depends only on the seed and the position; that is what makes
 * a resumed run equal to an uninterrupted one. Must not print, and must not know how commands are spelt. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/base/pages.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/finite.h"
#include "runtime/train/loop_parts.h"

#define SHUFFLE_STREAM 0x73687566666c65u /* "shuffle": apart from the streams of names and samples */

static bool stopped(const Loop *l) { return l->o->stop && *l->o->stop; }

const ManifestPhase *loop_phase(const Loop *l) { return &l->net->manifest->phases[l->phase]; }

void loop_observe(const Loop *l, const TrainEvent *event) {
  if (l->o->observe) l->o->observe(l->o->context, event);
}

static int save_checkpoint(Loop *l, surgery_error *err) {
  const StageRecipe *phase = loop_phase(l)->recipe;
  l->at.rate = l->o->lr >= 0 && !phase->own_lr ? l->o->lr : phase->optimizer.lr;
  l->at.threads = sg_threads();
  if (checkpoint_write(l->net, l->optimizer, &l->at, l->average, l->rows, l->o->checkpoint, err)) return -1;
  loop_observe(l, &(TrainEvent){.kind = TRAIN_CHECKPOINT, .text = l->o->checkpoint});
  return 0;
}

/* What was asked for beside the weights, and cannot be had: told at once, and no reason to lose the weights. */
static void tell_lost(Loop *l, const surgery_error *why) {
  l->result->lost++;
  loop_observe(l, &(TrainEvent){.kind = TRAIN_LOST, .text = why->message});
}

static void tell_log(Loop *l) {
  surgery_error why;
  if (log_failed(l->log, &why)) tell_lost(l, &why);
}

/* ---- steps ---- */

static void tell_step(Loop *l, double loss, double accuracy, double lr) {
  double now = seconds_now(), spent = now - l->run_start, epoch_spent = now - l->epoch_start;
  int64_t total_steps = loop_steps(l, l->at.samples) * (l->o->epochs - l->at.epoch) - loop_steps(l, l->at.taken);
  if (l->o->steps && l->o->steps - l->at.step < total_steps) total_steps = l->o->steps - l->at.step;
  int64_t done = l->at.step - l->first_step;
  loop_observe(l, &(TrainEvent){.kind = TRAIN_STEP,
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
  const TrainRecipe *train = l->net->manifest->train;
  double loss = l->window_loss / (double)l->window_seen; /* of one batch: its loss to the bit */
  double rate = optimizer_lr(l->optimizer);
  if (l->sum) { /* the next window begins with other gradients in either */
    unsigned char *grads = l->net->grads;
    l->net->grads = l->sum, l->sum = grads;
  }
  if (train->clip_norm > 0) gradients_clip(optimizer_chunks(l->optimizer), l->net->grads, train->clip_norm);
  optimizer_step(l->optimizer, l->net);
  if (l->average) weights_average(l->net->manifest, &l->averaged, l->average, l->net->weights, train->ema);
  l->at.step++, l->at.phase_step++;
  log_step(l->log, l->at.epoch + 1, l->at.step, loss, rate);
  tell_log(l);
  tell_step(l, loss, l->window_targets ? (double)l->window_right / (double)l->window_targets : NAN, rate);
  loop_set_time(l);
  l->window = l->window_seen = l->window_right = l->window_targets = 0;
  l->window_loss = 0;
}

/* Weights that were finite when they were read have been trained away from it: the rate is too high. */
static int not_finite(Loop *l, const FeedBatch *batch, double loss) {
  char cause[900];
  const int64_t *order = l->at.shuffle ? l->order : NULL;
  if (finite_blame_data(l->train_set, order, l->at.taken, l->at.taken + batch->taken, cause, sizeof cause) ||
      (l->at.step == l->first_step && finite_blame_weights(l->net, cause, sizeof cause)))
    return sg_fail(l->err, SURGERY_BAD_INPUT, "epoch %lld, step %lld: the loss is %g: %s. No weights were written",
                   (long long)l->at.epoch + 1, (long long)l->at.step + 1, loss, cause);
  return sg_fail(l->err, SURGERY_BAD_INPUT,
                 "epoch %lld, step %lld: the loss is %g: training has diverged; a smaller --lr (now %g) may help. "
                 "No weights were written",
                 (long long)l->at.epoch + 1, (long long)l->at.step + 1, loss, optimizer_lr(l->optimizer));
}

static int one_batch(Loop *l, const FeedBatch *batch) {
  int64_t accumulate = l->net->manifest->train->accumulate;
  float loss;
  NetRun run = {NET_STEP,      loop_phase(l),       .n = batch->n,
                .x = batch->x, .mask = batch->mask, .target = batch->step_target,
                .loss = &loss};
  if (net_gradients(l->net, &run, l->err)) return -1;
  if (!isfinite(loss)) return not_finite(l, batch, (double)loss);
  if (l->sum)
    gradients_add(optimizer_chunks(l->optimizer), l->sum, l->net->grads, 1.0 / (double)accumulate, l->window == 0);
  int64_t before = l->accuracy.top1, targets = l->accuracy.targets;
  if (l->accuracy.classes) metrics_add(&l->accuracy, batch->n, l->net->outputs[0], batch->target);
  int64_t right = l->accuracy.top1 - before;
  l->window++, l->window_seen += batch->n;
  l->window_right += right, l->window_targets += l->accuracy.targets - targets;
  l->window_loss += (double)loss * (double)batch->n;
  l->at.batches++;
  l->at.taken += batch->taken;
  l->at.loss_sum += (double)loss * (double)batch->n;
  l->at.seen += batch->n;
  l->at.right += right;
  if (l->window == accumulate) update(l);
  return 0;
}

static bool enough_steps(const Loop *l) { return l->o->steps && l->at.step >= l->o->steps; }

/* The rest of the running epoch. Returns 0 at its end, 1 where it stopped before; never between the batches of one
 * step. */
static int run_epoch(Loop *l) {
  FeedBatch batch;
  int status = 0;
  if (l->at.taken >= l->at.samples) return 0; /* resumed between the last step and the validation */
  if (l->at.shuffle)
    random_permutation(l->at.seed, random_key(SHUFFLE_STREAM, (uint64_t)l->at.epoch), l->order, l->at.samples);
  if (batch_source_start(l->train, (uint64_t)l->at.epoch, l->at.shuffle ? l->order : NULL, l->at.taken, l->at.batch,
                         l->err))
    return -1;
  while ((l->window || (!stopped(l) && !enough_steps(l))) &&
         (status = batch_source_next(l->train, &batch, l->err)) > 0) {
    if (batch.n == 0) l->at.taken += batch.taken; /* all of them broken */
    else if (one_batch(l, &batch)) return -1;
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

static void tell_validation(void *context, int64_t done, int64_t total) {
  loop_observe(context, &(TrainEvent){.kind = TRAIN_VALIDATION, .done = done, .total = total});
}

static int validate(Loop *l, TrainEvent *event) {
  event->val_loss = event->val_accuracy = NAN;
  if (!l->val) return 0;
  Metrics m;
  if (metrics_init(&m, l->net->manifest, l->val_set->spec.target == TARGET_CLASSES, l->err)) return -1;
  swap_average(l);
  int status =
      evaluate(l->net, l->val, l->at.batch > 16 ? l->at.batch : 16, &m, l->o->stop, tell_validation, l, l->err);
  swap_average(l);
  if (status == 0)
    event->val_loss = metrics_loss(&m), event->val_accuracy = metrics_top1(&m), event->val = metrics_summary(&m);
  metrics_free(&m);
  return status;
}

/* early_stop watches the last phase: what the ones before freeze follows from the script only. */
static void watch(Loop *l, const TrainEvent *event) {
  const TrainRecipe *t = l->net->manifest->train;
  if (t->early_stop.patience == 0 || l->phase + 1 < (size_t)t->stage_count) return;
  double value = t->early_stop.monitor ? event->val_accuracy : event->val_loss;
  bool better = t->early_stop.monitor ? value > l->at.best + t->early_stop.min_delta
                                      : value < l->at.best - t->early_stop.min_delta;
  l->at.waited = better ? 0 : l->at.waited + 1;
  if (better) l->at.best = value, l->at.best_epoch = event->epoch;
}

static bool waited_enough(const Loop *l) {
  int64_t patience = l->net->manifest->train->early_stop.patience;
  return patience && l->at.waited >= patience;
}

static int keep_row(Loop *l, const TrainEvent *e) {
  EpochRow *rows = realloc(l->rows, (size_t)(l->at.epoch + 1) * sizeof *rows);
  if (!rows) return sg_fail(l->err, SURGERY_ENVIRONMENT, "no memory for %lld epochs", (long long)l->at.epoch + 1);
  l->rows = rows;
  rows[l->at.epoch] =
      (EpochRow){(float)e->loss, (float)e->accuracy, (float)e->val_loss, (float)e->val_accuracy, (float)e->lr};
  return 0;
}

/* Validation, log and checkpoint after an epoch. Returns 1 where a signal came: then the epoch counts as not
 * yet validated. */
static int finish_epoch(Loop *l) {
  TrainEvent event = {.kind = TRAIN_EPOCH,
                      .epoch = l->at.epoch + 1,
                      .epochs = l->o->epochs,
                      .step = l->at.step,
                      .total = l->at.samples,
                      .lr = optimizer_lr(l->optimizer)};
  double trained = seconds_now() - l->epoch_start; /* without the validation */
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
  event.rate = trained > 0 ? (double)(l->at.seen - l->first_seen) / trained : 0;
  log_epoch(l->log, event.epoch, event.step, event.loss, event.accuracy, event.val_loss, event.val_accuracy,
            event.seconds);
  tell_log(l);
  loop_observe(l, &event);
  watch(l, &event);
  l->result->loss = event.loss, l->result->accuracy = event.accuracy;
  l->result->val_loss = event.val_loss, l->result->val_accuracy = event.val_accuracy, l->result->val = event.val;
  return keep_row(l, &event);
}

/* With the last epoch of a phase the next one begins, so that a checkpoint is of it already. */
static int next_epoch(Loop *l) {
  int64_t start;
  l->at.epoch++;
  l->at.taken = l->at.seen = l->at.right = 0;
  l->at.loss_sum = 0;
  if (l->at.epoch < l->o->epochs && loop_phase_of(l->net->manifest, l->at.epoch, &start) != l->phase)
    return loop_begin_phase(l);
  loop_set_time(l);
  return 0;
}

static int stop_here(Loop *l) {
  l->result->interrupted = true;
  return save_checkpoint(l, l->err);
}

/* The earlier checkpoint stays; the weights at the end may find room. */
static void save_between(Loop *l) {
  surgery_error why;
  if (l->o->checkpoint_every && l->at.epoch % l->o->checkpoint_every == 0 && save_checkpoint(l, &why))
    tell_lost(l, &why);
}

static int run_epochs(Loop *l) {
  while (l->at.epoch < l->o->epochs && !enough_steps(l) && !waited_enough(l)) {
    if (loop_open_feeds(l))
      return l->at.step && stopped(l) ? stop_here(l) : -1; /* in a later phase, there is something to save */
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
    if (interrupted) return stop_here(l);
    if (partial) return 0; /* --steps */
    if (next_epoch(l)) return -1;
    save_between(l);
  }
  if (waited_enough(l) && l->at.epoch < l->o->epochs)
    loop_observe(l, &(TrainEvent){.kind = TRAIN_EARLY, .epoch = l->at.best_epoch, .epochs = l->at.waited});
  return 0;
}

int train_run(surgery_net *net, Dataset *train, Dataset *val, const TrainOptions *options, TrainResult *result,
              surgery_error *err) {
  *result = (TrainResult){.loss = NAN, .accuracy = NAN, .val_loss = NAN, .val_accuracy = NAN};
  Loop l = {.net = net, .train_set = train, .val_set = val, .o = options, .result = result, .err = err};
  int status = loop_prepare(&l);
  l.run_start = seconds_now();
  if (status == 0) status = run_epochs(&l);
  surgery_error why;
  if (log_close(l.log, &why)) tell_lost(&l, &why);
  if (status == 0 && !result->interrupted) swap_average(&l);
  optimizer_free(l.optimizer);
  result->phase = loop_phase(&l);
  result->epochs = l.at.epoch, result->steps = l.at.step;
  batch_source_close(l.train), batch_source_close(l.val);
  metrics_free(&l.accuracy);
  chunks_free(&l.averaged);
  sg_pages_free(l.sum), sg_pages_free(l.average);
  free(l.order), free(l.rows);
  return status;
}
