/* A schedule as a function: void NAME_SCHEDULE_fn(const sg_run *run). It computes where each buffer lies for
 * this batch and hands each call to the runtime's threads. Straight-line code: what depends on the batch is
 * only addresses and unit counts. Called by module.c. */
#include "compiler/codegen/internal.h"
#include "runtime/abi.h"

#ifndef SURGERY_SANITIZE
#define SURGERY_SANITIZE "" /* how the compiler was built */
#endif

typedef struct Frame { /* one function under construction */
  Codegen *cg;
  const Schedule *schedule;
  LLVMValueRef run, table, n;
  LLVMValueRef fields[RUN_FIELDS]; /* loaded at first use, in the entry block's order */
} Frame;

static LLVMValueRef load_field(Frame *f, int field, LLVMTypeRef type) {
  if (!f->fields[field]) {
    LLVMBuilderRef b = f->cg->builder;
    LLVMValueRef place = LLVMBuildStructGEP2(b, f->cg->run_type, f->run, (unsigned)field, "");
    f->fields[field] = LLVMBuildLoad2(b, type, place, "");
  }
  return f->fields[field];
}

static LLVMValueRef load_output(Frame *f, int index) {
  Codegen *cg = f->cg;
  if (index < 0 || index >= SG_MAX_OUTPUTS) BUG("output %d of %s is out of range", index, f->schedule->name);
  LLVMValueRef at[] = {LLVMConstInt(cg->i32, 0, false), LLVMConstInt(cg->i32, RUN_Y, false),
                       LLVMConstInt(cg->i64, (uint64_t)index, false)};
  LLVMValueRef place = LLVMBuildInBoundsGEP2(cg->builder, cg->run_type, f->run, at, 3, "");
  return LLVMBuildLoad2(cg->builder, cg->ptr, place, "");
}

static LLVMValueRef add_bytes(Frame *f, LLVMValueRef base, LLVMValueRef bytes) {
  return LLVMBuildInBoundsGEP2(f->cg->builder, LLVMInt8TypeInContext(f->cg->context), base, &bytes, 1, "");
}

/* factor * n + constant, in bytes or units. */
static LLVMValueRef linear(Frame *f, int64_t factor, int64_t constant) {
  LLVMBuilderRef b = f->cg->builder;
  LLVMValueRef sum = LLVMConstInt(f->cg->i64, (uint64_t)constant, true);
  if (!factor) return sum;
  LLVMValueRef product = LLVMBuildNSWMul(b, f->n, LLVMConstInt(f->cg->i64, (uint64_t)factor, true), "");
  return constant ? LLVMBuildNSWAdd(b, product, sum, "") : product;
}

static LLVMValueRef base_of(Frame *f, const Buffer *buffer) {
  LLVMTypeRef ptr = f->cg->ptr;
  switch (buffer->space) {
  case SPACE_NONE:
    return LLVMConstNull(ptr);
  case SPACE_ARENA:
    return load_field(f, RUN_ARENA, ptr);
  case SPACE_WEIGHTS:
    return load_field(f, RUN_WEIGHTS, ptr);
  case SPACE_PACKED:
    return load_field(f, RUN_PACKED, ptr);
  case SPACE_GRADS:
    return load_field(f, RUN_GRADS, ptr);
  case SPACE_INPUT:
    return load_field(f, RUN_X, ptr);
  case SPACE_OUTPUT:
    return load_output(f, buffer->index);
  case SPACE_TARGET:
    return load_field(f, RUN_TARGET, ptr);
  case SPACE_LOSS:
    return load_field(f, RUN_LOSS, ptr);
  case SPACE_RNG:
    return load_field(f, RUN_RNG, ptr);
  case SPACE_CLASS_WEIGHTS:
    return load_field(f, RUN_CLASS_WEIGHTS, ptr);
  }
  BUG("buffer %s lies in no space", buffer->name);
}

static LLVMValueRef address_of(Frame *f, BufferId id) {
  if (id == NO_ID) return LLVMConstNull(f->cg->ptr);
  if (id < 0 || (size_t)id >= f->schedule->buffers.count)
    BUG("%s: a call uses buffer %d of %zu", f->schedule->name, id, f->schedule->buffers.count);
  const Buffer *buffer = &f->schedule->buffers.at[id];
  LLVMValueRef base = base_of(f, buffer);
  if (buffer->space == SPACE_NONE) return base;
  if (buffer->space != SPACE_ARENA)
    return buffer->offset ? add_bytes(f, base, linear(f, 0, buffer->offset)) : base;
  return add_bytes(f, base,
                   buffer->per_sample ? linear(f, buffer->offset, 0)
                                      : linear(f, f->schedule->per_sample_bytes, buffer->offset));
}

