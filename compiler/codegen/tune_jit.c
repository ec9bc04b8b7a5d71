/* Objects in the compiler's own process, through LLVM's ORC: no linker, no file. What the generated code calls is
 * sg_parallel and what the C library has. Called by tune.c. */
#include "compiler/codegen/tune.h"
#include <llvm-c/LLJIT.h>

struct Jit {
  Arena *arena;
  LLVMOrcLLJITRef orc;
};

/* True where there is one; takes it over. */
static bool failed(Arena *arena, LLVMErrorRef error, const char **text) {
  if (!error) return false;
  char *message = LLVMGetErrorMessage(error);
  *text = arena_strdup(arena, message);
  LLVMDisposeErrorMessage(message);
  return true;
}

/* The compiler's executable shows no symbols of its own, so this one is told; those of shared libraries ORC finds. */
static LLVMErrorRef define_runtime(LLVMOrcLLJITRef orc) {
  LLVMOrcCSymbolMapPair parallel = {
      .Name = LLVMOrcLLJITMangleAndIntern(orc, "sg_parallel"),
      .Sym = {.Address = (LLVMOrcExecutorAddress)(uintptr_t)&tune_parallel,
              .Flags = {.GenericFlags = LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable}}};
  return LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(orc), LLVMOrcAbsoluteSymbols(&parallel, 1));
}

Jit *jit_open(Arena *arena, const char **error) {
  Jit *jit = arena_new(arena, Jit);
  jit->arena = arena;
  if (failed(arena, LLVMOrcCreateLLJIT(&jit->orc, NULL), error)) return NULL;
  if (!failed(arena, define_runtime(jit->orc), error)) return jit;
  jit_close(jit);
  return NULL;
}

void *jit_load(Jit *jit, LLVMMemoryBufferRef object, const char *symbol, const char **error) {
  LLVMOrcExecutorAddress address = 0;
  if (failed(jit->arena, LLVMOrcLLJITAddObjectFile(jit->orc, LLVMOrcLLJITGetMainJITDylib(jit->orc), object), error) ||
      failed(jit->arena, LLVMOrcLLJITLookup(jit->orc, &address, symbol), error))
    return NULL;
  return (void *)(uintptr_t)address;
}

void jit_close(Jit *jit) {
  if (!jit) return;
  LLVMErrorRef error = LLVMOrcDisposeLLJIT(jit->orc);
  if (error) LLVMConsumeError(error); /* it has done its work */
}
