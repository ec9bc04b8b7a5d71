/* Fuzzing of the weight readers: opens the input as a weight file and reads every tensor. One program for
 * each FORM, which puts around the input what a random change would only break:
 *   WHOLE        the input is the file
 *   LEGACY       pickles of PyTorch's legacy format: its magic number and protocol come first
 *   SAFETENSORS  the input's first two bytes are the header's length
 *   TAR          a tar archive of three members; the input's first four bytes are the lengths of two
 *   BESIDE       the input is the file, in a folder that also holds what an index or external data may name
 * Built by programs/CMakeLists.txt. */
#include "runtime/surgery.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WHOLE, LEGACY, SAFETENSORS, TAR, BESIDE };

static const unsigned char legacy[] = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.";
static int fd = -1;
static char path[100];

static void put(const void *data, size_t size) {
  if (size && write(fd, data, size) != (ssize_t)size) abort();
}

static void put_member(const char *name, const unsigned char *data, size_t size) {
  char header[513] = {0};
  unsigned sum = 0;
  snprintf(header, 100, "%s", name);
  snprintf(header + 124, 12, "%011zo", size);
  memcpy(header + 257, "ustar", 5);
  memset(header + 148, ' ', 8);
  for (int i = 0; i < 512; i++) sum += (unsigned char)header[i];
  snprintf(header + 148, 8, "%06o", sum);
  put(header, 512);
  put(data, size);
  memset(header, 0, 512);
  put(header, -size % 512);
}

static void put_tar(const unsigned char *data, size_t size) {
  static const char *const names[] = {"storages", "tensors"};
  for (int i = 0; i < 2; i++) {
    size_t length = size < 2 ? 0 : data[0] | (size_t)data[1] << 8;
    if (size >= 2) data += 2, size -= 2;
    if (length > size) length = size;
    put_member(names[i], data, length);
    data += length, size -= length;
  }
  put_member("pickle", data, size);
}

static void put_input(const unsigned char *data, size_t size) {
  if (lseek(fd, 0, SEEK_SET) || ftruncate(fd, 0)) abort();
  if (FORM == TAR) return put_tar(data, size);
  if (FORM == LEGACY) put(legacy, sizeof legacy - 1);
  if (FORM == SAFETENSORS) {
    static const unsigned char zeros[6];
    if (size < 2) return;
    put(data, 2), put(zeros, 6);
    data += 2, size -= 2;
  }
  put(data, size);
}

static void read_all(surgery_weights *w) {
  for (size_t i = 0; i < surgery_weights_count(w); i++) {
    const surgery_tensor *t = surgery_weights_at(w, i);
    surgery_error err;
    if (surgery_weights_find(w, t->name) != t) abort();
    if (t->count > 1 << 20) continue; /* what deflate can make of a few bytes: bounded, but slow */
    void *values = malloc((size_t)t->count * 8 + 1);
    if (!values) abort();
    (void)!surgery_weights_read(w, t, values, t->count, &err);
    (void)!surgery_weights_read_i64(w, t, values, t->count, &err);
    free(values);
  }
}

/* Every set of weights, by its name; and a name that is of no set, or of any. */
static void choose_all(surgery_weights *w) {
  size_t sets = surgery_weights_sets(w), tensors;
  const char *rest;
  if (sets == 0 || surgery_weights_set(w, sets, &tensors)) abort();
  for (size_t i = 0; i < sets; i++) {
    surgery_error err = {0};
    const char *name = surgery_weights_set(w, i, &tensors);
    if (surgery_weights_choose(w, name, &rest, &err) == 0) read_all(w);
    else if (!err.message[0]) abort();
  }
  surgery_error err = {0};
  if (surgery_weights_choose(w, "module._orig_mod.a", &rest, &err) == 0) read_all(w);
}

/* The working folder is a scratch one that has copies of the seeds for BESIDE: run.sh sees to it. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  if (FORM == BESIDE) {
    snprintf(path, sizeof path, "./fuzzed-%d", (int)getpid());
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  } else {
    fd = memfd_create("weights", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  }
  if (fd < 0) abort();
  return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
  put_input(data, size);
  surgery_error err = {0};
  surgery_weights *w = surgery_weights_open(path, &err);
  if (w) {
    read_all(w);
    choose_all(w);
  } else if (!err.message[0] || strlen(err.message) >= sizeof err.message || err.status == SURGERY_OK) abort();
  surgery_weights_close(w);
  return 0;
}