static void fill_table(Frame *f, const Call *call) {
  Codegen *cg = f->cg;
  for (int i = 0; i < call->buf_count; i++) {
    LLVMValueRef address = address_of(f, call->buf[i]);
    LLVMValueRef at = LLVMConstInt(cg->i64, (uint64_t)i, false);
    LLVMBuildStore(cg->builder, address, LLVMBuildInBoundsGEP2(cg->builder, cg->ptr, f->table, &at, 1, ""));
  }
}

static void emit_call(Frame *f, const Call *call) {
  Codegen *cg = f->cg;
  const KernelInfo *info = kernel_info(call->kernel);
  const Task *task = task_for_call(cg, call);
  fill_table(f, call);
  if (!info->is_template) {
    LLVMValueRef args[] = {f->table, f->n, task->constants};
    LLVMBuildCall2(cg->builder, LLVMGlobalGetValueType(task->function), task->function, args, 3, "");
    return;
  }
  int64_t scratch = (call->plan.scratch_bytes + 63) / 64 * 64;
  if (scratch > f->schedule->scratch_bytes)
    BUG("%s of %s needs %lld bytes of scratch, the plan has %lld", info->name, f->schedule->name,
        (long long)scratch, (long long)f->schedule->scratch_bytes);
  LLVMValueRef place = LLVMConstNull(cg->ptr);
  if (scratch)
    place = add_bytes(f, load_field(f, RUN_ARENA, cg->ptr),
                      linear(f, f->schedule->per_sample_bytes, f->schedule->fixed_bytes));
  LLVMTypeRef params[] = {cg->ptr, cg->ptr, cg->i64, cg->i64, cg->ptr, cg->i64};
  LLVMTypeRef type = LLVMFunctionType(cg->nothing, params, 6, false);
  LLVMValueRef args[] = {task->function, f->table,
                         f->n,           linear(f, call->plan.units_per_sample, call->plan.units_fixed),
                         place,          linear(f, 0, scratch)};
  LLVMBuildCall2(cg->builder, type, external_function(cg, "sg_parallel", type), args, 6, "");
}

/* ---- in a build with AddressSanitizer: what lies in the arena may be touched only while it lives ---- */

static void mark_memory(Frame *f, const char *how, LLVMValueRef from, LLVMValueRef bytes) {
  Codegen *cg = f->cg;
  LLVMTypeRef params[] = {cg->ptr, cg->i64}, type = LLVMFunctionType(cg->nothing, params, 2, false);
  LLVMValueRef args[] = {from, bytes};
  LLVMBuildCall2(cg->builder, type, external_function(cg, how, type), args, 2, "");
}

/* The whole arena but the scratch: poisoned before the first call, and handed back free behind the last. */
static void mark_arena(Frame *f, const char *how) {
  const Schedule *s = f->schedule;
  if (!strstr(SURGERY_SANITIZE, "address") || (!s->per_sample_bytes && !s->fixed_bytes)) return;
  mark_memory(f, how, load_field(f, RUN_ARENA, f->cg->ptr), linear(f, s->per_sample_bytes, s->fixed_bytes));
}

/* The buffers whose life begins with call `c`, or (`ends`) ends with it. */
static void mark_buffers(Frame *f, int c, bool ends) {
  if (!strstr(SURGERY_SANITIZE, "address")) return;
  for (size_t i = 0; i < f->schedule->buffers.count; i++) {
    const Buffer *b = &f->schedule->buffers.at[i];
    if (b->space != SPACE_ARENA || b->first < 0 || (ends ? b->last : b->first) != c) continue;
    mark_memory(f, ends ? "__asan_poison_memory_region" : "__asan_unpoison_memory_region",
                address_of(f, (BufferId)i), b->per_sample ? linear(f, b->bytes, 0) : linear(f, 0, b->bytes));
  }
}

LLVMValueRef schedule_function(Codegen *cg, const Schedule *schedule) {
  if (!schedule->present) return NULL;
  LLVMTypeRef type = LLVMFunctionType(cg->nothing, &cg->ptr, 1, false);
  const char *name = arena_printf(cg->arena, "%s_%s_fn", cg->options->name, schedule->name);
  LLVMValueRef function = begin_function(cg, name, type, LLVMInternalLinkage);
  Frame f = {.cg = cg, .schedule = schedule, .run = LLVMGetParam(function, 0)};
  LLVMSetValueName2(f.run, "run", 3);
  /* One table for all calls: sg_parallel returns when the work is done. */
  f.table = LLVMBuildArrayAlloca(cg->builder, cg->ptr, LLVMConstInt(cg->i64, MAX_CALL_BUFFERS, false), "buf");
  f.n = load_field(&f, RUN_N, cg->i64);
  mark_arena(&f, "__asan_poison_memory_region");
  for (size_t i = 0; i < schedule->calls.count; i++) {
    mark_buffers(&f, (int)i, false);
    emit_call(&f, &schedule->calls.at[i]);
    mark_buffers(&f, (int)i, true);
  }
  mark_arena(&f, "__asan_unpoison_memory_region");
  LLVMBuildRetVoid(cg->builder);
  return function;
}
