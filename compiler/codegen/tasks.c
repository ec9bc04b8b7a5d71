/* Specialisation: for each distinct pair of a kernel and its constants one function that calls the template with
 * a pointer to those constants, which the optimiser then sees through. Called by schedules.c. */
#include "compiler/codegen/internal.h"

static bool same(const Task *task, const Call *call) {
  return task->kernel == call->kernel && task->word_count == call->word_count &&
         memcmp(task->word, call->word, sizeof *call->word * (size_t)call->word_count) == 0;
}

/* "sg_conv2d.layer1.0.conv1.forward". LLVM appends a number where a name is taken. */
static const char *task_name(Codegen *cg, const Call *call) {
  const char *kernel = kernel_info(call->kernel)->name;
  const char *role = call->role ? call->role : "call";
  if (call->node == NO_ID) return arena_printf(cg->arena, "sg_%s.%s", kernel, role);
  return arena_printf(cg->arena, "sg_%s.%s.%s", kernel, cg->plan->graph->nodes.at[call->node].name, role);
}

/* The constants as one global of words; a load of a double from it folds as well as one of an integer. */
static LLVMValueRef constants_global(Codegen *cg, const Call *call, const char *name) {
  LLVMValueRef words[MAX_CALL_WORDS];
  for (int i = 0; i < call->word_count; i++) words[i] = LLVMConstInt(cg->i64, call->word[i], false);
  LLVMValueRef array = LLVMConstArray2(cg->i64, words, (uint64_t)call->word_count);
  LLVMValueRef global = LLVMAddGlobal(cg->module, LLVMTypeOf(array), arena_printf(cg->arena, "k.%s", name));
  LLVMSetInitializer(global, array);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  LLVMSetAlignment(global, 64);
  return global;
}

static LLVMTypeRef template_type(Codegen *cg) {
  LLVMTypeRef params[] = {cg->ptr, cg->i64, cg->i64, cg->i64, cg->ptr, cg->ptr};
  return LLVMFunctionType(cg->nothing, params, 6, false);
}

/* Its address goes to sg_parallel, so it stays a function and a symbol of its own. `buf` and `scratch` are
 * promised to be reached by no other pointer: the table of buffers is never written while tasks run. */
static LLVMValueRef specialise(Codegen *cg, LLVMValueRef template, LLVMValueRef constants, const char *name) {
  LLVMBasicBlockRef back = LLVMGetInsertBlock(cg->builder);
  LLVMValueRef task = begin_function(cg, name, cg->task_type, LLVMInternalLinkage);
  add_attribute(cg->context, task, LLVMAttributeFunctionIndex, "noinline");
  add_attribute(cg->context, task, 1, "noalias");
  add_attribute(cg->context, task, 1, "readonly");
  add_attribute(cg->context, task, 1, "nocapture");
  add_attribute(cg->context, task, 5, "noalias");
  add_attribute(cg->context, task, 5, "nocapture");
  static const char *const names[] = {"buf", "n", "begin", "end", "scratch"};
  LLVMValueRef args[6];
  for (unsigned i = 0; i < 5; i++) {
    args[i] = LLVMGetParam(task, i);
    LLVMSetValueName2(args[i], names[i], strlen(names[i]));
  }
  args[5] = constants;
  LLVMBuildCall2(cg->builder, template_type(cg), template, args, 6, "");
  LLVMBuildRetVoid(cg->builder);
  LLVMPositionBuilderAtEnd(cg->builder, back);
  return task;
}

const Task *task_for_call(Codegen *cg, const Call *call) {
  for (size_t i = 0; i < cg->tasks.count; i++)
    if (same(&cg->tasks.at[i], call)) return &cg->tasks.at[i];
  const KernelInfo *info = kernel_info(call->kernel);
  if (call->word_count != info->words)
    BUG("a call of %s has %d constants instead of %d", info->name, call->word_count, info->words);
  Task task = {.kernel = call->kernel, .word_count = call->word_count};
  uint64_t *word = arena_array(cg->arena, uint64_t, call->word_count);
  memcpy(word, call->word, sizeof *word * (size_t)call->word_count);
  task.word = word;
  const char *name = task_name(cg, call);
  task.constants = constants_global(cg, call, name);
  if (info->is_template) {
    LLVMValueRef template = LLVMGetNamedFunction(cg->module, info->symbol);
    if (!template || LLVMIsDeclaration(template)) BUG("the embedded kernels have no template %s", info->symbol);
    task.function = specialise(cg, template, task.constants, name);
  } else {
    LLVMTypeRef params[] = {cg->ptr, cg->i64, cg->ptr};
    task.function = external_function(cg, info->symbol, LLVMFunctionType(cg->nothing, params, 3, false));
  }
  vec_push(cg->arena, &cg->tasks, task);
  return &cg->tasks.at[cg->tasks.count - 1];
}
