/* Opening and running a compiled network: memory, one call of a generated function. Must not know of data sets or
 * commands. Called by C programs through surgery.h, by train/ and by cli/. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/base/cpu.h"
#include "runtime/base/error.h"
#include "runtime/net/net.h"
#include "runtime/base/pages.h"
#include "runtime/weights/weights.h"

const ManifestPhase *net_first_phase(const surgery_net *net) { return &net->manifest->phases[0]; }

static sg_function *function_of(const surgery_net *net, const ManifestPhase *phase, NetFunction function) {
  const sg_network *network = net->network;
  sg_phase own = {network->prefix, network->tail, network->step};
  if (phase && phase != net_first_phase(net)) own = network->phases[phase - net_first_phase(net) - 1];
  sg_function *const table[NET_FUNCTIONS] = {[NET_FORWARD] = network->forward,
                                             [NET_PREFIX] = own.prefix,
                                             [NET_TAIL] = own.tail,
                                             [NET_STEP] = own.step,
                                             [NET_PACK] = network->pack,
                                             [NET_INSPECT] = network->inspect,
                                             [NET_LOSS] = network->loss};
  return table[function];
}

bool net_has(const surgery_net *net, const ManifestPhase *phase, NetFunction function) {
  return function_of(net, phase, function) != NULL;
}

/* Makes *memory at least `need` large, its size being `bytes`; its old content is given up. Zeroed: generated code
 * relies on nothing of it, but a read of what was never written should be the same each time. */
static int grow(void **memory, int64_t *have, int64_t need, int64_t bytes, surgery_error *err) {
  if (*memory && *have >= need) return 0;
  sg_pages_free(*memory);
  *have = 0;
  *memory = sg_pages_new(bytes);
  if (!*memory)
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory: %lld bytes are needed; a smaller batch takes less",
                   (long long)bytes);
  *have = need;
  return 0;
}

/* Of n samples, those that the function is given at a time. */
static int64_t samples_at_a_time(const ManifestFunction *f, int64_t n, int64_t threads) {
  int64_t most;
  int64_t times = (threads + SG_SAMPLES_THREADS - 1) / SG_SAMPLES_THREADS;
  return f->samples && !__builtin_mul_overflow(f->samples, times, &most) && most < n ? most : n;
}

int64_t net_arena_bytes(const Manifest *m, const ManifestPhase *phase, NetFunction function, int64_t n,
                        int64_t threads) {
  const ManifestFunction *f = manifest_function(m, phase, function);
  int64_t samples, scratch, total;
  n = samples_at_a_time(f, n, threads);
  if (n < 0 || __builtin_mul_overflow(f->per_sample, n, &samples) ||
      __builtin_mul_overflow(f->scratch, threads, &scratch) || __builtin_add_overflow(samples, scratch, &total) ||
      __builtin_add_overflow(total, f->fixed, &total))
    return -1;
  return total;
}

static int reserve_outputs(surgery_net *net, int64_t n, surgery_error *err) {
  if (net->outputs_n >= n) return 0;
  for (size_t i = 0; i < net->manifest->output_count; i++) {
    int64_t have = 0, bytes;
    if (__builtin_mul_overflow(net->manifest->outputs[i].shape.count * 4, n, &bytes)) bytes = -1;
    sg_pages_free(net->outputs[i]);
    net->outputs[i] = NULL;
    net->outputs_n = 0;
    if (grow(&net->outputs[i], &have, bytes, bytes, err)) return -1;
  }
  net->outputs_n = n;
  return 0;
}

int net_reserve_arena(surgery_net *net, const NetRun *r, int64_t threads, surgery_error *err) {
  int64_t bytes = net_arena_bytes(net->manifest, r->phase, r->function, r->n, threads);
  void *arena = net->arena;
  int status = grow(&arena, &net->arena_bytes, bytes < 0 ? INT64_MAX : bytes, bytes, err);
  net->arena = arena;
  return status;
}

