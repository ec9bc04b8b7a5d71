/* Objects in the compiler's own process, through LLVM's ORC: no linker, no file. What the generated code calls is
 * sg_parallel and what the C library has. Called by tune.c. */
#include "compiler/codegen/tune.h"
#include <llvm-c/LLJIT.h>

struct Jit {
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

/* Each object apart: what they have besides their network may have the same names. */
Jit *jit_load(Arena *arena, LLVMMemoryBufferRef object, const char *symbol, const void **address, const char **error) {
  Jit *jit = arena_new(arena, Jit);
  LLVMOrcExecutorAddress found = 0;
  if (failed(arena, LLVMOrcCreateLLJIT(&jit->orc, NULL), error)) {
    LLVMDisposeMemoryBuffer(object);
    return NULL;
  }
  bool wrong =
      failed(arena, LLVMOrcLLJITAddObjectFile(jit->orc, LLVMOrcLLJITGetMainJITDylib(jit->orc), object), error) ||
      failed(arena, define_runtime(jit->orc), error) ||
      failed(arena, LLVMOrcLLJITLookup(jit->orc, &found, symbol), error);
  *address = (const void *)(uintptr_t)found;
  if (!wrong) return jit;
  jit_unload(jit);
  return NULL;
}

void jit_unload(Jit *jit) {
  LLVMErrorRef error = jit ? LLVMOrcDisposeLLJIT(jit->orc) : NULL;
  if (error) LLVMConsumeError(error); /* it has done its work */
}
