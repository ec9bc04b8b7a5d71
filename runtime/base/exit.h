/* What surgeryc and compiled programs end with. */
#ifndef SURGERY_BASE_EXIT_H
#define SURGERY_BASE_EXIT_H

typedef enum ExitStatus {
  EXIT_DONE = 0,
  EXIT_WRONG_INPUT = 1,
  EXIT_DIFFERENT = 1, /* of `surgeryc diff`, where a wrong input is EXIT_ENVIRONMENT, and of `fmt --check` */
  EXIT_USAGE = 2,
  EXIT_ENVIRONMENT = 3, /* file, disk, memory */
  EXIT_BUG = 70,
  EXIT_INTERRUPTED = 130
} ExitStatus;
#endif
