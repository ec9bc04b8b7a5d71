/* Specialisation: for each distinct pair of a kernel and its constants one function that calls the template
 * with a pointer to those constants, which the optimiser then sees through. Calls that are marked as shared have one
 * function for a kernel, whatever their constants: slower to run, and nearly free to compile. Called by schedules.c. */
#include "compiler/codegen/internal.h"

static bool same(const Task *task, const Call *call) {
  return task->kernel == call->kernel && task->shared == call->shared && task->word_count == call->word_count &&
         memcmp(task->word, call->word, sizeof *call->word * (size_t)call->word_count) == 0;
}

/* "sg_conv2d.layer1.0.conv1.forward"; where that is taken (the same layer and role with other constants) a
 * number follows. */
static const char *task_name(Codegen *cg, const Call *call) {
  const char *kernel = kernel_info(call->kernel)->name;
  const char *role = call->role ? call->role : "call";
  if (call->shared) return arena_printf(cg->arena, "sg_%s.shared%s", kernel, cg->suffix);
  const char *name = call->node == NO_ID ? arena_printf(cg->arena, "sg_%s.%s%s", kernel, role, cg->suffix)
                                         : arena_printf(cg->arena, "sg_%s.%s.%s%s", kernel,
                                                        node_at(cg->plan->graph, call->node)->name, role, cg->suffix);
  const char *unique = name;
  for (size_t i = 0, number = 1; i < cg->tasks.count; i++)
    if (streq(cg->tasks.at[i].name, unique)) {
      unique = arena_printf(cg->arena, "%s.%zu", name, ++number);
      i = (size_t)-1; /* look again from the start */
    }
  return unique;
}

/* The constants as one global of words; a load of a double from it folds as well as one of an integer. */
static LLVMValueRef constants_global(Codegen *cg, const Task *task) {
  LLVMValueRef words[MAX_CALL_WORDS];
  for (int i = 0; i < task->word_count; i++) words[i] = LLVMConstInt(cg->i64, task->word[i], false);
  LLVMValueRef array = LLVMConstArray2(cg->i64, words, (uint64_t)task->word_count);
  LLVMValueRef global = LLVMAddGlobal(cg->module, LLVMTypeOf(array), arena_printf(cg->arena, "k.%s", task->name));
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

/* Without `constants` they are the last entry of the table of buffers.
 * Its address goes to sg_parallel, so it stays a function and a symbol of its own. `buf` and `scratch` are
 * promised to be reached by no other pointer: the table of buffers is never written while tasks run. */
static LLVMValueRef specialise(Codegen *cg, LLVMValueRef template, LLVMValueRef constants, const char *name) {
  LLVMBasicBlockRef back = LLVMGetInsertBlock(cg->builder);
  bool elsewhere = cg->options->part > 0; /* used by another module than this one */
  LLVMValueRef task = begin_function(cg, name, cg->task_type, elsewhere ? LLVMExternalLinkage : LLVMInternalLinkage);
  if (elsewhere) LLVMSetVisibility(task, LLVMHiddenVisibility);
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
  if (!constants) {
    LLVMValueRef at = LLVMConstInt(cg->i64, MAX_CALL_BUFFERS, false);
    args[5] =
        LLVMBuildLoad2(cg->builder, cg->ptr, LLVMBuildInBoundsGEP2(cg->builder, cg->ptr, args[0], &at, 1, ""), "");
  }
  LLVMBuildCall2(cg->builder, template_type(cg), template, args, 6, "");
  LLVMBuildRetVoid(cg->builder);
  if (back) LLVMPositionBuilderAtEnd(cg->builder, back);
  return task;
}

/* How much there is to optimise in a template: what is left of it differs, but the order of size is right. */
static int64_t template_size(LLVMValueRef template) {
  int64_t blocks = 0;
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(template); b; b = LLVMGetNextBasicBlock(b)) blocks++;
  return blocks;
}

static int lightest_part(Codegen *cg) {
  int best = 0;
  for (int i = 1; i < cg->options->parts; i++)
    if (cg->part_size[i] < cg->part_size[best]) best = i;
  return best;
}

/* The task's function in this module: its body, its declaration, or nothing where nobody calls it. */
static void make_template_task(Codegen *cg, Task *task, const char *symbol) {
  LLVMValueRef template = LLVMGetNamedFunction(cg->module, symbol);
  if (!template || LLVMIsDeclaration(template)) BUG("the embedded kernels have no template %s", symbol);
  task->part = lightest_part(cg);
  cg->part_size[task->part] += template_size(template);
  if (task->part == cg->options->part) {
    task->function = specialise(cg, template, task->shared ? NULL : constants_global(cg, task), task->name);
  } else if (cg->options->part == 0) {
    task->function = external_function(cg, task->name, cg->task_type);
    LLVMSetVisibility(task->function, LLVMHiddenVisibility);
  }
}

/* A shared task has the function of the first of its kernel; its constants are the caller's to hand over. */
static void make_shared_task(Codegen *cg, Task *task, const char *symbol) {
  const Task *first = NULL;
  for (size_t i = 0; i < cg->tasks.count && !first; i++)
    if (cg->tasks.at[i].kernel == task->kernel && cg->tasks.at[i].shared) first = &cg->tasks.at[i];
  if (first) task->part = first->part, task->function = first->function;
  else make_template_task(cg, task, symbol);
  if (cg->options->part == 0) task->constants = constants_global(cg, task);
}

const Task *task_for_call(Codegen *cg, const Call *call) {
  for (size_t i = 0; i < cg->tasks.count; i++)
    if (same(&cg->tasks.at[i], call)) return &cg->tasks.at[i];
  const KernelInfo *info = kernel_info(call->kernel);
  if (call->word_count != info->words)
    BUG("a call of %s has %d constants instead of %d", info->name, call->word_count, info->words);
  Task task = {
      .name = task_name(cg, call), .kernel = call->kernel, .shared = call->shared, .word_count = call->word_count};
  uint64_t *word = arena_array(cg->arena, uint64_t, call->word_count);
  memcpy(word, call->word, sizeof *word * (size_t)call->word_count);
  task.word = word;
  if (call->shared) {
    make_shared_task(cg, &task, info->symbol);
  } else if (info->is_template) {
    make_template_task(cg, &task, info->symbol);
  } else if (cg->options->part == 0) {
    LLVMTypeRef params[] = {cg->ptr, cg->i64, cg->i64, cg->ptr};
    task.function = external_function(cg, info->symbol, LLVMFunctionType(cg->nothing, params, 4, false));
    task.constants = constants_global(cg, &task);
  }
  vec_push(cg->arena, &cg->tasks, task);
  return &cg->tasks.at[cg->tasks.count - 1];
}
