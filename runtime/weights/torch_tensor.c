/* One tensor of a pickle: its place in the file, checked against its storage, its dtype, and what its values
 * mean where they are quantised. Reads no data. Called by torch_tree.c. */
#include "runtime/weights/torch.h"

#include <math.h>

int torch_refuse_tensor(Walk *k, const PickleValue *v, const char *what) {
  return pickle_refuse(&k->t->machine, v->at, "tensor '%s': %s", SG_QN(k->name, k->length), what);
}

/* Elements from the storage's start to just past the tensor's last one; -1 on overflow. */
static int64_t reach(const WeightTensor *t, int64_t offset) {
  int64_t last = offset;
  for (int i = 0; i < t->pub.rank; i++) {
    int64_t way;
    if (__builtin_mul_overflow(t->stride[i], t->pub.shape[i] - 1, &way) || __builtin_add_overflow(last, way, &last))
      return -1;
  }
  return __builtin_add_overflow(last, 1, &last) ? -1 : last;
}

static int set_place(Walk *k, const PickleValue *v, WeightTensor *to) {
  TorchFile *t = k->t;
  const PickleTensor *tensor = v->tensor;
  const PickleStorage *s = tensor->storage;
  uint64_t size = surgery_dtype_size(to->pub.dtype), stored = torch_element_size(s), offset, bytes, want;
  if (tensor->offset < 0) return torch_refuse_tensor(k, v, "a negative offset into its storage");
  if (__builtin_mul_overflow(s->numel, stored, &want)) return torch_refuse_tensor(k, v, "its storage's size overflows");
  if (t->locate(t, s, to->pub.name, v->at, &offset, &bytes)) return -1;
  if (bytes != want) {
    return pickle_refuse(&t->machine, v->at,
                         "tensor '%s': storage '%s' should have %llu elements, %llu bytes, but the file has %llu bytes",
                         SG_Q(to->pub.name), SG_Q(s->key), ULL(s->numel), ULL(want), ULL(bytes));
  }
  if (to->pub.count == 0) {
    to->offset = offset;
    to->span = 0;
    return 0;
  }
  uint64_t elements = s->view_numel * stored / size;
  int64_t end = reach(to, tensor->offset);
  if (end < 0 || (uint64_t)end > elements) {
    return pickle_refuse(
        &t->machine, v->at,
        "tensor '%s': a view of shape %s from element %lld goes past its storage '%s' of %llu elements",
        SG_Q(to->pub.name), SHAPE(to->pub.rank, to->pub.shape), (long long)tensor->offset, SG_Q(s->key), ULL(elements));
  }
  to->offset = offset + s->view * stored + (uint64_t)tensor->offset * size;
  to->span = (uint64_t)(end - tensor->offset) * size;
  /* A stride of 0 repeats values: what comes out must not be larger than the file that it comes from. */
  if ((uint64_t)to->pub.count * size > t->w->files[t->file].size) {
    return pickle_refuse(&t->machine, v->at,
                         "tensor '%s': shape %s repeats its numbers to more bytes than the file has",
                         SG_Q(to->pub.name), SHAPE(to->pub.rank, to->pub.shape));
  }
  return 0;
}

/* Values of 8 bits that share one scale are read as what they mean. */
static int check_quantised(Walk *k, const PickleValue *v) {
  const PickleTensor *tensor = v->tensor;
  if (strcmp(tensor->scheme, "per_tensor_affine") != 0 || tensor->storage->dtype == SURGERY_I32) {
    return pickle_refuse(&k->t->machine, v->at,
                         "tensor '%s': is quantised (%s); of quantised tensors those of 8 bits with one scale "
                         "(torch.per_tensor_affine) are read. Save the network as it was before it was quantised, or "
                         "its tensors after tensor.dequantize()",
                         SG_QN(k->name, k->length), SG_Q(tensor->scheme));
  }
  if (!isfinite(tensor->scale) || tensor->zero < INT32_MIN || tensor->zero > INT32_MAX)
    return torch_refuse_tensor(k, v, "its quantiser has no sound scale and zero point");
  return 0;
}

int torch_add_tensor(Walk *k, const PickleValue *v) {
  TorchFile *t = k->t;
  const PickleTensor *tensor = v->tensor;
  int dtype = tensor->dtype >= 0 ? tensor->dtype : tensor->storage->dtype;
  if (dtype < 0) return torch_refuse_tensor(k, v, "its storage has no dtype");
  if (tensor->quantised && check_quantised(k, v)) return -1;
  if (tensor->storage->dtype >= 0 && tensor->storage->dtype != dtype)
    return torch_refuse_tensor(k, v, "its dtype is not its storage's");
  WeightTensor *to = weights_add(t->w, k->name, k->length, t->err);
  if (!to) return -1;
  to->file = t->file;
  to->big_endian = t->big_endian;
  int64_t shape[SURGERY_MAX_RANK];
  for (uint32_t i = 0; i < tensor->shape->count && i < SURGERY_MAX_RANK; i++)
    shape[i] = tensor->shape->items[i]->integer;
  if (weights_shape(t->w, to, (surgery_dtype)dtype, tensor->shape->count, shape, v->at, t->err)) return -1;
  for (uint32_t i = 0; i < tensor->stride->count; i++) {
    to->stride[i] = tensor->stride->items[i]->integer;
    if (to->stride[i] < 0) return torch_refuse_tensor(k, v, "a negative stride");
  }
  if (set_place(k, v, to)) return -1;
  if (!tensor->quantised) return 0;
  k->quantised++;
  to->quantised = true;
  to->packed_dtype = (surgery_dtype)dtype;
  to->scale = tensor->scale;
  to->zero = tensor->zero;
  to->pub.dtype = SURGERY_F32; /* as it is read */
  return 0;
}
