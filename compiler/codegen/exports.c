/* What an object shows to the outside: NAME_network, and either main() or the functions of the C interface
 * (docs/c-interface.md; emit/header.c declares them), all of them thin: the work is in the runtime and in the
 * schedules' functions. Called by module.c. */
#include "compiler/codegen/internal.h"
#include "runtime/abi.h"
#include "runtime/surgery.h"

LLVMValueRef text_global(Codegen *cg, const char *name, const char *text) {
  LLVMValueRef value = LLVMConstStringInContext2(cg->context, text, strlen(text), false);
  LLVMValueRef global = LLVMAddGlobal(cg->module, LLVMTypeOf(value), name);
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  return global;
}

static const char *exported(Codegen *cg, const char *what) {
  return arena_printf(cg->arena, "%s_%s", cg->options->name, what);
}

/* NAME_embedded: hidden, so that two networks in one program and their libraries stay apart. */
static LLVMValueRef embedded_global(Codegen *cg) {
  const CodegenOptions *o = cg->options;
  if (!o->embedded_bytes) return LLVMConstNull(cg->ptr);
  LLVMTypeRef type = LLVMArrayType2(LLVMInt8TypeInContext(cg->context), o->embedded_bytes);
  LLVMValueRef global = LLVMAddGlobal(cg->module, type, exported(cg, "embedded"));
  LLVMSetGlobalConstant(global, true);
  LLVMSetVisibility(global, LLVMHiddenVisibility);
  LLVMSetAlignment(global, 64);
  if (o->embedded)
    LLVMSetInitializer(global, LLVMConstStringInContext2(cg->context, o->embedded, o->embedded_bytes, true));
  return global;
}

/* The functions of the phases behind the first, as sg_phase is laid out. */
static LLVMValueRef phases_global(Codegen *cg, const LLVMValueRef *functions, size_t count) {
  if (count == 0) return LLVMConstNull(cg->ptr);
  LLVMValueRef *fields = arena_array(cg->arena, LLVMValueRef, count);
  for (size_t i = 0; i < count; i++) fields[i] = functions[i] ? functions[i] : LLVMConstNull(cg->ptr);
  LLVMValueRef value = LLVMConstArray2(cg->ptr, fields, count);
  LLVMValueRef global = LLVMAddGlobal(cg->module, LLVMTypeOf(value), "phases");
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetAlignment(global, 8);
  return global;
}

/* The struct of the next level, which another module defines. */
static LLVMValueRef lesser_network(Codegen *cg) {
  const CodegenLevels *levels = cg->options->levels;
  int next = cg->options->level + 1;
  if (!levels || next >= levels->count) return LLVMConstNull(cg->ptr);
  const char *name = arena_printf(cg->arena, "network%s", level_suffix(cg->arena, levels->cpu[next]));
  LLVMValueRef global = LLVMAddGlobal(cg->module, cg->network_type, exported(cg, name));
  LLVMSetVisibility(global, LLVMHiddenVisibility);
  return global;
}

enum { NETWORK_PACK = 5, NETWORK_FORWARD }; /* fields of sg_network */

static LLVMValueRef network_global(Codegen *cg, const LLVMValueRef *functions, size_t count) {
  bool first = cg->options->level == 0;
  LLVMValueRef null = LLVMConstNull(cg->ptr),
               fields[NETWORK_FIELDS] = {LLVMConstInt(cg->i32, SG_ABI, false),
                                         LLVMConstInt(cg->i32, sizeof(sg_network), false),
                                         first ? text_global(cg, "manifest", cg->options->manifest) : null,
                                         first ? embedded_global(cg) : null,
                                         LLVMConstInt(cg->i64, first ? cg->options->embedded_bytes : 0, false)};
  LLVMValueRef *next = fields + 5;
  for (int i = 0; i < FUNCTIONS; i++) *next++ = functions[i] ? functions[i] : null;
  *next++ = LLVMConstInt(cg->i64, (count - FUNCTIONS) / 3, false);
  *next++ = phases_global(cg, functions + FUNCTIONS, count - FUNCTIONS);
  *next++ = text_global(cg, "cpu", cg->target->cpu);
  *next++ = LLVMConstInt(cg->i64, cg->target->needs, false);
  *next++ = lesser_network(cg);
  *next++ = first ? recipe_global(cg, cg->options->recipe) : null;
  const char *name = first ? "network" : arena_printf(cg->arena, "network%s", cg->suffix);
  LLVMValueRef global = LLVMAddGlobal(cg->module, cg->network_type, exported(cg, name));
  LLVMSetInitializer(global, LLVMConstNamedStruct(cg->network_type, fields, NETWORK_FIELDS));
  LLVMSetGlobalConstant(global, true);
  LLVMSetAlignment(global, 8);
  if (!first) LLVMSetVisibility(global, LLVMHiddenVisibility);
  return global;
}

