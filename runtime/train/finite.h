/* Where NaN and infinity come from, once a loss or an output is one: the data, the weights as they were read, or
 * neither. Reads samples and weights again, so it is for the way out only. */
#ifndef SURGERY_FINITE_H
#define SURGERY_FINITE_H
#include "runtime/data/dataset.h"
#include "runtime/net/net.h"

/* Of samples order[begin … end), or begin … end where order is NULL, the first with a value or target that is not
 * finite. `to`: "x.npy[3]: value 17 of the sample is nan". False: none. */
bool finite_blame_data(Dataset *set, const int64_t *order, int64_t begin, int64_t end, char *to, size_t size);
/* Of the weights that the network was opened with: "w.safetensors: value 5 of 'fc.weight' is nan". */
bool finite_blame_weights(const surgery_net *net, char *to, size_t size);
#endif
