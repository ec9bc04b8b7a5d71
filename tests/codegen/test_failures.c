/* What the environment can do to us: emit_output says so, returns false and leaves nothing behind. */
#include "tests/codegen/tests.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool emits(Fixture *f, const char *output, EmitKind kind) {
  EmitOptions o = options(output, kind);
  return emit_output(&f->session, f->plan, &o);
}

void test_unwritable(void **state) {
  Fixture *f = *state;
  assert_int_equal(mkdir("folder", 0777), 0);
  for (EmitKind kind = EMIT_EXE; kind <= EMIT_ASM; kind++) {
    assert_false(emits(f, "no/such/folder/out", kind));
    assert_false(emits(f, "folder", kind));
    assert_false(emits(f, "folder/", kind));
    assert_false(emits(f, "", kind));
  }
  assert_false(emits(f, "/proc/self/out.o", EMIT_OBJ));
  assert_false(emits(f, "same.h", EMIT_OBJ)); /* its header would have the same name */
  EmitOptions o = options("out", EMIT_OBJ);
  o.cpu = "no-such-cpu";
  assert_false(emit_output(&f->session, f->plan, &o));
  o = options("out", EMIT_EXE);
  o.runtime_dir = "/no/runtime";
  assert_false(emit_output(&f->session, f->plan, &o));
  /* A header that cannot be written takes its object with it. */
  assert_int_equal(mkdir("lone.h", 0777), 0);
  assert_false(emits(f, "lone.o", EMIT_OBJ));
  assert_string_equal(listing(f), "folder lone.h");
}

/* In a child, so that its limit ends with it: 0 when emit_output failed as it should. */
static int fails_in_child(Fixture *f, const char *output, EmitKind kind, rlim_t largest_file) {
  pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN); /* then write() fails with EFBIG, as it does with ENOSPC on a full disk */
    if (largest_file) setrlimit(RLIMIT_FSIZE, &(struct rlimit){largest_file, largest_file});
    _exit(emits(f, output, kind) ? 1 : 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void test_full_disk(void **state) {
  Fixture *f = *state;
  for (EmitKind kind = EMIT_EXE; kind <= EMIT_ASM; kind++) {
    assert_int_equal(fails_in_child(f, "out.x", kind, 4096), 0);
    assert_string_equal(listing(f), "");
  }
  /* The object fits and the linked program does not. */
  assert_int_equal(fails_in_child(f, "out", EMIT_EXE, 100 << 10), 0);
  assert_string_equal(listing(f), "");
  /* A device is written, never replaced. */
  assert_int_equal(fails_in_child(f, "/dev/full", EMIT_LLVM, 0), 0);
  struct stat st;
  assert_true(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode));
  assert_true(emits(f, "/dev/null", EMIT_ASM));
  assert_true(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
  /* A real full disk, where the test may mount one. */
  assert_int_equal(mkdir("disk", 0777), 0);
  if (mount("none", "disk", "tmpfs", 0, "size=4k") == 0) {
    int wrong = 0;
    for (EmitKind kind = EMIT_EXE; kind <= EMIT_ASM; kind++)
      wrong += emits(f, "disk/out.x", kind) || access("disk/out.x", F_OK) == 0 || access("disk/out.h", F_OK) == 0;
    umount("disk"); /* before anything can fail */
    assert_int_equal(wrong, 0);
  } else {
    print_message("  (no tmpfs can be mounted here: %s; the limit on file sizes stands for it)\n", strerror(errno));
  }
}

void test_no_compiler(void **state) {
  Fixture *f = *state;
  char *path = strdup(getenv("PATH"));
  setenv("PATH", "/nowhere", 1);
  assert_false(emits(f, "out", EMIT_EXE));
  assert_false(emits(f, "out.so", EMIT_SHARED));
  assert_false(emits(f, "out.a", EMIT_STATIC));
  assert_string_equal(listing(f), "");
  assert_true(emits(f, "out.o", EMIT_OBJ)); /* needs no other program */
  setenv("PATH", path, 1);
  free(path);
}

/* Ended at any moment, it leaves the whole program or nothing. */
void test_signals(void **state) {
  Fixture *f = *state;
  for (int delay = 0; delay < 8; delay++) {
    pid_t child = fork();
    if (child == 0) {
      for (;;) emits(f, "out", EMIT_EXE);
    }
    nanosleep(&(struct timespec){0, 20000000 + delay * 53000000}, NULL);
    kill(child, delay % 2 ? SIGTERM : SIGINT);
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    const char *left = listing(f);
    if (strcmp(left, "") != 0) {
      assert_string_equal(left, "out");
      assert_int_equal(run((const char *[]){"./out", "--help", NULL}), 0);
      unlink("out");
    }
  }
}
