/* The values of one parameter: read from its donor's file, or fresh. Fresh numbers come from a stream of
 * their own for each name, so that they depend on seed and name alone. Called by the driver when it writes
 * the weights. */
#include "compiler/ops/shape.h"
#include "compiler/weights/weights.h"
#include "runtime/base/random.h"
#include <math.h>
#include <stdlib.h>

/* ---- fresh ---- */

static int64_t fan_of(const Shape *weight, InitializerFan fan) {
  int64_t window = 1;
  for (int i = 2; i < weight->rank; i++) window *= weight->dim[i];
  int64_t in = weight->rank > 1 ? weight->dim[1] * window : 1, out = weight->rank > 0 ? weight->dim[0] * window : 1;
  return fan == FAN_IN ? in : fan == FAN_OUT ? out : (in + out) / 2;
}

static Initializer fresh_of(const Graph *g, const Param *p) {
  const Module *m = module_at(g, p->module);
  if (!p->has_init) return op_param_value(m->op, &m->args, p->role).initial;
  Initializer init = p->init;
  if (init.fan != FAN_NONE) {
    double fan = init.fan == FAN_MEAN ? (fan_of(&p->shape, FAN_IN) + fan_of(&p->shape, FAN_OUT)) / 2.0
                                      : (double)fan_of(&p->shape, init.fan);
    init.value = fan > 0 ? init.value / sqrt(fan) : 0;
    init.fan = FAN_NONE;
  }
  return init;
}

Initializer param_initializer(const Graph *g, ParamId id) { return fresh_of(g, param_at(g, id)); }

static int64_t zero_row(const Graph *g, const Param *p) {
  return fresh_of(g, p).zero_row ? module_at(g, p->module)->args.Embedding.padding_idx : -1;
}

int64_t param_zero_row(const Graph *g, ParamId id) { return zero_row(g, param_at(g, id)); }

static void fill_fresh(const Graph *g, const Param *p, uint64_t seed, void *to) {
  Initializer init = fresh_of(g, p);
  const char *stream = p->stream ? p->stream : p->name;
  int64_t count = shape_count(&p->shape);
  float *f32 = to;
  if (p->shape.dtype == DTYPE_I64) {
    for (int64_t i = 0; i < count; i++) ((int64_t *)to)[i] = (int64_t)init.value;
    return;
  }
  if (init.kind == INIT_UNIFORM) random_fill_uniform(seed, stream, init.value, f32, count);
  if (init.kind == INIT_NORMAL) random_fill_normal(seed, stream, init.value, f32, count);
  for (int64_t i = 0; i < count; i++) {
    if (init.kind == INIT_CONSTANT) f32[i] = (float)init.value;
    if (init.shift != 0) f32[i] += (float)init.shift;
  }
  int64_t row = zero_row(g, p), width = count / (row < 0 ? 1 : p->shape.dim[0]);
  if (row >= 0) memset(f32 + row * width, 0, (size_t)width * sizeof *f32);
}

/* ---- from the donor ---- */

typedef struct Fill {
  Session *s;
  const Graph *g;
  const TrainConfig *train;
  surgery_error *err;
} Fill;

static bool fill_param(const Fill *f, const Param *p, void *to);

static bool fail(const Fill *f, surgery_status status, const char *file, const char *name, const char *why) {
  if (f->err) {
    f->err->status = status;
    snprintf(f->err->message, sizeof f->err->message, "%s: %s: %s", file, name, why);
  }
  return false;
}

static size_t number_bytes(DType dtype) { return dtype == DTYPE_I64 ? sizeof(int64_t) : sizeof(float); }

/* Room for `count` numbers; NULL when there is none, which the caller reports. */
static void *room(int64_t count, DType dtype) { return malloc((size_t)count * number_bytes(dtype) + 1); }

static bool fill_saved(const Fill *f, const SavedTensor *t, void *to) {
  const Param *p = &t->value;
  if (!t->region) return fill_param(f, p, to);
  void *whole = room(shape_count(&p->shape), p->shape.dtype);
  if (!whole) return fail(f, SURGERY_ENVIRONMENT, "save", t->head.name, "no memory");
  bool ok = fill_param(f, p, whole);
  if (ok) region_gather(whole, &p->shape, t->region, number_bytes(p->shape.dtype), to);
  free(whole);
  return ok;
}

/* All of a donor's tensor as the numbers that the network has; other dtypes than its own only where `allow dtype`
 * has let them through. */
static bool read_numbers(const Fill *f, DonorFile *donor, const surgery_tensor *t, DType dtype, void *to) {
  bool integers = !donor_is_float(t);
  bool direct = donor->saved ? integers == (dtype == DTYPE_I64) : dtype == DTYPE_F32 || integers;
  void *raw = direct ? to : room(t->count, integers ? DTYPE_I64 : DTYPE_F32);
  if (!raw) return fail(f, SURGERY_ENVIRONMENT, donor->path, t->name, "no memory");
  bool ok;
  if (donor->saved) ok = fill_saved(f, (const SavedTensor *)t, raw); /* its head comes first */
  else if (dtype == DTYPE_I64 && integers) ok = surgery_weights_read_i64(donor->open, t, raw, t->count, f->err) == 0;
  else ok = surgery_weights_read(donor->open, t, raw, t->count, f->err) == 0;
  for (int64_t i = 0; ok && !direct && i < t->count; i++) {
    if (dtype == DTYPE_F32) ((float *)to)[i] = (float)((int64_t *)raw)[i];
    else if (fabsf(((float *)raw)[i]) < 0x1p63f) /* not so for NaN */ ((int64_t *)to)[i] = (int64_t)((float *)raw)[i];
    else ok = fail(f, SURGERY_BAD_INPUT, donor->path, t->name, "it holds values that are no integers of 64 bits");
  }
  if (!direct) free(raw);
  return ok;
}