/* A function of the interface: it runs on whatever CPU there is. */
static LLVMValueRef begin_export(Codegen *cg, const char *name, LLVMTypeRef type) {
  LLVMValueRef function = begin_function(cg, name, type, LLVMExternalLinkage);
  templates_set_target(cg->context, function, NULL);
  return function;
}

/* NAME_what(…) { return surgery_what(first…, …); } with `network` put in front where there is one. */
static void forwarder(Codegen *cg, const char *what, LLVMTypeRef result, const LLVMTypeRef *params, unsigned count,
                      LLVMValueRef network) {
  LLVMTypeRef mine[8], theirs[8];
  LLVMValueRef args[8];
  unsigned extra = network ? 1 : 0;
  ASSERT(count + extra <= 8);
  theirs[0] = cg->ptr;
  args[0] = network;
  LLVMTypeRef type = LLVMFunctionType(result, (memcpy(mine, params, sizeof *mine * count), mine), count, false);
  LLVMValueRef function = begin_export(cg, exported(cg, what), type);
  for (unsigned i = 0; i < count; i++) {
    theirs[i + extra] = params[i];
    args[i + extra] = LLVMGetParam(function, i);
  }
  LLVMTypeRef callee_type = LLVMFunctionType(result, theirs, count + extra, false);
  LLVMValueRef callee = external_function(cg, arena_printf(cg->arena, "surgery_%s", what), callee_type);
  LLVMValueRef value = LLVMBuildCall2(cg->builder, callee_type, callee, args, count + extra, "");
  LLVMSetTailCall(value, true);
  if (result == cg->nothing) LLVMBuildRetVoid(cg->builder);
  else LLVMBuildRet(cg->builder, value);
}

static void store_field(Codegen *cg, LLVMValueRef run, unsigned field, LLVMValueRef value) {
  LLVMBuildStore(cg->builder, value, LLVMBuildStructGEP2(cg->builder, cg->run_type, run, field, ""));
}

static LLVMValueRef offset_by(Codegen *cg, LLVMValueRef base, LLVMValueRef bytes) {
  return LLVMBuildInBoundsGEP2(cg->builder, LLVMInt8TypeInContext(cg->context), base, &bytes, 1, "");
}

static LLVMValueRef behind(Codegen *cg, LLVMValueRef base, int64_t bytes) {
  return offset_by(cg, base, LLVMConstInt(cg->i64, (uint64_t)round_up_64(bytes), false));
}

/* An sg_run on the stack over the caller's one block of weights: the state dict, then what pack() derives,
 * then the arena of pack() itself, where it needs one. */
static LLVMValueRef raw_run(Codegen *cg, LLVMValueRef weights, LLVMValueRef n) {
  LLVMValueRef run = LLVMBuildAlloca(cg->builder, cg->run_type, "run");
  LLVMBuildStore(cg->builder, LLVMConstNull(cg->run_type), run);
  store_field(cg, run, RUN_WEIGHTS, weights);
  LLVMValueRef packed = behind(cg, weights, cg->plan->weights_bytes);
  store_field(cg, run, RUN_PACKED, packed);
  store_field(cg, run, RUN_ARENA, behind(cg, packed, cg->plan->packed_bytes));
  store_field(cg, run, RUN_N, n);
  return run;
}

