/* Fuzzing of the weight readers: opens the input as a weight file and reads every tensor. One program for
 * each PROLOGUE, which puts in front what a random change would only break: 0  the input is the whole file
 * (zip, npz, npy, tar, index) 1  pickles of PyTorch's legacy format: its magic number and protocol come first
 *   2  safetensors: the input's first two bytes are the header's length
 * Built by the targets fuzz_weights_* where clang-19 has libFuzzer; see CMakeLists.txt. */
#include "runtime/surgery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const unsigned char legacy[] = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.";

static int put(int fd, const void *data, size_t size) {
  return pwrite(fd, data, size, lseek(fd, 0, SEEK_END)) == (ssize_t)size ? 0 : -1;
}

static int put_input(int fd, const unsigned char *data, size_t size) {
  if (PROLOGUE == 1 && put(fd, legacy, sizeof legacy - 1)) return -1;
  if (PROLOGUE == 2) {
    static const unsigned char zeros[6];
    if (size < 2 || put(fd, data, 2) || put(fd, zeros, 6)) return -1;
    data += 2;
    size -= 2;
  }
  return put(fd, data, size);
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

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
  static int fd = -1;
  static char path[64];
  if (fd < 0) {
    fd = memfd_create("weights", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  }
  if (fd < 0 || ftruncate(fd, 0) || put_input(fd, data, size)) return 0;
  surgery_error err = {0};
  surgery_weights *w = surgery_weights_open(path, &err);
  if (w)
    read_all(w);
  else if (!err.message[0] || strlen(err.message) >= sizeof err.message)
    abort();
  surgery_weights_close(w);
  return 0;
}
