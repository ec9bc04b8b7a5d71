/* `surgeryc fmt`: scripts in their canonical layout, on stdout, in their own files (-i), or only compared
 * (--check). The layout is grammar/format.c's. A script with mistakes is reported and stays as it is; the others
 * are formatted all the same. */
#include "compiler/driver/driver.h"
#include "grammar/ast.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_stdin(Session *s) {
  enum { MOST = 64 << 20 }; /* as for a file */
  char *text = NULL;
  size_t length = 0, capacity = 0;
  int source = -1;
  for (;;) {
    if (length == capacity && !(text = realloc(text, capacity = 2 * capacity + 65536))) fail_environment("no memory");
    ssize_t got = read(0, text + length, capacity - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      if (got == 0) source = sources_add_text(&s->sources, "<stdin>", text, length);
      break;
    }
    length += (size_t)got;
    if (length > MOST) {
      errno = EFBIG;
      break;
    }
  }
  free(text);
  return source;
}

/* The file gets its new text whole or not at all, and keeps its mode. */
static ExitStatus write_back(Session *s, const char *path, const char *text, size_t length) {
  struct stat st;
  if (stat(path, &st) || access(path, W_OK)) {
    fprintf(stderr, "surgeryc: cannot write '%s': %s\n", path, strerror(errno));
    return EXIT_ENVIRONMENT;
  }
  OutFile file;
  bool done = outfile_create(s->arena, &file, path);
  if (done && S_ISREG(st.st_mode)) {
    if (fchown(file.fd, st.st_uid, st.st_gid)) errno = 0; /* only root may give files away */
    done = fchmod(file.fd, st.st_mode & 07777) == 0;
    if (!done) fprintf(stderr, "surgeryc: cannot write '%s': %s\n", path, strerror(errno));
  }
  done = done && outfile_write(&file, text, length) && outfile_commit(&file);
  outfile_discard(&file);
  return done ? EXIT_DONE : EXIT_ENVIRONMENT;
}

static ExitStatus format_one(Session *s, const Options *o, const char *path) {
  bool from_stdin = streq(path, "-");
  int source = from_stdin ? read_stdin(s) : sources_add_file(&s->sources, path);
  if (source < 0) {
    fprintf(stderr, "surgeryc: %s: %s\n", path, strerror(errno));
    return EXIT_ENVIRONMENT;
  }
  size_t length;
  const char *text = format_script(s->arena, &s->diags, &s->sources, (uint32_t)source, &length);
  if (!text) return EXIT_WRONG_INPUT;
  const Source *file = &s->sources.files.at[source]; /* behind format_script(), which adds sources */
  bool same = length == file->length && memcmp(text, file->text, length) == 0;
  if (o->check_only) {
    if (!same) printf("%s\n", file->path);
    return same ? EXIT_DONE : EXIT_WRONG_INPUT;
  }
  if (o->in_place) return same ? EXIT_DONE : write_back(s, path, text, length);
  fwrite(text, 1, length, stdout);
  return EXIT_DONE;
}

ExitStatus command_fmt(Session *s, const Options *o) {
  if (o->in_place && o->check_only) {
    fputs("surgeryc: -i writes and --check writes nothing: give one of them\n", stderr);
    return EXIT_USAGE;
  }
  ExitStatus worst = EXIT_DONE;
  for (size_t i = 0; i <= o->rest.count; i++) {
    const char *path = i ? o->rest.at[i - 1] : o->script;
    if (o->in_place && streq(path, "-")) {
      fputs("surgeryc: -i wants files, and - is stdin\n", stderr);
      return EXIT_USAGE;
    }
  }
  outfile_watch_signals(true);
  for (size_t i = 0; i <= o->rest.count; i++) {
    ExitStatus status = format_one(s, o, i ? o->rest.at[i - 1] : o->script);
    if (status > worst) worst = status;
  }
  outfile_watch_signals(false);
  report(s, o);
  return worst;
}
