/* measure RUNS OUTPUT COMMAND…: runs the command RUNS times with its output in the file OUTPUT, and prints a line for
 * each: milliseconds from fork to exit, and the peak of its resident memory in KiB by wait4: private memory and those
 * pages of the program, its libraries and its mapped files that it touched; of its own child processes the largest
 * counts. Status 1: a run failed. A program of its own because a process starts with the peak of the one that made it,
 * which therefore must be small. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void become(const char *output, char **command) {
  int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0 || dup2(fd, 1) < 0) {
    fprintf(stderr, "measure: %s: %s\n", output, strerror(errno));
    _exit(126);
  }
  close(fd);
  execvp(command[0], command);
  fprintf(stderr, "measure: %s: %s\n", command[0], strerror(errno));
  _exit(127);
}

int main(int argc, char **argv) {
  long runs = argc > 3 ? strtol(argv[1], NULL, 10) : 0;
  if (runs < 1) {
    fputs("usage: measure RUNS OUTPUT COMMAND...\n", stderr);
    return 2;
  }
  for (long i = 0; i < runs; i++) {
    struct rusage used;
    int status;
    double start = now();
    pid_t child = fork();
    if (child == 0) become(argv[2], argv + 3);
    while (child > 0 && wait4(child, &status, 0, &used) < 0 && errno == EINTR) {}
    if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;
    printf("%.3f %ld\n", now() - start, used.ru_maxrss);
  }
  return 0;
}
