/* Writing and reading of checkpoint.h, through the weight files' reader and writer. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/train/checkpoint.h"

#define FORMAT "surgery-checkpoint-3"
#define ROWS "optimizer.epochs" /* (epochs, 5); absent before the first one has ended */
enum { ROW = sizeof(EpochRow) / sizeof(float) };

static int add_record(surgery_tensor_out *to, const char *kind, const ManifestTensor *t, const void *data,
                      surgery_error *err) {
  char *name;
  if (asprintf(&name, "optimizer.%s.%s", kind, t->name) < 0) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  *to = (surgery_tensor_out){.name = name, .dtype = SURGERY_F32, .rank = t->shape.rank, .data = data};
  memcpy(to->shape, t->shape.dim, sizeof to->shape);
  return 0;
}

/* The optimizer's state and the averaged weights as records; names are malloc'ed. */
static int state_records(surgery_net *net, const Optimizer *optimizer, const unsigned char *average,
                         surgery_tensor_out **to, size_t *count, surgery_error *err) {
  const Manifest *m = net->manifest;
  const int64_t *grad = optimizer_phase(optimizer)->grad;
  int states = optimizer_state_count(optimizer);
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    for (int s = 0; s < states && grad[i] >= 0; s++) {
      if (add_record(&(*to)[*count], optimizer_state_name(optimizer, s), t, optimizer_state(optimizer, s) + grad[i],
                     err))
        return -1;
      ++*count;
    }
    if (!average || t->i64) continue;
    if (add_record(&(*to)[*count], "ema", t, average + t->offset, err)) return -1;
    ++*count;
  }
  return 0;
}

enum { FIELDS = 25, FIELD = 40 };
typedef struct Metadata {
  const char *pair[2 * FIELDS + 1]; /* ended by NULL */
  char text[FIELDS][FIELD];
  int count;
} Metadata;

static void put_text(Metadata *d, const char *key, const char *text) {
  d->pair[2 * d->count] = key, d->pair[2 * d->count + 1] = text;
  d->count++;
}
static void put_whole(Metadata *d, const char *key, int64_t value) {
  snprintf(d->text[d->count], FIELD, "%" PRId64, value);
  put_text(d, key, d->text[d->count]);
}
static void put_real(Metadata *d, const char *key, double value) {
  snprintf(d->text[d->count], FIELD, "%a", value);
  put_text(d, key, d->text[d->count]);
}

static void put_position(Metadata *d, const TrainPosition *p) {
  put_whole(d, "phase", p->phase), put_whole(d, "phase_step", p->phase_step);
  put_whole(d, "epoch", p->epoch), put_whole(d, "taken", p->taken), put_whole(d, "step", p->step);
  put_whole(d, "batches", p->batches), put_real(d, "loss_sum", p->loss_sum);
  put_whole(d, "seen", p->seen), put_whole(d, "right", p->right);
  put_whole(d, "batch", p->batch), put_whole(d, "batch_given", p->batch_given);
  put_whole(d, "samples", p->samples), put_real(d, "lr", p->lr);
  put_real(d, "best", p->best), put_whole(d, "best_epoch", p->best_epoch), put_whole(d, "waited", p->waited);
  snprintf(d->text[d->count], FIELD, "%" PRIu64, p->seed);
  put_text(d, "seed", d->text[d->count]);
  put_text(d, "shuffle", p->shuffle ? "1" : "0");
  put_real(d, "rate", p->rate), put_whole(d, "threads", p->threads);
}

