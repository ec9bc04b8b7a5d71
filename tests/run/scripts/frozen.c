/* Each failure of a training step has a number of its own. Exit status 0 when it has. Compiled by
 * c-api/callers.sh with the headers of frozen.o, all of which is frozen, and single.o, whose BatchNorm sees
 * one value per channel. */
#include "frozen.h"
#include "single.h"

int main(void) {
  float x[SINGLE_INPUT_COUNT] = {0}, loss;
  int32_t target[1] = {0};
  frozen *f = frozen_open(NULL, NULL);
  single *s = single_open(NULL, NULL);
  if (!f || !s) return 3;
  int failed = frozen_train_step(f, 1, x, target, &loss) != SURGERY_NOT_TRAINABLE;
  failed |= single_train_step(s, 1, x, target, &loss) != SURGERY_SMALL_BATCH;
  target[0] = SINGLE_CLASSES;
  float two[2 * SINGLE_INPUT_COUNT] = {0};
  failed |= single_train_step(s, 2, two, (int32_t[]){0, SINGLE_CLASSES}, &loss) != SURGERY_BAD_TARGET;
  frozen_close(f), single_close(s);
  return failed;
}
