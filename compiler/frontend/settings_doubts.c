/* What a train block may say and nearly never means: a loss on outputs that it is not for, a rate that no network learns
 * with. Warnings only. Called by settings_check.c when all shapes are known. */
#include "compiler/frontend/settings_train.h"

/* The node that makes the first output, before what leaves its numbers as they are. */
static const Node *last_node(const Graph *g) {
  ValueId value = g->outputs.at[0].value;
  for (NodeId id = g->values.at[value].producer; id != NO_ID; id = g->values.at[value].producer) {
    const Node *n = &g->nodes.at[id];
    if (n->op != OP_Identity && n->op != OP_Flatten && n->op != OP_Dropout) return n;
    value = n->inputs.at[0];
  }
  return NULL;
}

static const char *loss_name(const LossConfig *loss) {
  return loss->kind == LOSS_CROSS_ENTROPY ? "CrossEntropy" : "BCEWithLogits";
}

static void doubt_loss(Session *s, const Graph *g, const TrainConfig *train) {
  const LossConfig *loss = &train->loss;
  const Node *last = last_node(g);
  const Shape *out = &g->values.at[g->outputs.at[0].value].shape;
  Span span = loss->span.end > loss->span.begin ? loss->span : train->span;
  if (loss->kind != LOSS_CROSS_ENTROPY && loss->kind != LOSS_BCE_WITH_LOGITS) return;
  if (last && (last->op == OP_Softmax || last->op == OP_Sigmoid)) {
    const char *op = last->op == OP_Softmax ? "Softmax" : "Sigmoid";
    const char *own = loss->kind == LOSS_CROSS_ENTROPY ? "a softmax" : "a sigmoid";
    Diag *d = diag_report(&s->diags, DIAG_W0565, span, "%s takes logits and has %s of its own, but the network ends in %s", loss_name(loss),
                          own, op);
    if (last->module == NO_ID)
      diag_help(&s->diags, d, "return the values before it: predict makes probabilities of logits itself");
    else
      diag_help(&s->diags, d, "remove %s; predict makes probabilities of logits itself", g->modules.at[last->module].name);
  } else if (loss->kind == LOSS_CROSS_ENTROPY && out->rank >= 1 && out->dim[0] == 1) {
    Diag *d = diag_report(&s->diags, DIAG_W0565, span, "CrossEntropy chooses among the outputs, but there is one: %s; its loss is always 0",
                          shape_text(s->arena, out));
    diag_help(&s->diags, d, "for two classes: two outputs, or loss BCEWithLogits; for a number: loss MSE");
  }
}

/* Adam and RMSprop divide by the size of the gradient: their rate is the size of a step. */
static void doubt_rate(Session *s, const OptimizerConfig *optimizer, double rate, Span span) {
  const double least = 1e-9, most = optimizer->kind == OPTIMIZER_SGD ? 10 : 0.5;
  static const char *const names[] = {[OPTIMIZER_SGD] = "SGD", [OPTIMIZER_ADAM] = "Adam", [OPTIMIZER_ADAMW] = "AdamW",
                                      [OPTIMIZER_RMSPROP] = "RMSprop"};
  static const char *const usual[] = {[OPTIMIZER_SGD] = "0.001 to 0.1", [OPTIMIZER_ADAM] = "0.0001 to 0.01",
                                      [OPTIMIZER_ADAMW] = "0.0001 to 0.01", [OPTIMIZER_RMSPROP] = "0.0001 to 0.01"};
  if (!(rate < least || rate > most) || span.end <= span.begin) return;
  Diag *d = diag_report(&s->diags, DIAG_W0566, span, rate == 0 ? "with a rate of %g nothing is learnt" :
                        rate < least ? "with a rate of %g the weights hardly change" : "with a rate of %g a training nearly always diverges", rate);
  diag_help(&s->diags, d, "usual with %s: lr=%s", names[optimizer->kind], usual[optimizer->kind]);
}

void settings_doubts(Session *s, const Graph *g, const TrainConfig *train) {
  doubt_loss(s, g, train);
  for (size_t i = 0; i < train_phase_count(train); i++) {
    const PhaseConfig *stage = train_phase(train, i);
    if (stage->schedule.kind == SCHEDULE_ONE_CYCLE) continue; /* which sets the rate itself */
    bool told = false; /* phases without an optimizer of their own have the block's */
    for (size_t k = 0; k < i; k++) told |= train_phase(train, k)->optimizer.span.begin == stage->optimizer.span.begin;
    if (!told) doubt_rate(s, &stage->optimizer, stage->optimizer.lr, stage->optimizer.span);
  }
}
