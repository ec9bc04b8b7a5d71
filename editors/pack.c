/* A zip archive of files, in the order in which they are named and with nothing of this machine in it: no times, owners
 * or modes, which CMake's own tar puts into one. Run by the build for the extension of Visual Studio Code:
 *
 *   pack_files ARCHIVE FILE…     files are named as they are in the archive, from the working directory */
#include "runtime/weights/zip.h"
#include <stdio.h>
#include <stdlib.h>

static bool add(ZipWriter *zip, const char *name, surgery_error *err) {
  enum { MOST = 1 << 24 };
  FILE *file = fopen(name, "rb");
  char *bytes = malloc(MOST);
  size_t size = file && bytes ? fread(bytes, 1, MOST, file) : 0;
  bool good = size && size < MOST && !ferror(file);
  if (!good) snprintf(err->message, sizeof err->message, "%s cannot be read", name);
  else good = zip_writer_add(zip, name, (ZipData){.data = bytes, .size = size}, 1, err) == 0;
  if (file) fclose(file);
  free(bytes);
  return good;
}

int main(int argc, char **argv) {
  surgery_error err = {0};
  ZipWriter *zip = argc > 2 ? zip_writer_open(argv[1], 0, &err) : NULL;
  bool good = zip != NULL;
  for (int i = 2; good && i < argc; i++) good = add(zip, argv[i], &err);
  if (zip && !good) zip_writer_abort(zip);
  if (good && zip_writer_commit(zip, NULL, &err) == 0) return 0;
  fprintf(stderr, "pack_files: %s\n", argc > 2 ? err.message : "an archive and files are needed");
  return 1;
}
