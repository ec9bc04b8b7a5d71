/* Weights as an object file: the assembler copies the file, so that nothing here holds a second copy of what may be
 * half a gigabyte. Knows nothing of what the bytes are. Called by emit.c. */
#include "compiler/emit/emit.h"

/* As a string of the assembler, whatever characters the path has. */
static const char *quoted(Arena *arena, const char *path) {
  char *text = arena_alloc(arena, 4 * strlen(path) + 3), *to = text;
  *to++ = '"';
  for (; *path; path++) to += sprintf(to, "\\%03o", (unsigned char)*path);
  *to++ = '"', *to = '\0';
  return text;
}

bool embed_object(Arena *arena, OutFile *source, const char *symbol, const char *file, const char *object) {
  const char *text = arena_printf(arena,
                                  "\t.section .rodata.embedded,\"a\",%%progbits\n"
                                  "\t.balign 64\n"
                                  "\t.globl %s\n"
                                  "\t.hidden %s\n"
                                  "\t.type %s, %%object\n"
                                  "%s:\n"
                                  "\t.incbin %s\n"
                                  "\t.size %s, . - %s\n"
                                  "\t.section .note.GNU-stack,\"\",%%progbits\n",
                                  symbol, symbol, symbol, symbol, quoted(arena, file), symbol, symbol);
  const char *argv[] = {"cc", "-c", "-o", object, source->path, NULL};
  return outfile_write(source, text, strlen(text)) && outfile_close(source) &&
         run_program(argv, NULL, "embedding the weights");
}
