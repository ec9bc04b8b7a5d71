/* One plan on its way to files: what the steps of emit.h share. For the files of this folder. */
#ifndef SURGERY_EMIT_EMISSION_H
#define SURGERY_EMIT_EMISSION_H
#include "compiler/codegen/codegen.h"
#include "compiler/emit/emit.h"

#define EMIT_MAX_MODULES 24

/* A plan to modules: of each level of --cpu so many parts. */
typedef struct Compile {
  const Plan *plan;
  const EmitOptions *options;
  const char *name; /* the prefix of all that is exported */
  CodegenLevels levels;
  int parts; /* of each level, from compile_parts() */
} Compile;

struct Emission {
  Session *s;
  Arena *arena;         /* the session's */
  const Script *script; /* NULL: no weights and no saves are written */
  EmitOptions o;        /* a copy, to which the weights' step adds what it has written */
  Compile compile;
  const char *manifest;
  int modules; /* in `buffer`, until they are linked */
  LLVMMemoryBufferRef buffer[EMIT_MAX_MODULES];
  OutFile out, header, weights, depfile; /* get their names with emit_commit() and emit_depfile() */
  VEC(OutFile) saves;
  bool out_whole, weights_whole;                                        /* all is written that goes there */
  size_t saves_whole;                                                   /* so many of the first */
  OutFile folder, assembly, embedded, joined, object[EMIT_MAX_MODULES]; /* intermediate */
};

/* compile.c: over how many modules a level is spread. For a program or a shared library as many as threads; for an
 * object or an archive a number that follows from the plan, so that its bytes are the same on every machine. */
int compile_parts(const Compile *c);
/* Returns how many there are, all to be disposed of: objects that belong together, or one text for EMIT_LLVM and
 * EMIT_ASM. */
int compile_modules(Arena *arena, const Compile *c, const char *manifest, LLVMMemoryBufferRef buffer[EMIT_MAX_MODULES]);

/* weights_file.c: writes tensors to a reserved file, `untrained` (NULL: none) into its metadata. */
ExitStatus write_tensors(Emission *e, const OutFile *file, const surgery_tensor_out *out, size_t count,
                         const char *untrained);
/* Reserves the place of the weights; none where the output is a device. */
bool reserve_weights(Emission *e);
/* OUT.safetensors beside the output. */
const char *weights_beside(Arena *arena, const EmitOptions *o);
/* saves.c: reserves the places of the script's `save`s. */
bool reserve_saves(Emission *e);
/* Says so when a save has this file, too. */
bool save_collides(const Script *script, Arena *arena, const char *output);
#endif