/* The donor's tensor of that name, of `count` numbers in the region (NULL: in all). NULL when the file has changed. */
static const surgery_tensor *find_tensor(const Fill *f, DonorFile *donor, const char *key, const Region *region,
                                         int64_t count) {
  if (!donor_reopen(f->s, donor, f->err)) return NULL;
  const surgery_tensor *t = donor_find(donor, key);
  if (!t) return fail(f, SURGERY_BAD_INPUT, donor->path, key, "the tensor is no longer in the file"), NULL;
  Shape shape = donor_shape(t), part;
  if (region) part = region_shape(region, DTYPE_F32);
  if (region ? region_within(region, &shape) && shape_count(&part) == count : t->count == count) return t;
  return fail(f, SURGERY_BAD_INPUT, donor->path, key, "the tensor's size has changed"), NULL;
}

/* Into `to`, contiguous: the region of the donor's tensor, or all of it. */
static bool read_part(const Fill *f, DonorFile *donor, const char *key, const Region *region, DType dtype,
                      int64_t count, void *to) {
  const surgery_tensor *t = find_tensor(f, donor, key, region, count);
  if (!t) return false;
  if (!region) return read_numbers(f, donor, t, dtype, to);
  Shape shape = donor_shape(t);
  void *whole = room(t->count, dtype);
  if (!whole) return fail(f, SURGERY_ENVIRONMENT, donor->path, key, "no memory");
  bool ok = read_numbers(f, donor, t, dtype, whole);
  if (ok) region_gather(whole, &shape, region, number_bytes(dtype), to);
  free(whole);
  return ok;
}

/* timm's rule: one channel is the sum over all; n channels repeat the old ones, scaled so that the sum stays.
 * from: (out, old, window), to: (out, new, window). */
static void adapt_channels(const float *from, int64_t out, int64_t old, int64_t window, int64_t new, float *to) {
  for (int64_t o = 0; o < out; o++)
    for (int64_t c = 0; c < new; c++)
      for (int64_t w = 0; w < window; w++) {
        double sum = from[(o * old + c % old) * window + w] * ((double)old / (double)new);
        if (new == 1) {
          sum = 0;
          for (int64_t k = 0; k < old; k++) sum += from[(o * old + k) * window + w];
        }
        to[(o * new + c) * window + w] = (float)sum;
      }
}

/* (in, out) in the file, (out, in) in the network. */
static void transpose(const float *from, int64_t out, int64_t in, float *to) {
  for (int64_t o = 0; o < out; o++)
    for (int64_t i = 0; i < in; i++) to[o * in + i] = from[i * out + o];
}

static bool read_reshaped(const Fill *f, const Param *p, DonorFile *donor, float *to) {
  const Shape *s = &p->shape;
  int64_t window = s->rank == 4 ? s->dim[2] * s->dim[3] : 1;
  int64_t count = p->adapt_from ? s->dim[0] * p->adapt_from * window : shape_count(s);
  float *old = room(count, DTYPE_F32);
  if (!old) return fail(f, SURGERY_ENVIRONMENT, donor->path, p->donor_key, "no memory");
  bool ok = read_part(f, donor, p->donor_key, NULL, DTYPE_F32, count, old);
  if (ok && p->adapt_from) adapt_channels(old, s->dim[0], p->adapt_from, window, s->dim[1], to);
  else if (ok) transpose(old, s->dim[0], s->dim[1], to);
  free(old);
  return ok;
}

static bool fill_base(const Fill *f, const Param *p, void *to) {
  if (p->donor == NO_ID) {
    fill_fresh(f->g, p, f->train ? (uint64_t)f->train->recipe.seed : 0, to);
    return true;
  }
  DonorFile *donor = &f->g->donors.at[p->donor];
  if (p->adapt_from || p->donor_form == DONOR_TRANSPOSED) return read_reshaped(f, p, donor, to);
  return read_part(f, donor, p->donor_key, p->donor_region, p->shape.dtype, shape_count(&p->shape), to);
}

static bool lay_patch(const Fill *f, const Param *p, const WeightPatch *patch, void *to) {
  DonorFile *donor = &f->g->donors.at[patch->donor];
  Shape part = region_shape(patch->to, p->shape.dtype);
  int64_t count = shape_count(&part);
  void *numbers = room(count, p->shape.dtype);
  if (!numbers) return fail(f, SURGERY_ENVIRONMENT, donor->path, patch->key, "no memory");
  bool ok = read_part(f, donor, patch->key, patch->from, p->shape.dtype, count, numbers);
  if (ok) region_scatter(to, &p->shape, patch->to, number_bytes(p->shape.dtype), numbers);
  free(numbers);
  return ok;
}

static bool fill_param(const Fill *f, const Param *p, void *to) {
  if (!fill_base(f, p, to)) return false;
  for (size_t i = 0; i < p->patches.count; i++)
    if (!lay_patch(f, p, &p->patches.at[i], to)) return false;
  return true;
}

bool weights_fill(Session *s, const Graph *g, const TrainConfig *train, ParamId id, void *to, surgery_error *err) {
  const Fill f = {s, g, train, err};
  return fill_param(&f, param_at(g, id), to);
}

bool weights_fill_saved(Session *s, const Graph *g, const TrainConfig *train, const SavedTensor *tensor, void *to,
                        surgery_error *err) {
  const Fill f = {s, g, train, err};
  return fill_saved(&f, tensor, to);
}
