/* What a train block may say and nearly never means: a loss on outputs that it is not for, a rate that no network
 * learns with. Warnings only. Called by settings_check.c when all shapes are known. */
#include "compiler/settings/binder.h"
#include "runtime/train/usual_rate.h"
#include <math.h>

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
    Diag *d =
        diag_report(&s->diags, DIAG_W0565, span, "%s takes logits and has %s of its own, but the network ends in %s",
                    loss_name(loss), own, op);
    if (last->module == NO_ID)
      diag_help(&s->diags, d, "return the values before it: predict makes probabilities of logits itself");
    else
      diag_help(&s->diags, d, "remove %s; predict makes probabilities of logits itself",
                g->modules.at[last->module].name);
  } else if (loss->kind == LOSS_CROSS_ENTROPY && out->rank >= 1 && out->dim[0] == 1) {
    Diag *d = diag_report(&s->diags, DIAG_W0565, span,
                          "CrossEntropy chooses among the outputs, but there is one: %s; its loss is always 0",
                          shape_text(s->arena, out));
    diag_help(&s->diags, d, "for two classes: two outputs, or loss BCEWithLogits; for a number: loss MSE");
  }
}

static void doubt_rate(Session *s, const OptimizerConfig *optimizer, double rate, Span span) {
  static const char *const names[] = {
      [OPTIMIZER_SGD] = "SGD", [OPTIMIZER_ADAM] = "Adam", [OPTIMIZER_ADAMW] = "AdamW", [OPTIMIZER_RMSPROP] = "RMSprop"};
  const UsualRate *usual = usual_rate(names[optimizer->kind]);
  const char *doubt = usual && !isnan(rate) ? rate_doubt(usual, rate) : NULL;
  if (!doubt || span.end <= span.begin) return;
  for (size_t i = 0; i < s->diags.all.count; i++) { /* phases have the block's where they set none of their own */
    const Diag *other = s->diags.all.at[i];
    if (other->code == DIAG_W0566 && other->span.source == span.source && other->span.begin == span.begin) return;
  }
  char text[100];
  snprintf(text, sizeof text, doubt, rate);
  Diag *d = diag_report(&s->diags, DIAG_W0566, span, "%s", text);
  diag_help(&s->diags, d, "usual with %s: lr=%s", usual->optimizer, usual->usual);
}

/* Where the rates of a stage come from: the groups', then of what has none the schedule's highest or the optimizer's.
 */
static void doubt_rates(Session *s, const PhaseConfig *stage) {
  const OptimizerConfig *optimizer = &stage->optimizer;
  for (size_t i = 0; i < stage->groups.count; i++)
    doubt_rate(s, optimizer, stage->groups.at[i].lr, stage->groups.at[i].span);
  if (stage->schedule.kind == SCHEDULE_ONE_CYCLE) /* which sets the rate itself */
    doubt_rate(s, optimizer, stage->schedule.max_lr, stage->schedule.span);
  else doubt_rate(s, optimizer, optimizer->lr, optimizer->span);
}

void settings_doubts(Session *s, const Graph *g, const TrainConfig *train) {
  doubt_loss(s, g, train);
  for (size_t i = 0; i < train_phase_count(train); i++) doubt_rates(s, train_phase(train, i));
}
