/* Loads a decoder's library. Called by the decoders. */
#include "runtime/data/image_decode.h"
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include "runtime/base/error.h"

static int load(ImageLibrary *l, const char *path, surgery_error *err) {
  void *handle = dlopen(l->file, RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: %s is read by %s, which is not installed (apt-get install %s)", path,
                   l->format, l->file, l->package);
  for (size_t i = 0; l->names[i]; i++) {
    void *function = dlsym(handle, l->names[i]);
    if (!function) {
      dlclose(handle);
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: this %s is too old to read %s: it lacks %s", path, l->file, l->format,
                     l->names[i]);
    }
    memcpy((char *)l->functions + i * sizeof function, &function, sizeof function);
  }
  l->loaded = true;
  return 0;
}

int image_library(ImageLibrary *l, const char *path, surgery_error *err) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  int status = l->loaded ? 0 : load(l, path, err);
  pthread_mutex_unlock(&lock);
  return status;
}
