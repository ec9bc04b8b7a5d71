/* The order in which a module comes about, its optimisation and its machine code. Called by emit/. */
#include "compiler/codegen/internal.h"
#include "runtime/abi.h"
#include <ctype.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>

/* The structs below are built by hand for LLVM: these are the C layouts they must equal. */
_Static_assert(offsetof(sg_run, weights) == 0 && offsetof(sg_run, packed) == 8 && offsetof(sg_run, grads) == 16 &&
                   offsetof(sg_run, arena) == 24 && offsetof(sg_run, n) == 32 && offsetof(sg_run, x) == 40 &&
                   offsetof(sg_run, y) == 48 && offsetof(sg_run, target) == 48 + 8 * SG_MAX_OUTPUTS &&
                   offsetof(sg_run, loss) == 56 + 8 * SG_MAX_OUTPUTS &&
                   offsetof(sg_run, rng) == 64 + 8 * SG_MAX_OUTPUTS &&
                   offsetof(sg_run, class_weights) == 72 + 8 * SG_MAX_OUTPUTS &&
                   offsetof(sg_run, mask) == 80 + 8 * SG_MAX_OUTPUTS &&
                   offsetof(sg_run, threads) == 88 + 8 * SG_MAX_OUTPUTS &&
                   offsetof(sg_run, owner) == 96 + 8 * SG_MAX_OUTPUTS && sizeof(sg_run) == 104 + 8 * SG_MAX_OUTPUTS,
               "sg_run is not what codegen builds");
_Static_assert(offsetof(sg_network, abi) == 0 && offsetof(sg_network, size) == 4 &&
                   offsetof(sg_network, manifest) == 8 && offsetof(sg_network, embedded) == 16 &&
                   offsetof(sg_network, embedded_bytes) == 24 && offsetof(sg_network, pack) == 32 &&
                   offsetof(sg_network, forward) == 40 && offsetof(sg_network, prefix) == 48 &&
                   offsetof(sg_network, tail) == 56 && offsetof(sg_network, step) == 64 &&
                   offsetof(sg_network, inspect) == 72 && offsetof(sg_network, loss) == 80 &&
                   offsetof(sg_network, later_phases) == 88 && offsetof(sg_network, phases) == 96 &&
                   offsetof(sg_network, cpu) == 104 && offsetof(sg_network, needs) == 112 &&
                   offsetof(sg_network, next_lower) == 120 && offsetof(sg_network, train) == 128 &&
                   sizeof(sg_network) == 136 && sizeof(sg_phase) == 24,
               "sg_network is not what codegen builds");

static void make_types(Codegen *cg) {
  LLVMContextRef c = cg->context;
  cg->ptr = LLVMPointerTypeInContext(c, 0);
  cg->i64 = LLVMInt64TypeInContext(c);
  cg->i32 = LLVMInt32TypeInContext(c);
  cg->nothing = LLVMVoidTypeInContext(c);
  LLVMTypeRef task[] = {cg->ptr, cg->i64, cg->i64, cg->i64, cg->ptr};
  cg->task_type = LLVMFunctionType(cg->nothing, task, 5, false);
  LLVMTypeRef run[RUN_FIELDS];
  for (int i = 0; i < RUN_FIELDS; i++) run[i] = cg->ptr;
  run[RUN_N] = run[RUN_THREADS] = cg->i64;
  run[RUN_Y] = LLVMArrayType2(cg->ptr, SG_MAX_OUTPUTS);
  cg->run_type = LLVMStructCreateNamed(c, "sg_run");
  LLVMStructSetBody(cg->run_type, run, RUN_FIELDS, false);
  LLVMTypeRef network[NETWORK_FIELDS] = {cg->i32, cg->i32, cg->ptr, cg->ptr, cg->i64};
  for (int i = 5; i < NETWORK_FIELDS; i++) network[i] = cg->ptr;
  network[5 + FUNCTIONS] = network[8 + FUNCTIONS] = cg->i64; /* later_phases, needs */
  cg->network_type = LLVMStructCreateNamed(c, "sg_network");
  LLVMStructSetBody(cg->network_type, network, NETWORK_FIELDS, false);
}

static void verify(LLVMModuleRef module, const char *when) {
  char *message = NULL;
  if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message)) BUG("invalid code %s: %s", when, message);
  LLVMDisposeMessage(message);
}

