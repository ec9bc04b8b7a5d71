/* See support.h. */
#include "tests/weights/support.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

static void remove_folder(void) {
  DIR *dir = opendir(folder);
  for (struct dirent *e; dir && (e = readdir(dir));) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (e->d_name[0] != '.' || strlen(e->d_name) > 2) remove(path);
  }
  if (dir) closedir(dir);
  rmdir(folder);
}

const char *scratch(const char *name) {
  static char paths[8][400];
  static int next;
  if (!*folder) {
    /* In memory where that is possible: thousands of small files are rewritten, and disks sync those. */
    const char *base = getenv("TMPDIR");
    if (!base || !*base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%.200s/surgery-weights-XXXXXX", base);
    if (!mkdtemp(folder)) fail_msg("no scratch folder '%s'", folder);
    atexit(remove_folder);
  }
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

bool exists(const char *path) {
  struct stat stat;
  return lstat(path, &stat) == 0;
}

void write_bytes(const char *path, const void *data, size_t size) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, size, f) != size || fclose(f)) fail_msg("cannot write %s", path);
}

unsigned char *read_bytes(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("cannot open %s", path);
  fseek(f, 0, SEEK_END);
  *size = (size_t)ftell(f);
  rewind(f);
  unsigned char *data = malloc(*size + 1);
  if (!data || fread(data, 1, *size, f) != *size) fail_msg("cannot read %s", path);
  fclose(f);
  return data;
}

surgery_weights *open_ok(const char *path) {
  surgery_error err = {0};
  surgery_weights *w = surgery_weights_open(path, &err);
  if (!w) fail_msg("%s", err.message);
  return w;
}

bool read_all(surgery_weights *w, surgery_error *err) {
  bool good = true;
  for (size_t i = 0; i < surgery_weights_count(w) && good; i++) {
    const surgery_tensor *t = surgery_weights_at(w, i);
    void *values = malloc((size_t)t->count * 8 + 1);
    assert_non_null(values);
    good = surgery_weights_read(w, t, values, t->count, err) == 0;
    bool integer = t->dtype >= SURGERY_I64;
    if (good && integer) good = surgery_weights_read_i64(w, t, values, t->count, err) == 0;
    free(values);
  }
  return good;
}

void expect_refused(const char *path, const char *expected) {
  surgery_error err = {0};
  surgery_weights *w = surgery_weights_open(path, &err);
  bool good = w && read_all(w, &err);
  surgery_weights_close(w);
  if (good) fail_msg("%s was read; expected: %s", path, expected);
  char whole[1200];
  snprintf(whole, sizeof whole, "%s: %s", path, expected);
  assert_string_equal(err.message, whole);
  assert_true(err.status == SURGERY_BAD_INPUT || err.status == SURGERY_ENVIRONMENT);
}

static unsigned failures;

void check_row(const char *group, const char *name, const char *path, const char *expected) {
  surgery_error err = {0};
  surgery_weights *w = surgery_weights_open(path, &err);
  bool good = w && read_all(w, &err);
  surgery_weights_close(w);
  char whole[1300];
  snprintf(whole, sizeof whole, "%s: %s", path, expected);
  if (good) {
    print_error("%s, %s: was read\n", group, name);
  } else if (strcmp(err.message, whole) != 0 || err.status != SURGERY_BAD_INPUT) {
    print_error("%s, %s: status %d\n  got      %s\n  expected %s\n", group, name, (int)err.status, err.message, whole);
  } else {
    return;
  }
  failures++;
}

void expect_no_failures(void) { assert_int_equal(failures, 0); }
