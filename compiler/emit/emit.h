/* The last stage: a Plan becomes files, step by step; the driver has a row for each. The lower half is shared by the
 * files of this folder and their tests. Nothing here changes the plan. Output files appear whole or not at all: they
 * are written under a temporary name in the same folder and renamed. */
#ifndef SURGERY_EMIT_H
#define SURGERY_EMIT_H
#include "compiler/ops/program.h"
#include "compiler/script/script.h"
#include "runtime/base/exit.h"

typedef enum EmitKind { EMIT_EXE, EMIT_OBJ, EMIT_STATIC, EMIT_SHARED, EMIT_LLVM, EMIT_ASM } EmitKind;

typedef struct EmitOptions {
  const char *output;
  const char *name; /* prefixes what the object exports, a C identifier; NULL: the output's base name without suffix */
  EmitKind kind;
  const char *cpu;          /* names with commas between them; NULL or "native": the host */
  int opt_level;            /* 0 to 3 */
  int threads;              /* that make code at once, at most; 0: one for each CPU */
  bool time_passes;         /* one line for each step on stderr */
  const char *script_name;  /* for the manifest, without its folder: outputs hold no path that nobody asked for */
  const char *weights_file; /* name of the weights beside the output, or NULL */
  const char *weights_path; /* where else the output looks for them; NULL: nowhere */
  const void *embedded;     /* a safetensors image to put into the output, or NULL */
  size_t embedded_bytes;
  const char *embedded_file;  /* with the same bytes */
  bool embed_weights;         /* into the output, and no file beside it */
  const char *depfile;        /* NULL: none is written */
  const char *depfile_target; /* what its rule is for; NULL: all that is written */
  bool keep_unchanged;        /* outputs whose bytes do not change keep their time */
  const char *runtime_dir;    /* where libsurgery.a is; NULL: found from the compiler's own place */
} EmitOptions;

/* The steps, in this order. Not EXIT_DONE: the environment failed (folder, disk, cc), or an input is wrong; one line on
 * stderr says so. Whatever happens, emit_end() comes last, and leaves nothing behind that is not whole. */
typedef struct Emission Emission;
/* `script` has the values of the weights; NULL: neither weights nor saves are written. False: the CPU is unknown. */
Emission *emit_begin(Session *s, const Script *script, const Plan *plan, const EmitOptions *o);
/* The files' names, none of which may be an input or another's, and their temporaries: a folder that cannot be written
 * is known before any work. */
ExitStatus emit_files(Emission *e);
ExitStatus emit_saves(Emission *e);    /* the tensors of the script's `save`s */
ExitStatus emit_weights(Emission *e);  /* the state dict, beside the output or to be put into it */
ExitStatus emit_manifest(Emission *e); /* what the program knows of itself */
ExitStatus emit_code(Emission *e);     /* the objects, in memory */
ExitStatus emit_link(Emission *e);     /* the output */
ExitStatus emit_header(Emission *e);   /* OUT.h beside obj, static and shared */
ExitStatus emit_commit(Emission *e);   /* what is written gets its names; harmless when it has them */
ExitStatus emit_depfile(Emission *e);  /* the dependency file, of all that was read and written */
void emit_end(Emission *e);            /* NULL is allowed */

/* For --dump, after the step of that name. */
void emit_dump_files(Emission *e, FILE *out);
void emit_dump_saves(Emission *e, FILE *out);
void emit_dump_weights(Emission *e, FILE *out);
void emit_dump_manifest(Emission *e, FILE *out);
void emit_dump_code(Emission *e, FILE *out);   /* the modules: CPU and bytes */
void emit_dump_output(Emission *e, FILE *out); /* after emit_link */
void emit_dump_header(Emission *e, FILE *out);
void emit_dump_depfile(Emission *e, FILE *out);

/* All steps, without weights and saves. */
bool emit_output(Session *s, const Plan *plan, const EmitOptions *o);
/* For the driver, to refuse a wrong --cpu as wrong usage before any work: NULL when it is known, else one
 * line. */
const char *emit_cpu_error(Arena *arena, const char *cpu);
/* Where the header goes, beside the output; NULL for a kind that has none. */
const char *emit_header_path(Arena *arena, const EmitOptions *o);
/* The runtime library that programs are linked with, as emit_output finds it; NULL when there is none. */
const char *emit_runtime(Arena *arena);
/* What was read is never written over, the script and its includes as little as the donors' weights; says so. */
bool would_overwrite_input(const Session *s, const char *path);
/* Says what went wrong with a weight file, and whose fault it is. */
ExitStatus weights_failed(const surgery_error *err);
/* drawing.c: "svg", "dot", "png" or "pdf" where the name says so, else NULL. */
const char *drawing_kind(const char *path);
/* The text of a graph in Graphviz's language through its program to a file, and a dependency file (NULL: none) for the
 * target (NULL: that file). */