int64_t net_wrong_token(const Manifest *m, int64_t n, const int32_t *x) {
  for (int64_t i = 0; i < n * m->input.shape.count; i++)
    if (x[i] < 0 || x[i] >= m->input.vocabulary) return i;
  return -1;
}

/* A kernel would read beside the table. */
static int check_tokens(const surgery_net *net, const NetRun *r, surgery_error *err) {
  const Manifest *m = net->manifest;
  const int32_t *x = r->x;
  bool reads = r->function == NET_FORWARD || r->function == NET_INSPECT || r->function == NET_PREFIX ||
               (r->function == NET_STEP && !net_has(net, r->phase, NET_PREFIX));
  if (m->input.kind != INPUT_TOKENS || !reads) return 0;
  int64_t at = net_wrong_token(m, r->n, x);
  if (at < 0) return 0;
  return sg_fail(err, SURGERY_BAD_INPUT, "sample %lld, position %lld: token %d is not in the vocabulary, 0 to %lld",
                 (long long)(at / m->input.shape.count), (long long)(at % m->input.shape.count), x[at],
                 (long long)m->input.vocabulary - 1);
}

static void *after(const void *samples, int64_t bytes) { return samples ? (char *)samples + bytes : NULL; }

/* The run's samples, some at a time where the function is the faster for it; those do not depend on each other. */
static void run_samples(const surgery_net *net, const NetRun *r, const sg_run *whole) {
  const Manifest *m = net->manifest;
  const int64_t most = samples_at_a_time(manifest_function(m, r->phase, r->function), whole->n, whole->threads);
  for (int64_t at = 0; at < whole->n; at += most) {
    sg_run run = *whole;
    run.n = whole->n - at < most ? whole->n - at : most;
    run.x = after(whole->x, at * (r->function == NET_TAIL ? r->phase->features_bytes : m->input.shape.count * 4));
    run.mask = after(whole->mask, at * m->input.shape.dim[0] * 4);
    for (size_t i = 0; at > 0 && i < m->output_count; i++)
      run.y[i] = after(whole->y[i],
                       at * (r->function == NET_PREFIX ? r->phase->features_bytes : m->outputs[i].shape.count * 4));
    function_of(net, r->phase, r->function)(&run);
  }
}

int net_run(surgery_net *net, const NetRun *r, surgery_error *err) {
  const int64_t n = r->n, threads = sg_threads(); /* whatever another thread of the program chooses meanwhile */
  if (r->loss) *r->loss = 0;
  if (!net_has(net, r->phase, r->function)) return sg_fail(err, SURGERY_BAD_INPUT, "the network has no such function");
  if (n <= 0) return n < 0 ? sg_fail(err, SURGERY_BAD_INPUT, "a negative number of samples") : 0;
  if (check_tokens(net, r, err)) return -1;
  if (net_pack(net, err) || net_reserve_arena(net, r, threads, err)) return -1;
  if (r->function != NET_PREFIX && reserve_outputs(net, n, err)) return -1;
  sg_owner owner = {.net = net, .times = r->times};
  sg_run run = {.weights = net->weights,
                .packed = net->packed,
                .grads = net->grads,
                .arena = net->arena,
                .n = n,
                .x = r->x,
                .target = r->target,
                .loss = r->loss,
                .rng = net->rng,
                .class_weights =
                    loss_weights(&net->manifest->train->loss) ? loss_weights(&net->manifest->train->loss)->at : NULL,
                .mask = net->manifest->input.mask ? r->mask : NULL,
                .threads = threads,
                .owner = &owner};
  if (r->function != NET_PREFIX) memcpy(run.y, net->outputs, sizeof run.y);
  if (r->y) run.y[0] = r->y;
  run_samples(net, r, &run);
  return 0;
}

