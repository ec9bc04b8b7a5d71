/* What really happens without a block, where that can be tried in the program as it is: a residual block whose
 * parameters are all zero adds nothing, and its input flows on as `remove` would let it. Whether it does is looked at,
 * not assumed: a block counts only where input and output are then the same. The weights are put back. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cli/inspect.h"
#include "runtime/base/error.h"

/* The tensors of a block begin with its name and a dot. */
static bool in_block(const char *tensor, const char *block) {
  size_t length = strlen(block);
  return strncmp(tensor, block, length) == 0 && tensor[length] == '.';
}

static bool has_sum(const Manifest *m, const ManifestBlock *b) {
  for (size_t i = 0; i < b->value_count; i++)
    if (b->values[i] >= 0 && strcmp(m->values[b->values[i]].type, "add") == 0) return true;
  return false;
}

/* Memory that a layer outside holds too: zeros would be felt there as well. */
static bool shares_memory(const Manifest *m, const ManifestBlock *b) {
  for (size_t i = 0; i < m->tensor_count; i++)
    for (size_t k = 0; k < m->tensor_count && in_block(m->tensors[i].name, b->name); k++)
      if (m->tensors[k].offset == m->tensors[i].offset && !in_block(m->tensors[k].name, b->name)) return true;
  return false;
}

static void zero_parameters(surgery_net *net, const ManifestBlock *b) {
  const Manifest *m = net->manifest;
  for (size_t i = 0; i < m->tensor_count; i++)
    if (!m->tensors[i].buffer && in_block(m->tensors[i].name, b->name))
      memset(net->weights + m->tensors[i].offset, 0, (size_t)m->tensors[i].shape.count * 4);
  net->packed_stale = true;
}

static int passes_on(const Kept *kept, surgery_net *net, const ManifestBlock *b, float *scratch, bool *same,
                     surgery_error *err) {
  const Manifest *m = net->manifest;
  int64_t count = m->values[b->out].shape.count;
  if (net_run(net, &(NetRun){NET_INSPECT, .n = 1, .x = kept->x}, err)) return -1;
  const float *in = value_plain(net, b->in, 1, 0, kept->x, scratch),
              *out = value_plain(net, b->out, 1, 0, kept->x, scratch + count);
  *same = true;
  for (int64_t i = 0; i < count && *same; i++) *same = in[i] == out[i];
  return 0;
}

static int64_t greatest(const float *at, int64_t count) {
  int64_t best = 0;
  for (int64_t i = 1; i < count; i++)
    if (at[i] > at[best]) best = i;
  return best;
}

static int forward(surgery_net *net, const Kept *kept, float *y, surgery_error *err) {
  int64_t in = net->manifest->input.shape.count, out = net->manifest->outputs[0].shape.count;
  for (int64_t i = 0; i < kept->count; i += kept->batch) {
    int64_t n = kept->count - i < kept->batch ? kept->count - i : kept->batch;
    if (net_forward(net, n, kept->x + i * in, NULL, y + i * out, err)) return -1;
  }
  return 0;
}

static void compare(Suggestion *s, const Manifest *m, const Kept *kept, const float *before, const float *after) {
  int64_t count = m->outputs[0].shape.count, same = 0;
  double change = 0;
  for (int64_t i = 0; i < kept->count; i++) {
    double square = 0, difference = 0;
    const float *a = before + i * count, *b = after + i * count;
    for (int64_t k = 0; k < count; k++)
      square += (double)a[k] * a[k], difference += ((double)b[k] - a[k]) * ((double)b[k] - a[k]);
    change += square > 0 ? sqrt(difference / square) : 0;
    same += greatest(a, count) == greatest(b, count);
  }
  s->output = change / (double)kept->count;
  if (net_classes(m) > 1 && m->outputs[0].shape.rank == 1) s->agreement = (double)same / (double)kept->count;
}

static int ablate(Suggestion *s, surgery_net *net, const Kept *kept, const float *before, float *after, float *scratch,
                  surgery_error *err) {
  bool same;
  zero_parameters(net, s->block);
  if (passes_on(kept, net, s->block, scratch, &same, err)) return -1;
  if (!same) return 0;
  if (forward(net, kept, after, err)) return -1;
  compare(s, net->manifest, kept, before, after);
  return 0;
}

int ablate_blocks(Suggestion *list, int64_t count, surgery_net *net, const Kept *kept, surgery_error *err) {
  const Manifest *m = net->manifest;
  size_t outputs = (size_t)(kept->count * m->outputs[0].shape.count);
  int64_t most = 1;
  for (int64_t i = 0; i < count; i++)
    if (m->values[list[i].block->out].shape.count > most) most = m->values[list[i].block->out].shape.count;
  float *before = malloc(outputs * 4 + 1), *after = malloc(outputs * 4 + 1), *scratch = malloc((size_t)most * 8 + 1);
  unsigned char *weights = malloc((size_t)m->weights_bytes + 1);
  int status = before && after && scratch && weights ? 0 : sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  if (status == 0) status = forward(net, kept, before, err);
  if (status == 0) memcpy(weights, net->weights, (size_t)m->weights_bytes);
  for (int64_t i = 0; i < count && status == 0; i++) {
    if (!has_sum(m, list[i].block) || shares_memory(m, list[i].block)) continue;
    status = ablate(&list[i], net, kept, before, after, scratch, err);
    memcpy(net->weights, weights, (size_t)m->weights_bytes);
    net->packed_stale = true;
  }
  free(before), free(after), free(scratch), free(weights);
  return status;
}
