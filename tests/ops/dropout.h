/* Dropout with noise, whose numbers cannot be PyTorch's: judged by what they must be in the mean; see dropout.c. */
#ifndef SURGERY_TESTS_OPS_DROPOUT_H
#define SURGERY_TESTS_OPS_DROPOUT_H
/* Compiles its cases in `folder`; 0: all is as it should be. */
int check_dropout(const char *folder);
#endif