void sg_mark(const sg_run *run, int64_t call) {
  struct timespec t;
  if (!run->owner || !run->owner->times) return;
  if (call < 0 || (uint64_t)call >= run->owner->net->manifest->forward_call_count) return;
  clock_gettime(CLOCK_MONOTONIC, &t);
  run->owner->times[call] = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_aligned(const void *p) { return ((uintptr_t)p & 63) == 0; }

/* x itself, or a copy of it on a 64-byte boundary. */
const void *net_stage(surgery_net *net, int64_t n, const void *x, surgery_error *err) {
  if (is_aligned(x) || n <= 0) return x;
  int64_t bytes;
  if (__builtin_mul_overflow(net->manifest->input.shape.count * 4, n, &bytes)) bytes = -1;
  if (grow(&net->staging, &net->staging_bytes, bytes < 0 ? INT64_MAX : bytes, bytes, err)) return NULL;
  return memcpy(net->staging, x, (size_t)bytes);
}

int net_forward(surgery_net *net, int64_t n, const void *x, const int32_t *mask, float *y, surgery_error *err) {
  if (n == 0) return 0;
  if (n < 0) return sg_fail(err, SURGERY_BAD_INPUT, "a negative number of samples");
  const void *aligned_x = net_stage(net, n, x, err);
  if (!aligned_x) return -1;
  NetRun run = {NET_FORWARD, .n = n, .x = aligned_x, .mask = mask, .y = is_aligned(y) ? y : NULL};
  if (net_run(net, &run, err)) return -1;
  if (!is_aligned(y)) memcpy(y, net->outputs[0], (size_t)(net->manifest->outputs[0].shape.count * n) * 4);
  return 0;
}

int net_loss(surgery_net *net, int64_t n, const void *target, float *loss, surgery_error *err) {
  return net_run(net, &(NetRun){NET_LOSS, .n = n, .x = net->outputs[0], .target = target, .loss = loss}, err);
}

int net_features(surgery_net *net, const ManifestPhase *phase, int64_t n, const void *x, const int32_t *mask,
                 surgery_error *err) {
  if (n == 0) return 0;
  int64_t bytes;
  if (__builtin_mul_overflow(phase->features_bytes, n, &bytes)) bytes = -1;
  if (grow(&net->features, &net->features_bytes, bytes < 0 ? INT64_MAX : bytes, bytes, err)) return -1;
  const void *aligned_x = net_stage(net, n, x, err);
  NetRun run = {NET_PREFIX, phase, .n = n, .x = aligned_x, .mask = mask, .y = net->features};
  return aligned_x ? net_run(net, &run, err) : -1;
}

int64_t net_classes(const Manifest *m) {
  const ManifestShape *shape = &m->outputs[0].shape;
  LossTarget target = loss_target(&m->train->loss);
  if (target == LOSS_VALUES || shape->rank < 1) return 0;
  if (target == LOSS_CLASSES) return shape->dim[0];
  return shape->rank > 1 ? 0 : shape->dim[0] == 1 ? 2 : shape->dim[0];
}

bool net_takes_floats(const Manifest *m) { return loss_target(&m->train->loss) != LOSS_CLASSES || m->train->mixup > 0; }

void net_one_hot(const Manifest *m, int64_t n, const int32_t *target, float *to) {
  int64_t values = m->outputs[0].shape.count, positions = net_positions(m);
  if (loss_target(&m->train->loss) == LOSS_LABELS && values == 1) {
    for (int64_t i = 0; i < n; i++) to[i] = (float)target[i];
    return;
  }
  memset(to, 0, (size_t)(n * values) * sizeof *to);
  for (int64_t i = 0; i < n * positions; i++) to[i / positions * values + target[i] * positions + i % positions] = 1;
}

int64_t net_positions(const Manifest *m) {
  int64_t positions = 1;
  for (int i = 1; i < m->outputs[0].shape.rank; i++) positions *= m->outputs[0].shape.dim[i];
  return positions;
}

const char *net_lonely_batchnorm(const Manifest *m, const ManifestPhase *phase, int64_t n) {
  if (n > 1) return NULL;
  for (size_t i = 0; i < m->layer_count; i++) {
    const ManifestLayer *layer = &m->layers[i];
    if (phase->frozen[i] || strncmp(layer->type, "BatchNorm", 9) != 0) continue;
    int64_t values = n;
    for (int d = 1; d < layer->shape.rank; d++) values *= layer->shape.dim[d];
    if (values == 1) return layer->name;
  }
  return NULL;
}

bool net_ignores(const Manifest *m, int64_t target) {
  return !net_takes_floats(m) && target == loss_ignored(&m->train->loss);
}

/* A kernel indexes by the class: one outside would read past the logits. */
int net_check_targets(const Manifest *m, int64_t n, const int32_t *target, surgery_error *err) {
  int64_t classes = net_classes(m), count = classes ? n * net_positions(m) : 0;
  for (int64_t i = 0; i < count; i++)
    if ((target[i] < 0 || target[i] >= classes) && !net_ignores(m, target[i]))
      return sg_fail(err, SURGERY_BAD_INPUT, "target %d is not in 0..%lld", target[i], (long long)classes - 1);
  return 0;
}

int net_gradients(surgery_net *net, const NetRun *r, surgery_error *err) {
  if (!net_has(net, r->phase, NET_STEP))
    return sg_fail(err, SURGERY_BAD_INPUT, "nothing in this network is trainable: all of it is frozen");
  const char *lonely = r->n ? net_lonely_batchnorm(net->manifest, r->phase, r->n) : NULL;
  if (lonely)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: batch normalisation expects more than 1 value per channel when training, but the batch "
                   "holds 1 sample; use a larger batch, or freeze the layer",
                   lonely);
  if (!net_takes_floats(net->manifest) && net_check_targets(net->manifest, r->n, r->target, err)) return -1;
  if (net_run(net, r, err)) return -1;
  net->rng[1]++;
  return 0;
}

