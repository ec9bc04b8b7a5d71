/* Every row of kernels.def must have a test: a line TEST_KERNEL(name) in a .c file of this folder
 * (call.h). Reads the sources, so that a row that was added without a test fails the suite.
 * `coverage FOLDER` */
#include "runtime/kernels/kernels.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tested[KERNEL_COUNT];
static const char *const names[] = {
#define KERNEL(name, params, kind, ...) #name,
#include "runtime/kernels/kernels.def"
};

static void note_line(const char *file, char *line) {
  static const char mark[] = "TEST_KERNEL(";
  if (strncmp(line, mark, sizeof mark - 1) != 0) return; /* in the first column: not in a comment or a macro */
  char *name = line + sizeof mark - 1;
  name[strcspn(name, ")")] = '\0';
  for (int i = 0; i < KERNEL_COUNT; i++)
    if (strcmp(names[i], name) == 0) tested[i]++;
}

static int note_file(const char *folder, const char *file) {
  char path[4096], line[1024];
  if (snprintf(path, sizeof path, "%s/%s", folder, file) >= (int)sizeof path) return -1;
  FILE *in = fopen(path, "r");
  if (!in) return -1;
  while (fgets(line, sizeof line, in)) note_line(file, line);
  return fclose(in);
}

int main(int argc, char **argv) {
  DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
  if (!folder) {
    fprintf(stderr, "usage: coverage FOLDER (of the kernels' tests)\n");
    return 2;
  }
  for (struct dirent *entry; (entry = readdir(folder));) {
    size_t length = strlen(entry->d_name);
    if (length < 3 || strcmp(entry->d_name + length - 2, ".c") != 0) continue;
    if (note_file(argv[1], entry->d_name) == 0) continue;
    fprintf(stderr, "%s/%s: cannot be read\n", argv[1], entry->d_name);
    return 2;
  }
  closedir(folder);
  int missing = 0;
  for (int i = 0; i < KERNEL_COUNT; i++) {
    if (tested[i]) continue;
    printf("%s: no test. Write one in %s and mark it TEST_KERNEL(%s);\n", names[i], argv[1], names[i]);
    missing++;
  }
  printf("%d kernels, %d without a test\n", (int)KERNEL_COUNT, missing);
  return missing != 0;
}