/* Templates that no task calls, and what only they call, would cost time in every pass. */
static void drop_unused(LLVMModuleRef module) {
  for (bool dropped = true; dropped;) {
    dropped = false;
    for (LLVMValueRef f = LLVMGetFirstFunction(module), next; f; f = next) {
      next = LLVMGetNextFunction(f);
      bool removable = LLVMGetLinkage(f) == LLVMInternalLinkage || LLVMIsDeclaration(f);
      if (!removable || LLVMGetFirstUse(f)) continue;
      LLVMDeleteFunction(f);
      dropped = true;
    }
  }
}

LLVMValueRef begin_function(Codegen *cg, const char *name, LLVMTypeRef type, LLVMLinkage linkage) {
  LLVMValueRef function = LLVMAddFunction(cg->module, name, type);
  LLVMSetLinkage(function, linkage);
  templates_set_target(cg->context, function, cg->target);
  LLVMPositionBuilderAtEnd(cg->builder, LLVMAppendBasicBlockInContext(cg->context, function, "entry"));
  return function;
}

LLVMValueRef external_function(Codegen *cg, const char *name, LLVMTypeRef type) {
  LLVMValueRef function = LLVMGetNamedFunction(cg->module, name);
  if (function) return function;
  function = LLVMAddFunction(cg->module, name, type);
  add_attribute(cg->context, function, LLVMAttributeFunctionIndex, "nounwind");
  return function;
}

const char *level_suffix(Arena *arena, const char *cpu) {
  char *suffix = arena_printf(arena, "_%s", cpu);
  for (char *c = suffix; *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  return suffix;
}

LLVMModuleRef codegen_module(LLVMContextRef context, Arena *arena, const Plan *plan, const CodegenTarget *target,
                             const CodegenOptions *options) {
  Codegen cg = {.arena = arena, .context = context, .plan = plan, .target = target, .options = options, .suffix = ""};
  if (options->levels && options->levels->count > 1)
    cg.suffix = level_suffix(arena, options->levels->cpu[options->level]);
  cg.module = templates_load(context, target);
  LLVMSetModuleIdentifier(cg.module, options->name, strlen(options->name));
  LLVMSetSourceFileName(cg.module, options->name, strlen(options->name));
  cg.builder = LLVMCreateBuilderInContext(context);
  make_types(&cg);
  ProgramList schedules = plan_programs(arena, plan);
  ASSERT(options->parts <= CODEGEN_MAX_PARTS && (options->part == 0 || options->part < options->parts));
  if (options->part == 0) {
    LLVMValueRef *functions = arena_array(arena, LLVMValueRef, schedules.count);
    for (size_t i = 0; i < schedules.count; i++) functions[i] = schedule_function(&cg, schedules.at[i]);
    export_network(&cg, functions, schedules.count);
  } else {
    for (size_t i = 0; i < schedules.count; i++)
      for (size_t c = 0; schedules.at[i]->present && c < schedules.at[i]->calls.count; c++)
        task_for_call(&cg, &schedules.at[i]->calls.at[c]);
  }
  LLVMDisposeBuilder(cg.builder);
  drop_unused(cg.module);
  verify(cg.module, "before optimisation");
  return cg.module;
}

/* What LLVM's own -O2 does, less what kernels written with vectors do not need: it takes half of -O2's time,
 * and the convolutions run as fast. Inlining first, since the templates are never worth a pass of their own;
 * then constants are carried through loops and branches (ipsccp), which drops most of a template, before
 * anything looks at what is left; loops whose length is now known are unrolled, accumulators become registers
 * (sroa). -O2 and -O3 differ in the machine code alone. */
static const char kernel_pipeline[] = "always-inline,globaldce,ipsccp,function(simplifycfg,instcombine<no-"
                                      "verify-fixpoint>,loop-mssa(loop-rotate,licm),"
                                      "simplifycfg,loop(loop-idiom,indvars,loop-deletion,loop-unroll-full),"
                                      "sroa,early-cse<memssa>,gvn,memcpyopt,dse,"
                                      "instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),loop-"
                                      "vectorize,instcombine<no-verify-fixpoint>,"
                                      "loop-mssa(licm),simplifycfg)";

#ifndef SURGERY_SANITIZE
#define SURGERY_SANITIZE ""
#endif

/* In a build of Surgery with AddressSanitizer the generated code is checked too: after its optimisation, so
 * that the checks are of the accesses that are left. */
static const char *sanitized(LLVMModuleRef module, const char *pipeline, char *space, size_t size) {
  if (!strstr(SURGERY_SANITIZE, "address")) return pipeline;
  LLVMContextRef context = LLVMGetModuleContext(module);
  for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
    if (!LLVMIsDeclaration(f)) add_attribute(context, f, LLVMAttributeFunctionIndex, "sanitize_address");
  snprintf(space, size, "%s,asan", pipeline);
  return space;
}

/* LLVM's remarks and warnings ("loop not vectorized" where -O1 leaves out what a kernel asks for) are about code that
 * no user has written. */
static void on_llvm_message(LLVMDiagnosticInfoRef info, void *data) {
  (void)data;
  if (LLVMGetDiagInfoSeverity(info) == LLVMDSError) BUG("LLVM: %s", LLVMGetDiagInfoDescription(info));
}

void codegen_optimise(LLVMModuleRef module, const CodegenTarget *target) {
  LLVMContextSetDiagnosticHandler(LLVMGetModuleContext(module), on_llvm_message, NULL);
  char space[sizeof kernel_pipeline + 8];
  const char *pipeline = target->opt_level == 0   ? "always-inline,globaldce,default<O0>"
                         : target->opt_level == 1 ? "always-inline,globaldce,default<O1>"
                                                  : kernel_pipeline;
  pipeline = sanitized(module, pipeline, space, sizeof space);
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMPassBuilderOptionsSetLoopVectorization(options, target->opt_level > 1);
  LLVMPassBuilderOptionsSetSLPVectorization(options, target->opt_level > 1);
  LLVMPassBuilderOptionsSetLoopUnrolling(options, target->opt_level > 0);
  LLVMPassBuilderOptionsSetLoopInterleaving(options, target->opt_level > 1);
  LLVMErrorRef error = LLVMRunPasses(module, pipeline, target->machine, options);
  LLVMDisposePassBuilderOptions(options);
  if (error) {
    char *message = LLVMGetErrorMessage(error);
    BUG("LLVM's passes %s: %s", pipeline, message);
  }
  verify(module, "after optimisation");
}

LLVMMemoryBufferRef codegen_emit(LLVMModuleRef module, const CodegenTarget *target, LLVMCodeGenFileType type) {
  LLVMMemoryBufferRef out = NULL;
  char *message = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(target->machine, module, type, &message, &out))
    BUG("no machine code for CPU %s: %s", target->cpu, message);
  return out;
}