static int check_functions(const surgery_net *net, surgery_error *err) {
  const sg_network *w = net->network;
  const ManifestPhase *first = net_first_phase(net);
  bool trains = false;
  if (w->later_phases != (uint64_t)net->manifest->train->stage_count - 1 || (w->later_phases && !w->phases))
    return sg_fail(err, SURGERY_BAD_INPUT, "the network has %llu phases, but its manifest tells of %lld",
                   (unsigned long long)w->later_phases + 1, (long long)net->manifest->train->stage_count);
  for (int64_t i = 1; i < net->manifest->train->stage_count; i++)
    if (!w->phases[i - 1].step || (w->phases[i - 1].prefix && !w->phases[i - 1].tail))
      return sg_fail(err, SURGERY_BAD_INPUT, "the network's phase %lld has no step function", (long long)i + 1);
  for (size_t i = 0; i < net->manifest->tensor_count; i++) trains |= first->grad[i] >= 0;
  if (!w->forward) return sg_fail(err, SURGERY_BAD_INPUT, "the network has no forward function");
  if (w->prefix && (!w->tail || first->features_bytes <= 0))
    return sg_fail(err, SURGERY_BAD_INPUT, "the network has a prefix, but no tail or no features in its manifest");
  if (trains && !w->step)
    return sg_fail(err, SURGERY_BAD_INPUT, "the network has trainable tensors but no step function");
  return 0;
}

static int open_memory(surgery_net *net, surgery_error *err) {
  const Manifest *m = net->manifest;
  net->weights = sg_pages_new(m->weights_bytes);
  net->packed = sg_pages_new(m->packed_bytes);
  net->grads = sg_pages_new(m->grads_bytes);
  if (!net->weights || !net->packed || !net->grads)
    return sg_fail(err, SURGERY_ENVIRONMENT,
                   "no memory for the network: %lld bytes of weights, %lld packed, %lld of gradients",
                   (long long)m->weights_bytes, (long long)m->packed_bytes, (long long)m->grads_bytes);
  net->packed_stale = true;
  net->rng[0] = (uint64_t)m->train->seed;
  return 0;
}