/* A failure of a caller's own memory; the builder stands in the block of the other case. */
static void return_if(Codegen *cg, LLVMValueRef condition, LLVMValueRef value) {
  LLVMBuilderRef b = cg->builder;
  LLVMValueRef function = LLVMGetBasicBlockParent(LLVMGetInsertBlock(b));
  LLVMBasicBlockRef failed = LLVMAppendBasicBlockInContext(cg->context, function, "failed");
  LLVMBasicBlockRef good = LLVMAppendBasicBlockInContext(cg->context, function, "good");
  LLVMBuildCondBr(b, condition, failed, good);
  LLVMPositionBuilderAtEnd(b, failed);
  LLVMBuildRet(b, value);
  LLVMPositionBuilderAtEnd(b, good);
}

/* Calls one of the functions of the level for this CPU, and returns from the interface's: 0, or why it cannot be
 * called. bytes: of the arena, which the schedule plans. */
static void call_chosen(Codegen *cg, LLVMValueRef network, unsigned field, LLVMValueRef run, LLVMValueRef bytes,
                        const Program *schedule, size_t outputs) {
  LLVMBuilderRef b = cg->builder;
  LLVMTypeRef choose = LLVMFunctionType(cg->ptr, &cg->ptr, 1, false),
              function = LLVMFunctionType(cg->nothing, &cg->ptr, 1, false);
  LLVMTypeRef checked[] = {cg->ptr, cg->i64, cg->i64, cg->i64, cg->i64, cg->i32};
  LLVMTypeRef begin = LLVMFunctionType(cg->i32, checked, 6, false);
  LLVMValueRef chosen = LLVMBuildCall2(b, choose, external_function(cg, "sg_choose", choose), &network, 1, "");
  return_if(cg, LLVMBuildIsNull(b, chosen, ""), LLVMConstInt(cg->i32, (uint64_t)SURGERY_OTHER_CPU, true));
  LLVMValueRef sizes[] = {run,
                          bytes,
                          LLVMConstInt(cg->i64, (uint64_t)schedule->per_sample_bytes, false),
                          LLVMConstInt(cg->i64, (uint64_t)schedule->fixed_bytes, false),
                          LLVMConstInt(cg->i64, (uint64_t)schedule->scratch_bytes, false),
                          LLVMConstInt(cg->i32, outputs, false)};
  LLVMValueRef failure = LLVMBuildCall2(b, begin, external_function(cg, "sg_raw_begin", begin), sizes, 6, "");
  return_if(cg, LLVMBuildICmp(b, LLVMIntSLT, failure, LLVMConstInt(cg->i32, 0, false), ""), failure);
  LLVMValueRef place = LLVMBuildStructGEP2(b, cg->network_type, chosen, field, "");
  LLVMBuildCall2(b, function, LLVMBuildLoad2(b, cg->ptr, place, ""), &run, 1, "");
  LLVMBuildRet(b, LLVMConstInt(cg->i32, 0, false));
}

static int64_t packed_end(const Codegen *cg) {
  return round_up_64(cg->plan->weights_bytes) + round_up_64(cg->plan->packed_bytes);
}

/* int NAME_pack(void *weights, size_t weights_bytes) */
static void export_pack(Codegen *cg, LLVMValueRef network, bool present) {
  LLVMTypeRef params[] = {cg->ptr, cg->i64}, type = LLVMFunctionType(cg->i32, params, 2, false);
  LLVMValueRef function = begin_export(cg, exported(cg, "pack"), type);
  if (!present) {
    LLVMBuildRet(cg->builder, LLVMConstInt(cg->i32, 0, false));
    return;
  }
  LLVMValueRef run = raw_run(cg, LLVMGetParam(function, 0), LLVMConstInt(cg->i64, 1, false));
  LLVMValueRef arena_bytes =
      LLVMBuildSub(cg->builder, LLVMGetParam(function, 1), LLVMConstInt(cg->i64, (uint64_t)packed_end(cg), false), "");
  call_chosen(cg, network, NETWORK_PACK, run, arena_bytes, &cg->plan->pack, 0);
}