ExitStatus write_drawing(Session *s, const char *text, const char *path, const char *depfile, const char *target);
/* The text of the dependency file of -MD for make and ninja: "targets: every file that was read". */
const char *depfile_text(Session *s, const char *const *targets, size_t count);

/* ---- shared inside emit/ ---- */

/* The manifest of runtime/abi.h as JSON text in the arena. */
const char *manifest_text(Arena *arena, const Plan *plan, const EmitOptions *o);
/* The header that declares the C interface of a network called `name` (a C identifier). */
const char *header_text(Arena *arena, const Plan *plan, const char *name, const EmitOptions *o);

/* output.c: files that are not there until they are whole, and temporaries that never stay. */
typedef struct OutFile {
  const char *target;  /* where it goes; NULL: an intermediate file or folder, removed at the end */
  const char *path;    /* the temporary, or the target itself where that is a device or a pipe */
  int fd;              /* -1: closed, or written by another program */
  bool keep_unchanged; /* where the target has these bytes it is left alone */
  int slot;            /* in the list of what a signal must remove; -1: none */
} OutFile;
#define OUTFILE_NONE ((OutFile){.fd = -1, .slot = -1})
/* Creates a temporary beside `target`. False, here and below: one line on stderr. */
bool outfile_create(Arena *arena, OutFile *f, const char *target);
/* An intermediate file of exactly this path; a fresh folder beside `target` for such files. */
bool outfile_intermediate(OutFile *f, const char *path);
bool outfile_folder(Arena *arena, OutFile *f, const char *target);
/* The name of a temporary for `target`, ending in `suffix`, that somebody else will write. */
bool outfile_reserve(Arena *arena, OutFile *f, const char *target, const char *suffix);
bool outfile_write(OutFile *f, const void *bytes, size_t count);
/* All of it in one: the file at `path` has these bytes, or is what it was. */
bool outfile_whole(Arena *arena, const char *path, const void *bytes, size_t count);
bool outfile_close(OutFile *f);      /* errors of late writing show here */
bool outfile_commit(OutFile *f);     /* closes and renames */
void outfile_discard(OutFile *f);    /* removes; harmless after a commit, or twice */
void outfile_watch_signals(bool on); /* while on, SIGINT, SIGTERM and SIGHUP remove temporaries; may be nested */
/* One line on stderr; returns false. */
bool emit_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* process.c: runs argv[0] from PATH without a shell, in `folder` when it is not NULL; its messages go to
 * stderr. False: it could not be started or failed, and one line says so; `purpose` is what for ("linking").
 */
bool run_program(const char *const *argv, const char *folder, const char *purpose);
/* Is there such a program in PATH? */
bool program_installed(const char *name);
/* The same with `input` on its stdin (*count bytes); returns what it wrote to stdout, *count bytes and a NUL, in
 * the arena. Its stderr is shown only when it fails. `package`: what to install when it is missing. */
const char *run_filter(Arena *arena, const char *const *argv, const char *input, size_t *count, const char *purpose,
                       const char *package);

/* link.c: `objects` ends with NULL; `out` is overwritten. link_shared keeps its own file in `folder`.
 * link_archive runs in `folder`, which `objects` and `out` are relative to. */
bool link_program(Arena *arena, const EmitOptions *o, const char *const *objects, const char *out);
bool link_shared(Arena *arena, const EmitOptions *o, const char *name, const char *folder, const char *const *objects,
                 const char *out);
/* Several objects to one, whose hidden symbols become local. */
bool link_relocatable(Arena *arena, const char *const *objects, const char *out);
bool link_archive(Arena *arena, const char *folder, const char *const *objects, const char *out);
/* A file name that no program takes for an option. */
const char *plain_path(Arena *arena, const char *path);

/* embed.c: an object that holds the bytes of `file` as the hidden symbol `symbol`, 64-byte aligned, read-only.
 * `source`: a new file for the assembler, called *.s. */
bool embed_object(Arena *arena, OutFile *source, const char *symbol, const char *file, const char *object);
#endif