static int open_weights(surgery_net *net, const char *given, bool to_eval, surgery_error *err) {
  static const char image[] = "the embedded weights";
  bool embedded = !given && net->levels->embedded;
  if (embedded && !(net->weights_path = strdup("embedded"))) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  if (embedded) net->weights_why = "in the program itself";
  if (!embedded && net_find_weights(net, given, err)) return -1;
  surgery_weights *file =
      embedded ? surgery_weights_open_memory(net->levels->embedded, net->levels->embedded_bytes, image, err)
               : surgery_weights_open(net->weights_path, err);
  const char *path = embedded ? image : net->weights_path;
  if (!file) return -1;
  int status = 0;
  if (!embedded && !(net->weights_files = weights_paths(file))) status = sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  if (status == 0) status = net_read_names(net, file, path, err);
  if (status == 0) status = net_read_untrained(net, file, err);
  if (status == 0) status = to_eval ? net_load_to_eval(net, file, path, err) : net_load_weights(net, file, path, err);
  if (status <= 0) surgery_weights_close(file);
  return status < 0 ? -1 : 0;
}

static surgery_net *open_net(const sg_network *network, const char *weights, bool to_eval, surgery_error *err) {
  if (!network) {
    sg_fail(err, SURGERY_BAD_INPUT, "surgery_open: the network is NULL");
    return NULL;
  }
  if (network->abi != SG_ABI || network->size != sizeof *network) {
    sg_fail(err, SURGERY_BAD_INPUT,
            "the network was compiled for version %u of the runtime (%u bytes), this is version %d (%zu bytes): "
            "compile it again with the surgeryc that came with this runtime",
            network->abi, network->size, SG_ABI, sizeof *network);
    return NULL;
  }
  const sg_network *chosen = sg_choose(network);
  if (!chosen) {
    cpu_refuse(network, err);
    return NULL;
  }
  surgery_net *net = calloc(1, sizeof *net);
  if (!net) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
    return NULL;
  }
  net->network = chosen;
  net->levels = network;
  Manifest *manifest = manifest_parse(network->manifest, network->train, err);
  net->manifest = manifest;
  if (manifest) net->classes = (ClassNames){manifest->labels, manifest->label_count, NAMES_OF_SCRIPT};
  if (!manifest || check_functions(net, err) || open_memory(net, err) || open_weights(net, weights, to_eval, err)) {
    surgery_close(net);
    return NULL;
  }
  return net;
}

surgery_net *surgery_open(const sg_network *network, const char *weights, surgery_error *err) {
  return open_net(network, weights, false, err);
}

surgery_net *net_open_to_eval(const sg_network *network, const char *weights, surgery_error *err) {
  return open_net(network, weights, true, err);
}

void surgery_close(surgery_net *net) {
  if (!net) return;
  net_source_close(net);
  for (int i = 0; i < SG_MAX_OUTPUTS; i++) sg_pages_free(net->outputs[i]);
  sg_pages_free(net->weights), sg_pages_free(net->packed), sg_pages_free(net->grads), sg_pages_free(net->arena);
  sg_pages_free(net->features), sg_pages_free(net->staging), free(net->weights_path), free(net->note);
  weights_paths_free(net->weights_files), net_free_untrained(net);
  if (net->stepping) net->end_stepping(net->stepping);
  net_free_names(net);
  manifest_free((Manifest *)net->manifest);
  free(net);
}

int surgery_save(surgery_net *net, const char *path, const char *selector, surgery_error *err) {
  return surgery_save_as(net, path, selector, SURGERY_F32, NULL, err);
}

int surgery_save_as(surgery_net *net, const char *path, const char *selector, surgery_dtype dtype,
                    surgery_rounded *rounded, surgery_error *err) {
  surgery_tensor_out *tensors = NULL;
  size_t count = 0;
  if (!net || !path) return sg_fail(err, SURGERY_BAD_INPUT, "surgery_save: the network or the file's name is NULL");
  if (net_select(net, selector, &tensors, &count, err)) return -1;
  NetMetadata metadata;
  int status = net_metadata(net, &metadata, err);
  if (status == 0) status = surgery_weights_write_as(path, tensors, count, metadata.pairs, dtype, rounded, err);
  net_free_metadata(&metadata), free(tensors);
  return status;
}
