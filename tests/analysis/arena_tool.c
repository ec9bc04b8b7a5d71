/* What a compiled network allocates for 16 samples: arena_tool LIBRARY.so WEIGHTS (a library called
 * sized). Prints for each function what its manifest gives, then what a forward pass and a training step have
 * allocated. Called by arena.sh. */
#include "runtime/net/net.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 16 };
static surgery_error err;

static surgery_net *open_net(const sg_network *network, const char *weights) {
  surgery_net *net = surgery_open(network, weights, &err);
  if (!net) fprintf(stderr, "arena_tool: %s\n", err.message), exit(1);
  return net;
}

int main(int argc, char **argv) {
  static const char *const names[NET_FUNCTIONS] = {
      [NET_FORWARD] = "forward", [NET_PREFIX] = "prefix", [NET_TAIL] = "tail", [NET_STEP] = "step"};
  void *library = argc == 3 ? dlopen(argv[1], RTLD_NOW) : NULL;
  const sg_network *network = library ? dlsym(library, "sized_network") : NULL;
  if (!network) {
    fprintf(stderr, "arena_tool: %s\n", argc == 3 ? dlerror() : "usage: arena_tool LIBRARY.so WEIGHTS");
    return 1;
  }
  surgery_net *net = open_net(network, argv[2]);
  for (int f = 0; f < NET_FUNCTIONS; f++)
    if (names[f] && net_has(net, net_first_phase(net), (NetFunction)f))
      printf("manifest-%s %lld\n", names[f],
             (long long)net_arena_bytes(net->manifest, net_first_phase(net), (NetFunction)f, SAMPLES, sg_threads()));
  float *x = calloc((size_t)(SAMPLES * net->manifest->input.shape.count), sizeof *x), loss;
  float *y = calloc((size_t)(SAMPLES * net->manifest->outputs[0].shape.count), sizeof *y);
  int32_t target[SAMPLES] = {0};
  for (int64_t i = 0; i < SAMPLES * net->manifest->input.shape.count; i++) x[i] = (float)(i % 7) - 3;
  if (surgery_forward(net, SAMPLES, x, y)) return 1;
  printf("allocated-forward %lld\n", (long long)net->arena_bytes);
  surgery_close(net);
  net = open_net(network, argv[2]);
  if (surgery_train_step(net, SAMPLES, x, target, &loss)) return 1;
  printf("allocated-train %lld\n", (long long)net->arena_bytes);
  surgery_close(net);
  free(x), free(y);
  return 0;
}
