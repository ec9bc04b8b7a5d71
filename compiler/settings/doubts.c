/* What a train block may say and nearly never means: a loss on outputs that it is not for, a rate that no network
 * learns with. Warnings only. Called by check.c when all shapes are known. */
#include "compiler/settings/binder.h"
#include <math.h>

/* The node that makes the first output, before what leaves its numbers as they are. */
static const Node *last_node(const Graph *g) {
  ValueId value = g->outputs.at[0].value;
  for (NodeId id = value_at(g, value)->producer; id != NO_ID; id = value_at(g, value)->producer) {
    const Node *n = node_at(g, id);
    if (n->op != OP_Identity && n->op != OP_Flatten && n->op != OP_Dropout) return n;
    value = n->inputs.at[0];
  }
  return NULL;
}

static void doubt_loss(Session *s, const Graph *g, const TrainConfig *train) {
  const LossConfig *loss = &train->recipe.loss;
  const Node *last = last_node(g);
  const Shape *out = &value_at(g, g->outputs.at[0].value)->shape;
  Span span = is_said(train->said[SETTING_loss]) ? train->said[SETTING_loss] : train->span;
  LossTarget target = loss_target(loss);
  if (target == LOSS_VALUES) return;
  if (last && (last->op == OP_Softmax || last->op == OP_Sigmoid)) {
    const char *op = last->op == OP_Softmax ? "Softmax" : "Sigmoid";
    const char *own = target == LOSS_CLASSES ? "a softmax" : "a sigmoid";
    Diag *d =
        diag_report(&s->diags, DIAG_W0565, span, "%s takes logits and has %s of its own, but the network ends in %s",
                    loss_name(loss), own, op);
    if (last->module == NO_ID)
      diag_help(&s->diags, d, "return the values before it: predict makes probabilities of logits itself");
    else
      diag_help(&s->diags, d, "remove %s; predict makes probabilities of logits itself",
                module_at(g, last->module)->name);
  } else if (target == LOSS_CLASSES && out->rank >= 1 && out->dim[0] == 1) {
    Diag *d = diag_report(&s->diags, DIAG_W0565, span,
                          "%s chooses among the outputs, but there is one: %s; its loss is always 0", loss_name(loss),
                          shape_text(s->arena, out));
    diag_help(&s->diags, d, "for two classes: two outputs, or loss BCEWithLogits; for a number: loss MSE");
  }
}

static void doubt_rate(Session *s, const OptimizerConfig *optimizer, double rate, Span span) {
  const char *doubt = isnan(rate) ? NULL : rate_doubt(optimizer, rate);
  if (!doubt || !is_said(span)) return;
  for (size_t i = 0; i < s->diags.all.count; i++) { /* phases have the block's where they set none of their own */
    const Diag *other = s->diags.all.at[i];
    if (other->code == DIAG_W0566 && other->span.source == span.source && other->span.begin == span.begin) return;
  }
  char text[100];
  snprintf(text, sizeof text, doubt, rate);
  Diag *d = diag_report(&s->diags, DIAG_W0566, span, "%s", text);
  diag_help(&s->diags, d, "usual with %s: lr=%s", optimizer_name(optimizer), usual_rates(optimizer));
}

/* Where the rates of a stage come from: the groups', then of what has none the schedule's highest or the optimizer's.
 */
static void doubt_rates(Session *s, const PhaseConfig *stage) {
  const OptimizerConfig *optimizer = &stage->recipe.optimizer;
  const ScheduleConfig *schedule = &stage->recipe.schedule;
  for (size_t i = 0; i < stage->groups.count; i++)
    doubt_rate(s, optimizer, stage->groups.at[i].args.lr, stage->groups.at[i].span);
  if (schedule->kind == SCHEDULE_one_cycle) /* which sets the rate itself */
    doubt_rate(s, optimizer, schedule->one_cycle.max_lr, stage->said[SETTING_schedule]);
  else doubt_rate(s, optimizer, optimizer->lr, stage->said[SETTING_optimizer]);
}

void settings_doubts(Session *s, const Graph *g, const TrainConfig *train) {
  doubt_loss(s, g, train);
  for (size_t i = 0; i < train_phase_count(train); i++) doubt_rates(s, train_phase(train, i));
}