/* Words that cannot be a type's name in C or C++, and the prefixes of what the runtime shows. */
static const char *const taken[] = {
    "alignas",  "alignof",  "and",      "and_eq", "asm",      "auto",      "bitand",    "bitor",    "bool",
    "break",    "case",     "catch",    "char",   "class",    "compl",     "concept",   "const",    "constexpr",
    "continue", "decltype", "default",  "delete", "do",       "double",    "else",      "enum",     "explicit",
    "export",   "extern",   "false",    "float",  "for",      "friend",    "goto",      "if",       "inline",
    "int",      "linux",    "long",     "main",   "mutable",  "namespace", "new",       "noexcept", "not",
    "not_eq",   "nullptr",  "operator", "or",     "or_eq",    "private",   "protected", "public",   "register",
    "requires", "restrict", "return",   "sg",     "short",    "signed",    "sizeof",    "static",   "struct",
    "surgery",  "switch",   "template", "this",   "throw",    "true",      "try",       "typedef",  "typeid",
    "typename", "typeof",   "union",    "unix",   "unsigned", "using",     "virtual",   "void",     "volatile",
    "wchar_t",  "while",    "xor",      "xor_eq"};

const char *codegen_identifier(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  const char *dot = strrchr(base, '.');
  size_t length = dot && dot != base ? (size_t)(dot - base) : strlen(base);
  char *name = arena_printf(arena, "%.*s", (int)length, base);
  for (char *c = name; *c; c++)
    if (!isalnum((unsigned char)*c) || (unsigned char)*c > 127) *c = '_';
  if (!*name) return "network";
  if (!isalpha((unsigned char)*name)) return arena_printf(arena, "net_%s", name + strspn(name, "_"));
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
    if (streq(taken[i], name)) return arena_printf(arena, "%s_", name);
  return name;
}