int checkpoint_write(surgery_net *net, const Optimizer *optimizer, const TrainPosition *p, const unsigned char *average,
                     const EpochRow *rows, const char *path, surgery_error *err) {
  surgery_tensor_out *tensors = NULL;
  size_t weights = 0;
  if (net_select(net, NULL, &tensors, &weights, err)) return -1;
  size_t room = weights * (2 + (size_t)optimizer_state_count(optimizer)) + 1, count = weights, named;
  surgery_tensor_out *more = realloc(tensors, room * sizeof *tensors);
  if (more) tensors = more;
  int status = more ? state_records(net, optimizer, average, &tensors, &count, err)
                    : sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  Metadata d = {.count = 0};
  NetMetadata names = {.names = NULL};
  if (status == 0) status = net_metadata(net, &names, err);
  put_text(&d, "format", FORMAT), put_text(&d, "network", net->manifest->name);
  put_position(&d, p);
  put_text(&d, "optimizer", optimizer_name(&optimizer_phase(optimizer)->recipe->optimizer));
  if (names.names) put_text(&d, NET_NAMES_KEY, names.names);
  if (names.untrained) put_text(&d, NET_UNTRAINED_KEY, names.untrained);
  named = count;
  if (status == 0 && p->epoch > 0)
    tensors[count++] =
        (surgery_tensor_out){.name = ROWS, .dtype = SURGERY_F32, .rank = 2, .shape = {p->epoch, ROW}, .data = rows};
  if (status == 0) status = surgery_weights_write(path, tensors, count, d.pair, err);
  for (size_t i = weights; i < named; i++) free((char *)tensors[i].name);
  net_free_metadata(&names), free(tensors);
  return status;
}

typedef struct Fields {
  const surgery_weights *file;
  const char *bad; /* the first key that is missing or no number */
} Fields;

static int64_t whole(Fields *f, const char *key) {
  const char *text = surgery_weights_metadata(f->file, key);
  char *end;
  errno = 0;
  long long value = text ? strtoll(text, &end, 10) : -1;
  if ((!text || *end || end == text || errno || value < 0) && !f->bad) f->bad = key;
  return value;
}

static double real(Fields *f, const char *key) {
  const char *text = surgery_weights_metadata(f->file, key);
  char *end;
  double value = text ? strtod(text, &end) : 0;
  if ((!text || *end || end == text) && !f->bad) f->bad = key;
  return value;
}

static int read_position(const surgery_weights *file, TrainPosition *p, const char *path, surgery_error *err) {
  const char *format = surgery_weights_metadata(file, "format");
  if (!format || strcmp(format, FORMAT) != 0)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: no checkpoint of a training run; weights alone are given with --weights", path);
  Fields f = {.file = file};
  *p = (TrainPosition){.epoch = whole(&f, "epoch"),
                       .taken = whole(&f, "taken"),
                       .step = whole(&f, "step"),
                       .phase = whole(&f, "phase"),
                       .phase_step = whole(&f, "phase_step"),
                       .batches = whole(&f, "batches"),
                       .loss_sum = real(&f, "loss_sum"),
                       .seen = whole(&f, "seen"),
                       .right = whole(&f, "right"),
                       .batch = whole(&f, "batch"),
                       .batch_given = whole(&f, "batch_given"),
                       .best = real(&f, "best"),
                       .best_epoch = whole(&f, "best_epoch"),
                       .waited = whole(&f, "waited"),
                       .samples = whole(&f, "samples"),
                       .seed = (uint64_t)whole(&f, "seed"),
                       .shuffle = whole(&f, "shuffle") != 0,
                       .lr = real(&f, "lr")};
  const char *rate = surgery_weights_metadata(file, "rate"), *threads = surgery_weights_metadata(file, "threads");
  p->rate = rate ? strtod(rate, NULL) : -1,
  p->threads = threads ? strtoll(threads, NULL, 10) : 0; /* to be told, and nothing else */
  if (!f.bad && (p->batch < 1 || p->taken > p->samples)) f.bad = p->batch < 1 ? "batch" : "taken";
  return f.bad ? sg_fail(err, SURGERY_BAD_INPUT, "%s: damaged checkpoint: '%s' in its metadata", path, f.bad) : 0;
}

int checkpoint_peek(const char *path, TrainPosition *p, surgery_error *err) {
  surgery_weights *file = surgery_weights_open(path, err);
  if (!file) return -1;
  int status = read_position(file, p, path, err);
  surgery_weights_close(file);
  return status;
}

static int other_training(const char *path, const char *name, const char *what, surgery_error *err) {
  return sg_fail(
      err, SURGERY_BAD_INPUT,
      "%s: '%s' %s: the script trains something else than when this checkpoint was made; --weights %s in the place "
      "of --resume begins a training with its weights",
      path, SG_Q(name), what, path);
}

