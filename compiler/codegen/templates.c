/* The kernel templates that are embedded in the compiler as bitcode, made ready for specialisation: internal,
 * always inlined, without the CPU they happened to be compiled for. Knows neither plans nor networks.
 * Called by module.c. */
#include "compiler/codegen/internal.h"
#include "runtime/kernels/kernels.h"
#include <llvm-c/BitReader.h>

void add_attribute(LLVMContextRef context, LLVMValueRef function, LLVMAttributeIndex index, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  if (!kind) BUG("LLVM has no attribute %s", name);
  LLVMAddAttributeAtIndex(function, index, LLVMCreateEnumAttribute(context, kind, 0));
}

static bool has_attribute(LLVMValueRef function, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  return LLVMGetEnumAttributeAtIndex(function, LLVMAttributeFunctionIndex, kind) != NULL;
}

static void remove_attribute(LLVMValueRef function, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMRemoveEnumAttributeAtIndex(function, LLVMAttributeFunctionIndex, kind);
}

static void set_text(LLVMContextRef context, LLVMValueRef function, const char *key, const char *value) {
  LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex,
                          LLVMCreateStringAttribute(context, key, strlen(key), value, strlen(value)));
}

static void remove_text(LLVMValueRef function, const char *key) {
  LLVMRemoveStringAttributeAtIndex(function, LLVMAttributeFunctionIndex, key, strlen(key));
}

#ifdef __x86_64__
#define BASE_CPU "x86-64"
#define BASE_FEATURES "+sse2"
#else
#define BASE_CPU "generic"
#define BASE_FEATURES ""
#endif

/* The attributes that clang -O3 would give for this CPU. The vector width is a preference only: on CPUs
 * without AVX-512 it has no effect, and those with it do best on whole cache lines. */
void templates_set_target(LLVMContextRef context, LLVMValueRef function, const CodegenTarget *target) {
  remove_text(function, "tune-cpu");
  remove_text(function, "min-legal-vector-width");
  char *features = target ? LLVMGetTargetMachineFeatureString(target->machine) : NULL;
  set_text(context, function, "target-cpu", target ? target->cpu : BASE_CPU);
  /* Without it the function would have the features of whichever machine the module is made for. */
  set_text(context, function, "target-features", features ? features : BASE_FEATURES);
  LLVMDisposeMessage(features);
  set_text(context, function, "prefer-vector-width", "512");
  set_text(context, function, "no-trapping-math", "true");
  /* No unwinding through generated code: no tables for it in the object. */
  remove_attribute(function, "uwtable");
  add_attribute(context, function, LLVMAttributeFunctionIndex, "nounwind");
}

/* A helper that its author marked noinline stays a function of its own; clang's -O0 marks (optnone) go. */
static void prepare_function(LLVMContextRef context, LLVMValueRef function, const CodegenTarget *target) {
  if (has_attribute(function, "optnone")) {
    remove_attribute(function, "optnone");
    remove_attribute(function, "noinline");
  }
  if (!has_attribute(function, "noinline"))
    add_attribute(context, function, LLVMAttributeFunctionIndex, "alwaysinline");
  templates_set_target(context, function, target);
}

LLVMModuleRef templates_load(LLVMContextRef context, const CodegenTarget *target) {
  LLVMMemoryBufferRef bytes =
      target->wide_vectors
          ? LLVMCreateMemoryBufferWithMemoryRange((const char *)kernels_bc, kernels_bc_size, "kernels", false)
          : LLVMCreateMemoryBufferWithMemoryRange((const char *)kernels_bc_narrow, kernels_bc_narrow_size, "kernels",
                                                  false);
  LLVMModuleRef module;
  if (LLVMParseBitcodeInContext2(context, bytes, &module)) BUG("the embedded kernel templates cannot be read");
  LLVMDisposeMemoryBuffer(bytes);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(target->machine);
  LLVMSetModuleDataLayout(module, layout);
  LLVMDisposeTargetData(layout);
  LLVMSetTarget(module, target->triple);
  for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f)) {
    if (LLVMIsDeclaration(f)) continue;
    LLVMSetLinkage(f, LLVMInternalLinkage);
    LLVMSetVisibility(f, LLVMDefaultVisibility);
    prepare_function(context, f, target);
  }
  for (LLVMValueRef g = LLVMGetFirstGlobal(module); g; g = LLVMGetNextGlobal(g))
    if (!LLVMIsDeclaration(g)) LLVMSetLinkage(g, LLVMInternalLinkage);
  return module;
}
