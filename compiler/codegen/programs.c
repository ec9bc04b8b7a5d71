/* A schedule as a function: void NAME_SCHEDULE_fn(const sg_run *run). It computes where each buffer lies for
 * this batch and hands each call to the runtime's threads. Straight-line code, but that a call of little work is done
 * here and now: what depends on the batch is addresses, unit counts and that choice. Called by module.c. */
#include "compiler/codegen/internal.h"
#include "runtime/abi.h"

#ifndef SURGERY_SANITIZE
#define SURGERY_SANITIZE "" /* how the compiler was built */
#endif

typedef struct Frame { /* one function under construction */
  Codegen *cg;
  const Program *schedule;
  LLVMValueRef run, table, n, threads;
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
  case SPACE_NONE: return LLVMConstNull(ptr);
  case SPACE_ARENA: return load_field(f, RUN_ARENA, ptr);
  case SPACE_WEIGHTS: return load_field(f, RUN_WEIGHTS, ptr);
  case SPACE_PACKED: return load_field(f, RUN_PACKED, ptr);
  case SPACE_GRADS: return load_field(f, RUN_GRADS, ptr);
  case SPACE_INPUT: return load_field(f, RUN_X, ptr);
  case SPACE_OUTPUT: return load_output(f, buffer->index);
  case SPACE_TARGET: return load_field(f, RUN_TARGET, ptr);
  case SPACE_LOSS: return load_field(f, RUN_LOSS, ptr);
  case SPACE_RNG: return load_field(f, RUN_RNG, ptr);
  case SPACE_CLASS_WEIGHTS: return load_field(f, RUN_CLASS_WEIGHTS, ptr);
  case SPACE_MASK: return load_field(f, RUN_MASK, ptr);
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
  if (buffer->space != SPACE_ARENA) return buffer->offset ? add_bytes(f, base, linear(f, 0, buffer->offset)) : base;
  return add_bytes(f, base,
                   buffer->per_sample ? linear(f, buffer->offset, 0)
                                      : linear(f, f->schedule->per_sample_bytes, buffer->offset));
}

static void store_entry(Frame *f, int index, LLVMValueRef address) {
  Codegen *cg = f->cg;
  LLVMValueRef at = LLVMConstInt(cg->i64, (uint64_t)index, false);
  LLVMBuildStore(cg->builder, address, LLVMBuildInBoundsGEP2(cg->builder, cg->ptr, f->table, &at, 1, ""));
}

static void fill_table(Frame *f, const Call *call) {
  for (int i = 0; i < call->buf_count; i++) store_entry(f, i, address_of(f, call->buf[i]));
}

/* What a call costs, as bytes moved: its buffers in the arena, and sixteen operations for a byte. Zero where nothing of
 * it is in the arena: not known. */
typedef struct Cost {
  int64_t per_sample, fixed;
} Cost;
#define SERIAL_COST (64 << 10) /* some microseconds: a second thread would hardly have begun */

static Cost cost_of(const Frame *f, const Call *call) {
  Cost cost = {(int64_t)(call->plan.flops_per_sample / 16), 0};
  for (int i = 0; i < call->buf_count; i++) {
    if (call->buf[i] == NO_ID) continue;
    const Buffer *b = &f->schedule->buffers.at[call->buf[i]];
    if (b->per_sample) cost.per_sample += b->bytes;
    else cost.fixed += b->bytes;
  }
  return cost;
}

static void call_on_threads(Frame *f, const Task *task, LLVMValueRef units, LLVMValueRef scratch,
                            int64_t scratch_bytes) {
  Codegen *cg = f->cg;
  LLVMTypeRef params[] = {cg->ptr, cg->ptr, cg->i64, cg->i64, cg->i64, cg->ptr, cg->i64};
  LLVMTypeRef type = LLVMFunctionType(cg->nothing, params, 7, false);
  LLVMValueRef args[] = {task->function, f->table, f->n, units, f->threads, scratch, linear(f, 0, scratch_bytes)};
  LLVMBuildCall2(cg->builder, type, external_function(cg, "sg_parallel", type), args, 7, "");
}

/* On the threads, or, where the batch is so small that it is done sooner, on this one alone. */
static void call_task(Frame *f, const Task *task, LLVMValueRef units, LLVMValueRef scratch, int64_t scratch_bytes,
                      Cost cost) {
  Codegen *cg = f->cg;
  LLVMBuilderRef b = cg->builder;
  if (cost.per_sample + cost.fixed == 0 || cost.fixed > SERIAL_COST || cost.per_sample > SERIAL_COST) {
    call_on_threads(f, task, units, scratch, scratch_bytes);
    return;
  }
  LLVMValueRef function = LLVMGetBasicBlockParent(LLVMGetInsertBlock(b));
  LLVMBasicBlockRef alone = LLVMAppendBasicBlockInContext(cg->context, function, "alone");
  LLVMBasicBlockRef shared = LLVMAppendBasicBlockInContext(cg->context, function, "shared");
  LLVMBasicBlockRef next = LLVMAppendBasicBlockInContext(cg->context, function, "next");
  LLVMValueRef limit = LLVMConstInt(cg->i64, SERIAL_COST, false);
  LLVMValueRef small = LLVMBuildICmp(b, LLVMIntSLE, linear(f, cost.per_sample, cost.fixed), limit, "");
  LLVMBuildCondBr(b, small, alone, shared);
  LLVMPositionBuilderAtEnd(b, alone);
  LLVMValueRef all[] = {f->table, f->n, LLVMConstInt(cg->i64, 0, false), units, scratch};
  LLVMBuildCall2(b, cg->task_type, task->function, all, 5, "");
  LLVMBuildBr(b, next);
  LLVMPositionBuilderAtEnd(b, shared);
  call_on_threads(f, task, units, scratch, scratch_bytes);
  LLVMBuildBr(b, next);
  LLVMPositionBuilderAtEnd(b, next);
}