/* What the optimizer kept of a tensor that is frozen now. */
static int check_frozen(const Manifest *m, const ManifestPhase *phase, const surgery_weights *file, const char *kind,
                        const char *path, surgery_error *err) {
  for (size_t i = 0; i < m->tensor_count; i++) {
    char *name;
    if (phase->grad[i] >= 0) continue;
    if (asprintf(&name, "optimizer.%s.%s", kind, m->tensors[i].name) < 0)
      return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
    int status = surgery_weights_find(file, name)
                     ? other_training(path, name, "is in it, and that tensor is frozen now", err)
                     : 0;
    free(name);
    if (status) return -1;
  }
  return 0;
}

/* Into `to`; an error names what the file lacks. */
static int read_record(surgery_weights *file, const char *kind, const ManifestTensor *t, void *to, const char *path,
                       surgery_error *err) {
  char *name;
  if (asprintf(&name, "optimizer.%s.%s", kind, t->name) < 0) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  const surgery_tensor *have = surgery_weights_find(file, name);
  int status = have && have->count == t->shape.count
                   ? surgery_weights_read(file, have, to, have->count, err)
                   : other_training(path, name, "is missing or has another size than in the network", err);
  free(name);
  return status;
}

static int read_state(surgery_net *net, Optimizer *optimizer, surgery_weights *file, const char *path,
                      surgery_error *err) {
  const Manifest *m = net->manifest;
  const ManifestPhase *phase = optimizer_phase(optimizer);
  const char *type = surgery_weights_metadata(file, "optimizer"), *own = optimizer_name(&phase->recipe->optimizer);
  if (!type || strcmp(type, own) != 0)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: the checkpoint's optimizer is %s, the network's is %s", path,
                   type ? SG_Q(type) : "not named", own);
  for (int s = 0; s < optimizer_state_count(optimizer); s++)
    if (check_frozen(m, phase, file, optimizer_state_name(optimizer, s), path, err)) return -1;
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    for (int s = 0; s < optimizer_state_count(optimizer) && phase->grad[i] >= 0; s++)
      if (read_record(file, optimizer_state_name(optimizer, s), t, optimizer_state(optimizer, s) + phase->grad[i], path,
                      err))
        return -1;
  }
  return 0;
}

/* The averaged weights; what has no average is taken from the weights. */
static int read_average(surgery_net *net, surgery_weights *file, unsigned char *average, const char *path,
                        surgery_error *err) {
  const Manifest *m = net->manifest;
  memcpy(average, net->weights, (size_t)m->weights_bytes);
  for (size_t i = 0; i < m->tensor_count; i++)
    if (!m->tensors[i].i64 && read_record(file, "ema", &m->tensors[i], average + m->tensors[i].offset, path, err))
      return -1;
  return 0;
}

static int read_rows(surgery_weights *file, int64_t epochs, EpochRow **rows, const char *path, surgery_error *err) {
  const surgery_tensor *have = surgery_weights_find(file, ROWS);
  int64_t count = have ? have->count : 0;
  if (count % ROW || count / ROW != epochs)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: damaged checkpoint: '%s' is not of %lld epochs", path, ROWS,
                   (long long)epochs);
  *rows = malloc((size_t)count * sizeof(float) + 1);
  if (!*rows) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for %lld epochs", (long long)epochs);
  return have ? surgery_weights_read(file, have, (float *)(void *)*rows, count, err) : 0;
}

int checkpoint_read(surgery_net *net, Optimizer *optimizer, TrainPosition *p, unsigned char *average, EpochRow **rows,
                    bool same_phase, const char *path, surgery_error *err) {
  surgery_weights *file = surgery_weights_open(path, err);
  if (!file) return -1;
  int status = read_position(file, p, path, err);
  if (status == 0) status = read_rows(file, p->epoch, rows, path, err);
  if (status == 0) status = net_load_weights(net, file, path, err);
  if (status == 0 && same_phase) status = read_state(net, optimizer, file, path, err);
  if (status == 0 && average) {
    if (same_phase) status = read_average(net, file, average, path, err);
    else memcpy(average, net->weights, (size_t)net->manifest->weights_bytes);
  }
  surgery_weights_close(file);
  if (status) return status;
  if (!same_phase) p->phase_step = 0;
  *optimizer_steps(optimizer) = p->phase_step;
  net->rng[0] = p->seed, net->rng[1] = (uint64_t)p->batches;
  return 0;
}