/* int NAME_forward_raw(const void *weights, void *arena, size_t arena_bytes, size_t n, const float *x, float *y) */
static void export_forward_raw(Codegen *cg, LLVMValueRef network) {
  LLVMTypeRef params[] = {cg->ptr, cg->ptr, cg->i64, cg->i64, cg->ptr, cg->ptr};
  LLVMTypeRef type = LLVMFunctionType(cg->i32, params, 6, false);
  LLVMValueRef function = begin_export(cg, exported(cg, "forward_raw"), type);
  LLVMValueRef n = LLVMGetParam(function, 3), y = LLVMGetParam(function, 5);
  LLVMValueRef run = raw_run(cg, LLVMGetParam(function, 0), n);
  store_field(cg, run, RUN_ARENA, LLVMGetParam(function, 1));
  store_field(cg, run, RUN_X, LLVMGetParam(function, 4));
  LLVMValueRef outputs = LLVMBuildStructGEP2(cg->builder, cg->run_type, run, RUN_Y, "");
  size_t count = 0;
  int64_t floats = 0; /* of the outputs before this one, for one sample */
  for (; count < cg->plan->graph->outputs.count && count < SG_MAX_OUTPUTS; count++) {
    LLVMValueRef bytes = LLVMBuildMul(cg->builder, n, LLVMConstInt(cg->i64, (uint64_t)floats * 4, false), "");
    LLVMValueRef at = LLVMConstInt(cg->i64, count, false);
    LLVMBuildStore(cg->builder, offset_by(cg, y, bytes),
                   LLVMBuildInBoundsGEP2(cg->builder, cg->ptr, outputs, &at, 1, ""));
    floats += shape_count(&value_at(cg->plan->graph, cg->plan->graph->outputs.at[count].value)->shape);
  }
  call_chosen(cg, network, NETWORK_FORWARD, run, LLVMGetParam(function, 2), &cg->plan->forward, count);
}

static void export_interface(Codegen *cg, LLVMValueRef network, const LLVMValueRef *functions) {
  LLVMTypeRef p = cg->ptr, i = cg->i32, z = cg->i64;
  forwarder(cg, "open", p, (LLVMTypeRef[]){p, p}, 2, network);
  forwarder(cg, "forward", i, (LLVMTypeRef[]){p, z, p, p}, 4, NULL);
  forwarder(cg, "forward_outputs", i, (LLVMTypeRef[]){p, z, p, p}, 4, NULL);
  forwarder(cg, "train_step", i, (LLVMTypeRef[]){p, z, p, p, p}, 5, NULL);
  if (cg->plan->graph->input.mask) {
    forwarder(cg, "forward_masked", i, (LLVMTypeRef[]){p, z, p, p, p}, 5, NULL);
    forwarder(cg, "train_step_masked", i, (LLVMTypeRef[]){p, z, p, p, p, p}, 6, NULL);
  }
  forwarder(cg, "save", i, (LLVMTypeRef[]){p, p, p, p}, 4, NULL);
  forwarder(cg, "close", cg->nothing, (LLVMTypeRef[]){p}, 1, NULL);
  export_pack(cg, network, functions[0] != NULL);
  if (functions[1]) export_forward_raw(cg, network);
}

/* int main(int argc, char **argv) { return surgery_main(&NAME_network, argc, argv); } */
static void export_main(Codegen *cg, LLVMValueRef network) {
  LLVMTypeRef mine[] = {cg->i32, cg->ptr}, theirs[] = {cg->ptr, cg->i32, cg->ptr};
  LLVMValueRef function = begin_export(cg, "main", LLVMFunctionType(cg->i32, mine, 2, false));
  LLVMTypeRef type = LLVMFunctionType(cg->i32, theirs, 3, false);
  LLVMValueRef args[] = {network, LLVMGetParam(function, 0), LLVMGetParam(function, 1)};
  LLVMBuildRet(cg->builder,
               LLVMBuildCall2(cg->builder, type, external_function(cg, "surgery_main", type), args, 3, ""));
}

void export_network(Codegen *cg, const LLVMValueRef *functions, size_t count) {
  LLVMValueRef network = network_global(cg, functions, count);
  if (cg->options->level > 0 || cg->options->bare) return;
  if (cg->options->program) export_main(cg, network);
  else export_interface(cg, network, functions);
}