static void emit_call(Frame *f, const Call *call) {
  Codegen *cg = f->cg;
  const KernelInfo *info = kernel_info(call->kernel);
  const Task *task = task_for_call(cg, call);
  fill_table(f, call);
  if (!info->is_template) {
    LLVMValueRef args[] = {f->table, f->n, f->threads, task->constants};
    LLVMBuildCall2(cg->builder, LLVMGlobalGetValueType(task->function), task->function, args, 4, "");
    return;
  }
  if (call->shared) store_entry(f, MAX_CALL_BUFFERS, task->constants);
  int64_t scratch = round_up_64(call->plan.scratch_bytes);
  if (scratch > f->schedule->scratch_bytes)
    BUG("%s of %s needs %lld bytes of scratch, the plan has %lld", info->name, f->schedule->name, (long long)scratch,
        (long long)f->schedule->scratch_bytes);
  LLVMValueRef place = LLVMConstNull(cg->ptr);
  if (scratch)
    place = add_bytes(f, load_field(f, RUN_ARENA, cg->ptr),
                      linear(f, f->schedule->per_sample_bytes, f->schedule->fixed_bytes));
  call_task(f, task, linear(f, call->plan.items_per_sample, call->plan.items_fixed), place, scratch, cost_of(f, call));
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
  const Program *s = f->schedule;
  if (!strstr(SURGERY_SANITIZE, "address") || (!s->per_sample_bytes && !s->fixed_bytes)) return;
  mark_memory(f, how, load_field(f, RUN_ARENA, f->cg->ptr), linear(f, s->per_sample_bytes, s->fixed_bytes));
}

/* The buffers whose life begins with call `c`, or (`ends`) ends with it. */
static void mark_buffers(Frame *f, int c, bool ends) {
  if (!strstr(SURGERY_SANITIZE, "address")) return;
  for (size_t i = 0; i < f->schedule->buffers.count; i++) {
    const Buffer *b = &f->schedule->buffers.at[i];
    if (b->space != SPACE_ARENA || b->first < 0 || (ends ? b->last : b->first) != c) continue;
    mark_memory(f, ends ? "__asan_poison_memory_region" : "__asan_unpoison_memory_region", address_of(f, (BufferId)i),
                b->per_sample ? linear(f, b->bytes, 0) : linear(f, 0, b->bytes));
  }
}

/* Programs can tell what each call of forward takes: sg_mark(run, call). */
static void mark_time(Frame *f, int64_t call) {
  Codegen *cg = f->cg;
  LLVMTypeRef params[] = {cg->ptr, cg->i64}, type = LLVMFunctionType(cg->nothing, params, 2, false);
  LLVMValueRef args[] = {f->run, LLVMConstInt(cg->i64, (uint64_t)call, false)};
  LLVMBuildCall2(cg->builder, type, external_function(cg, "sg_mark", type), args, 2, "");
}

/* Programs that only predict read weights when they are packed: sg_pack_weights(run, call) says where they are. */
static void ask_for_weights(Frame *f, int64_t call) {
  Codegen *cg = f->cg;
  LLVMTypeRef params[] = {cg->ptr, cg->i64}, type = LLVMFunctionType(cg->ptr, params, 2, false);
  LLVMValueRef args[] = {f->run, LLVMConstInt(cg->i64, (uint64_t)call, false)};
  f->fields[RUN_WEIGHTS] =
      LLVMBuildCall2(cg->builder, type, external_function(cg, "sg_pack_weights", type), args, 2, "");
}

LLVMValueRef schedule_function(Codegen *cg, const Program *schedule) {
  if (!schedule->present) return NULL;
  LLVMTypeRef type = LLVMFunctionType(cg->nothing, &cg->ptr, 1, false);
  const char *name = arena_printf(cg->arena, "%s_%s_fn%s", cg->options->name, schedule->name, cg->suffix);
  LLVMValueRef function = begin_function(cg, name, type, LLVMInternalLinkage);
  /* Thousands of stores and branches on the same few values: LLVM would look at each pair of them, for
   * half of all its time, and could gain nothing that the calls in between do not dwarf. */
  add_attribute(cg->context, function, LLVMAttributeFunctionIndex, "optnone");
  add_attribute(cg->context, function, LLVMAttributeFunctionIndex, "noinline");
  Frame f = {.cg = cg, .schedule = schedule, .run = LLVMGetParam(function, 0)};
  LLVMSetValueName2(f.run, "run", 3);
  /* One table for all calls: sg_parallel returns when the work is done. */
  f.table = LLVMBuildArrayAlloca(cg->builder, cg->ptr, LLVMConstInt(cg->i64, MAX_CALL_BUFFERS + 1, false), "buf");
  f.n = load_field(&f, RUN_N, cg->i64);
  f.threads = load_field(&f, RUN_THREADS, cg->i64);
  mark_arena(&f, "__asan_poison_memory_region");
  for (size_t i = 0; i < schedule->calls.count; i++) {
    mark_buffers(&f, (int)i, false);
    if (cg->options->program && schedule == &cg->plan->pack) ask_for_weights(&f, (int64_t)i);
    emit_call(&f, &schedule->calls.at[i]);
    mark_buffers(&f, (int)i, true);
    if (cg->options->program && schedule == &cg->plan->forward) mark_time(&f, (int64_t)i);
  }
  mark_arena(&f, "__asan_unpoison_memory_region");
  LLVMBuildRetVoid(cg->builder);
  return function;
}
