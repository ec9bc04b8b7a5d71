/* Writing and reading of checkpoint.h, through the weight files' reader and writer. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/error.h"
#include "runtime/train/checkpoint.h"

#define FORMAT "surgery-checkpoint-1"

/* The state tensors as records; names are malloc'ed. */
static int state_records(surgery_net *net, surgery_tensor_out **to, size_t *count, surgery_error *err) {
  const Manifest *m = net->manifest;
  int states = optimizer_state_count(net->optimizer);
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    for (int s = 0; s < states && t->trainable; s++) {
      surgery_tensor_out *record = &(*to)[*count];
      char *name;
      if (asprintf(&name, "optimizer.%s.%s", optimizer_state_name(net->optimizer, s), t->name) < 0)
        return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
      *record = (surgery_tensor_out){.name = name,
                                     .dtype = SURGERY_F32,
                                     .rank = t->shape.rank,
                                     .data = optimizer_state(net->optimizer, s) + t->grad};
      memcpy(record->shape, t->shape.dim, sizeof record->shape);
      ++*count;
    }
  }
  return 0;
}

int checkpoint_write(surgery_net *net, const TrainPosition *p, const char *path, surgery_error *err) {
  surgery_tensor_out *tensors = NULL;
  size_t weights = 0;
  if (net_select(net, NULL, &tensors, &weights, err)) return -1;
  size_t room = weights * (1 + (size_t)optimizer_state_count(net->optimizer)) + 1, count = weights;
  surgery_tensor_out *more = realloc(tensors, room * sizeof *tensors);
  if (more) tensors = more;
  int status =
      more ? state_records(net, &tensors, &count, err) : sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  char text[10][40];
  snprintf(text[0], 40, "%" PRId64, p->epoch), snprintf(text[1], 40, "%" PRId64, p->taken);
  snprintf(text[2], 40, "%" PRId64, p->step), snprintf(text[3], 40, "%a", p->loss_sum);
  snprintf(text[4], 40, "%" PRId64, p->seen), snprintf(text[5], 40, "%" PRId64, p->right);
  snprintf(text[6], 40, "%" PRId64, p->batch), snprintf(text[7], 40, "%" PRId64, p->samples);
  snprintf(text[8], 40, "%" PRIu64, p->seed), snprintf(text[9], 40, "%a", p->lr);
  const char *const metadata[] = {"format",    FORMAT,
                                  "network",   net->manifest->name,
                                  "epoch",     text[0],
                                  "taken",     text[1],
                                  "step",      text[2],
                                  "loss_sum",  text[3],
                                  "seen",      text[4],
                                  "right",     text[5],
                                  "batch",     text[6],
                                  "samples",   text[7],
                                  "seed",      text[8],
                                  "lr",        text[9],
                                  "shuffle",   p->shuffle ? "1" : "0",
                                  "optimizer", optimizer_type_name(net->manifest->train.optimizer.type),
                                  NULL};
  if (status == 0) status = surgery_weights_write(path, tensors, count, metadata, err);
  for (size_t i = weights; i < count; i++) free((char *)tensors[i].name);
  free(tensors);
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

static int read_position(const surgery_weights *file, TrainPosition *p, const char *path,
                         surgery_error *err) {
  const char *format = surgery_weights_metadata(file, "format");
  if (!format || strcmp(format, FORMAT) != 0)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: no checkpoint of a training run; weights alone are given with --weights", path);
  Fields f = {.file = file};
  *p = (TrainPosition){.epoch = whole(&f, "epoch"),
                       .taken = whole(&f, "taken"),
                       .step = whole(&f, "step"),
                       .loss_sum = real(&f, "loss_sum"),
                       .seen = whole(&f, "seen"),
                       .right = whole(&f, "right"),
                       .batch = whole(&f, "batch"),
                       .samples = whole(&f, "samples"),
                       .seed = (uint64_t)whole(&f, "seed"),
                       .shuffle = whole(&f, "shuffle") != 0,
                       .lr = real(&f, "lr")};
  if (p->batch < 1 || p->taken > p->samples) f.bad = "batch";
  return f.bad ? sg_fail(err, SURGERY_BAD_INPUT, "%s: damaged checkpoint: '%s' in its metadata", path, f.bad)
               : 0;
}

int checkpoint_peek(const char *path, TrainPosition *p, surgery_error *err) {
  surgery_weights *file = surgery_weights_open(path, err);
  if (!file) return -1;
  int status = read_position(file, p, path, err);
  surgery_weights_close(file);
  return status;
}

static int read_state(surgery_net *net, surgery_weights *file, const char *path, surgery_error *err) {
  const Manifest *m = net->manifest;
  const char *type = surgery_weights_metadata(file, "optimizer"),
             *own = optimizer_type_name(m->train.optimizer.type);
  if (!type || strcmp(type, own) != 0)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: the checkpoint's optimizer is %s, the network's is %s", path,
                   type ? SG_Q(type) : "not named", own);
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    for (int s = 0; s < optimizer_state_count(net->optimizer) && t->trainable; s++) {
      char *name;
      if (asprintf(&name, "optimizer.%s.%s", optimizer_state_name(net->optimizer, s), t->name) < 0)
        return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
      const surgery_tensor *have = surgery_weights_find(file, name);
      float *to = (float *)(void *)(optimizer_state(net->optimizer, s) + t->grad);
      int status = have && have->count == t->shape.count
                       ? surgery_weights_read(file, have, to, have->count, err)
                       : sg_fail(err, SURGERY_BAD_INPUT,
                                 "%s: '%s' is missing or has another size than in the network", path, name);
      free(name);
      if (status) return -1;
    }
  }
  return 0;
}

int checkpoint_read(surgery_net *net, TrainPosition *p, const char *path, surgery_error *err) {
  surgery_weights *file = surgery_weights_open(path, err);
  if (!file) return -1;
  int status = read_position(file, p, path, err);
  if (status == 0) status = net_load_weights(net, file, path, err);
  if (status == 0) status = read_state(net, file, path, err);
  surgery_weights_close(file);
  if (status) return status;
  *optimizer_steps(net->optimizer) = p->step;
  net->rng[0] = p->seed, net->rng[1] = (uint64_t)p->step;
  return 0;
}
