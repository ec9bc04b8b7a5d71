/* Fusion: which of the nodes behind a head can be done in its call. A follower is taken along only when it is the
 * one user of the value, so that no one misses what is never written. */
#include "compiler/ops/lower.h"

NodeId only_follower(const Lower *l, NodeId n) {
  const ValueState *state = &l->value[l->g->nodes.at[l->node[n].last].output];
  if (l->inspecting) return NO_ID;
  return state->uses == 1 ? state->only_user : NO_ID;
}

Activation node_activation(const Graph *g, NodeId n, double *slope) {
  *slope = 0;
  switch (g->nodes.at[n].op) {
  case OP_ReLU:
  case OP_relu: return ACT_RELU;
  case OP_ReLU6: return ACT_RELU6;
  case OP_LeakyReLU: *slope = node_args(g, n)->negative_slope; return ACT_LEAKY_RELU;
  case OP_Sigmoid: return ACT_SIGMOID;
  case OP_Tanh:
  case OP_tanh: return ACT_TANH;
  case OP_gelu:
  case OP_GELU: return streq(node_args(g, n)->approximate, "tanh") ? ACT_GELU_TANH : ACT_GELU;
  default: return ACT_NONE;
  }
}

static void take_along(Lower *l, NodeId head, NodeId follower) {
  l->node[follower].fused = l->node[follower].lowered = true;
  l->node[head].last = follower;
}

void fuse_epilogue(Lower *l, NodeId n, bool residual, bool relu6) {
  NodeState *state = &l->node[n];
  NodeId next = only_follower(l, n);
  if (residual && next != NO_ID && l->g->nodes.at[next].op == OP_add) {
    const Node *add = &l->g->nodes.at[next];
    ValueId mine = l->g->nodes.at[state->last].output;
    ValueId other = add->inputs.at[0] == mine ? add->inputs.at[1] : add->inputs.at[0];
    const ValueState *there = &l->value[other];
    if (other != mine && (there->at[LAYOUT_NCHW16C] != NO_ID || there->at[LAYOUT_NCHW] != NO_ID)) {
      state->residual = other;
      take_along(l, n, next);
      next = only_follower(l, n);
    }
  }
  if (next == NO_ID) return;
  double slope;
  Activation activation = node_activation(l->g, next, &slope);
  if (activation == ACT_RELU || (activation == ACT_RELU6 && relu6)) {
    state->activation = activation;
    take_along(l, n, next);
  }
}
