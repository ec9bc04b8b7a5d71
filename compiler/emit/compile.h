/* compile.c for emit.c: a plan to the bytes of objects, or to one text. */
#ifndef SURGERY_EMIT_COMPILE_H
#define SURGERY_EMIT_COMPILE_H
#include "compiler/codegen/codegen.h"
#include "compiler/emit/emit.h"

typedef struct Compile {
  const Plan *plan;
  const EmitOptions *options;
  const char *name; /* the prefix of all that is exported */
  CodegenLevels levels;
  int parts; /* of each level, from compile_parts() */
} Compile;

#define EMIT_MAX_MODULES 24
/* Over how many modules a level is spread. For a program or a shared library as many as threads; for an object or an
 * archive a number that follows from the plan, so that its bytes are the same on every machine. */
int compile_parts(const Compile *c);
/* Returns how many there are, all to be disposed of: objects that belong together, or one text for EMIT_LLVM and
 * EMIT_ASM. */
int compile_modules(Arena *arena, const Compile *c, LLVMMemoryBufferRef buffer[EMIT_MAX_MODULES]);
#endif
