/* input, labels and train: what arrives, and a message for each way to get it wrong. */
#include "front_test.h"
#include <math.h>

#define TAKE "take lenet from random\n"
#define TRAIN(body) TAKE "train { " body " }\n"
#define IMAGE(body) TAKE "input image(1, 28, 28) { " body " }\n"

static void block_values(void **state) {
  Run r = accepted(TRAIN("optimizer SGD(lr=0.1, momentum=0.9, nesterov=true)\n"
                         "loss CrossEntropy(label_smoothing=0.1, weight=[1, 1, 1, 1, 1, 2, 1, 1, 1, 0.5])\n"
                         "batch 16; epochs 25; seed 7\n"
                         "group conv1 lr=1e-3 weight_decay=0\n"
                         "augment random_resized_crop(28, scale=(0.5, 1)), horizontal_flip(p=0.25)"));
  const TrainConfig *t = r.script.train;
  assert_int_equal(t->all.recipe.optimizer.kind, OPTIMIZER_SGD);
  assert_true(t->all.recipe.optimizer.lr == 0.1 && t->all.recipe.optimizer.SGD.momentum == 0.9 &&
              t->all.recipe.optimizer.SGD.nesterov);
  assert_int_equal(t->recipe.loss.kind, LOSS_CrossEntropy);
  assert_true(t->recipe.loss.CrossEntropy.label_smoothing == 0.1 && t->recipe.loss.CrossEntropy.weight.count == 10 &&
              t->recipe.loss.CrossEntropy.weight.at[5] == 2);
  assert_int_equal(t->all.recipe.batch, 16);
  assert_int_equal(t->all.recipe.epochs, 25);
  assert_int_equal(t->recipe.seed, 7);
  assert_int_equal(t->all.groups.count, 1);
  assert_int_equal(t->all.groups.at[0].params.count, 2);
  assert_true(t->all.groups.at[0].args.lr == 1e-3 && t->all.groups.at[0].args.weight_decay == 0 &&
              isnan(t->all.groups.at[0].args.momentum));
  assert_int_equal(t->all.augment.count, 2);
  assert_true(t->all.augment.at[0].config.random_resized_crop.size[1] == 28 &&
              t->all.augment.at[0].config.random_resized_crop.scale[0] == 0.5 &&
              t->all.augment.at[0].config.random_resized_crop.ratio[0] == 0.75);
  assert_true(t->all.augment.at[1].config.horizontal_flip.p == 0.25);
  run_end(&r);
}

static void block_defaults(void **state) {
  Run r = accepted(TRAIN("optimizer AdamW"));
  const TrainConfig *t = r.script.train;
  assert_int_equal(t->all.recipe.optimizer.kind, OPTIMIZER_AdamW);
  assert_true(t->all.recipe.optimizer.lr == 1e-3 && t->all.recipe.optimizer.AdamW.betas[0] == 0.9 &&
              t->all.recipe.optimizer.AdamW.betas[1] == 0.999);
  assert_true(t->all.recipe.optimizer.AdamW.eps == 1e-8 && t->all.recipe.optimizer.AdamW.weight_decay == 1e-2 &&
              !t->all.recipe.optimizer.AdamW.amsgrad);
  assert_int_equal(t->all.recipe.batch, 32);
  run_end(&r);
  r = accepted(TRAIN("loss MSE"));
  assert_int_equal(r.script.train->all.recipe.optimizer.kind, OPTIMIZER_Adam);
  assert_true(r.script.train->all.recipe.optimizer.Adam.weight_decay == 0);
  assert_int_equal(r.script.train->recipe.loss.kind, LOSS_MSE);
  run_end(&r);
  r = accepted(
      "let rate = 0.5\nlet big = true\n" TRAIN("if big { batch 64 }\noptimizer Adam(rate / 2, betas=(0.8, 0.9))"));
  assert_true(r.script.train->all.recipe.optimizer.lr == 0.25 &&
              r.script.train->all.recipe.optimizer.Adam.betas[0] == 0.8);
  assert_int_equal(r.script.train->all.recipe.batch, 64);
  run_end(&r);
}

static void train_refusals(void **state) {
  static const Refusal table[] = {
      {TRAIN("epoch 25"), "E0501", "did you mean 'epochs'"},
      {TRAIN("optimizer LBFGS(lr=0.1)"), "E0503", "optimizer 'LBFGS' is not supported yet by this version"},
      {TRAIN("loss KLDiv"), "E0503", "loss 'KLDiv'"},
      {TRAIN("augment cutmix"), "E0503", "augmentation 'cutmix'"},
      {TRAIN("schedule plateau"), "E0503", "schedule 'plateau'"},
      {TRAIN("optimizer Adm(lr=0.1)"), "E0502", "did you mean 'Adam'"},
      {TRAIN("loss CrossEntropyLoss"), "E0502", "it is called CrossEntropy here"},
      {TRAIN("loss BCEWithLogitsLoss"), "E0502", "it is called BCEWithLogits here"},
      {TRAIN("augment horizontal_flop"), "E0502", "did you mean 'horizontal_flip'"},
      {TRAIN("optimizer SGD(momentum=0.9)"), "E0110", "SGD is missing the argument 'lr'"},
      {TRAIN("optimizer SGD(lr=0.1, nesterov=true)"), "E0504", "nesterov needs a momentum"},
      {TRAIN("optimizer SGD(lr=-1)"), "E0113", "lr must be at least 0, not -1"},
      {TRAIN("optimizer Adam(learning_rate=0.1)"), "E0108", "Adam has no argument 'learning_rate'"},
      {TRAIN("optimizer Adam(betas=(1, 0.9))"), "E0113", "betas must lie between 0 and 1"},
      {TRAIN("optimizer Adam(betas=0.9)"), "E0112", "a pair of numbers"},
      {TRAIN("optimizer Adam(lr=\"fast\")"), "E0112", "lr must be a number"},
      {TRAIN("loss CrossEntropy(label_smoothing=2)"), "E0113", "label_smoothing"},
      {TRAIN("loss CrossEntropy(weight=3)"), "E0112", "one number for each class"},
      {TRAIN("loss CrossEntropy(weight=[1, 2])"), "E0508", "2 class weights, but the output is (N, 10)"},
      {TRAIN("batch 0"), "E0113", "batch must be at least 1"},
      {TRAIN("batch 2.5"), "E0112", "batch must be an integer"},
      {TRAIN("epochs 0"), "E0113", "epochs"},
      {TRAIN("seed -1"), "E0113", "seed"},
      {TRAIN("batch 16; batch 32"), "E0505", "'batch' is given twice"},
      {TRAIN("augment horizontal_flip, horizontal_flip"), "E0505", "horizontal_flip is given twice"},
      {TRAIN("augment random_resized_crop(224)"), "E0506", "224 x 224, but the input is (N, 1, 28, 28)"},
      {TRAIN("augment random_resized_crop(28, scale=(1, 0.5))"), "E0504", "from the smaller to the larger"},
      {"take mlp from random\ntrain { augment horizontal_flip }", "E0506", "augment is for images"},
      {TRAIN("group conv1 lr=1e-3; group conv1.weight lr=1e-4"), "E0509", "is in two groups"},
      {TRAIN("group conv1 rate=1e-3"), "E0108", "group has no argument 'rate'"},
      {TRAIN("group relu1 lr=1e-3"), "E0509", "no parameters to train"},
      {TRAIN("group conv1 momentum=0.5"), "E0509", "SGD and RMSprop only"},
      {TRAIN("group convv1 lr=1e-3"), "E0201", "conv1"},
  };
  REFUSE_ALL(table);
}

static void train_extras(void **state) {
  Run r = accepted(
      TRAIN("optimizer RMSprop(lr=0.1, alpha=0.9, momentum=0.5, centered=true)\n"
            "schedule multistep([3, 5], gamma=0.5, warmup=2, start_factor=0.1)\n"
            "loss BCEWithLogits(pos_weight=[1, 1, 1, 1, 1, 2, 1, 1, 1, 0])\n"
            "clip_norm 1.0; accumulate 4; mixup 0.2; ema 0.99\n"
            "early_stop patience=3 min_delta=0.01 monitor=accuracy\n"
            "save fc3, conv1.weight to \"part.pth\"\n"
            "augment random_crop(28, padding=4), vertical_flip, color_jitter(0.4, hue=(-0.1, 0.2)), rotation(10), "
            "erasing(p=0.25)"));
  const TrainConfig *t = r.script.train;
  assert_int_equal(t->all.recipe.optimizer.kind, OPTIMIZER_RMSprop);
  assert_true(t->all.recipe.optimizer.RMSprop.alpha == 0.9 && t->all.recipe.optimizer.RMSprop.momentum == 0.5 &&
              t->all.recipe.optimizer.RMSprop.centered);
  assert_int_equal(t->all.recipe.schedule.kind, SCHEDULE_multistep);
  assert_true(t->all.recipe.schedule.multistep.milestones.count == 2 &&
              t->all.recipe.schedule.multistep.milestones.at[1] == 5 && t->all.recipe.schedule.multistep.gamma == 0.5);
  assert_true(t->all.recipe.schedule.multistep.warmup == 2 && t->all.recipe.schedule.multistep.start_factor == 0.1 &&
              !schedule_counts_steps(&t->all.recipe.schedule));
  assert_int_equal(t->recipe.loss.kind, LOSS_BCEWithLogits);
  assert_true(t->recipe.loss.BCEWithLogits.pos_weight.count == 10 && t->recipe.clip_norm == 1 &&
              t->recipe.accumulate == 4 && t->recipe.mixup == 0.2 && t->recipe.ema == 0.99);
  assert_true(t->recipe.early_stop.patience == 3 && t->recipe.early_stop.min_delta == 0.01 &&
              t->recipe.early_stop.monitor == 1);
  assert_true(t->saves.count == 1 && t->saves.at[0].params.count == 3 && streq(t->saves.at[0].file, "part.pth"));
  assert_int_equal(t->all.augment.count, 5);
  assert_true(t->all.augment.at[0].config.random_crop.padding == 4 &&
              t->all.augment.at[3].config.rotation.degrees[0] == -10);
  const Args_color_jitter *jitter = &t->all.augment.at[2].config.color_jitter;
  assert_true(jitter->brightness[0] == 0.6 && jitter->brightness[1] == 1.4 && jitter->contrast[0] == 1 &&
              jitter->hue[0] == -0.1 && jitter->hue[1] == 0.2);
  run_end(&r);
  r = accepted(TRAIN("early_stop(patience=4, min_delta=0.5)")); /* as a call */
  assert_true(r.script.train->recipe.early_stop.patience == 4 && r.script.train->recipe.early_stop.min_delta == 0.5);
  run_end(&r);
  r = accepted(TRAIN("schedule one_cycle(0.1, three_phase=true, anneal_strategy=\"linear\")"));
  assert_true(schedule_counts_steps(&r.script.train->all.recipe.schedule) &&
              r.script.train->all.recipe.schedule.one_cycle.max_lr == 0.1);
  assert_true(r.script.train->all.recipe.schedule.one_cycle.anneal_strategy == 1 &&
              r.script.train->all.recipe.schedule.one_cycle.three_phase);
  run_end(&r);
}

/* What a phase says stands in place of the block's; groups of the block hold but for what the phase's own pick; each
 * begins with what the one before left frozen. */
static void phases(void **state) {
  Run r = accepted(
      TAKE
      "freeze all\n"
      "train {\n"
      "  phase head { epochs 3; unfreeze fc3; schedule none }\n"
      "  phase more { epochs 2; unfreeze fc2; freeze parameters of fc3.bias; lr 0.01; batch 4; group fc2 lr=1e-4 }\n"
      "  optimizer SGD(lr=0.1, momentum=0.9); schedule cosine; batch 8; epochs 5\n"
      "  group fc2.weight, fc3 weight_decay=0\n"
      "}");
  const TrainConfig *t = r.script.train;
  const Graph *g = r.script.graph;
  assert_int_equal(t->phases.count, 2);
  const PhaseConfig *head = &t->phases.at[0], *more = &t->phases.at[1];
  assert_true(head->recipe.epochs == 3 && more->recipe.epochs == 2 && head->recipe.batch == 8 &&
              more->recipe.batch == 4);
  assert_true(head->recipe.optimizer.lr == 0.1 && more->recipe.optimizer.lr == 0.01 &&
              more->recipe.optimizer.SGD.momentum == 0.9);
  assert_true(!head->recipe.own_lr && more->recipe.own_lr);
  assert_true(head->recipe.schedule.kind == SCHEDULE_none && more->recipe.schedule.kind == SCHEDULE_cosine);
  assert_true(head->groups.count == 1 && more->groups.count == 2);
  assert_true(more->groups.at[0].args.lr == 1e-4 && more->groups.at[1].params.count == 2); /* fc3, without fc2.weight */
  const char *const trained[][3] = {
      {"fc3.weight", "y", "y"}, {"fc3.bias", "y", "n"}, {"fc2.weight", "n", "y"}, {"fc1.weight", "n", "n"}};
  for (size_t i = 0; i < 4; i++)
    for (size_t p = 0; p < g->params.count; p++) {
      if (!streq(g->params.at[p].name, trained[i][0])) continue;
      assert_int_equal(head->trainable[p], *trained[i][1] == 'y');
      assert_int_equal(more->trainable[p], *trained[i][2] == 'y');
      assert_int_equal(g->params.at[p].trainable, *trained[i][1] == 'y' || *trained[i][2] == 'y');
    }
  run_end(&r);
  r = accepted("let long = true\n" TAKE "train { phase a { epochs 1 }; if long { phase b { epochs 2 * 4 } } }\n");
  assert_int_equal(r.script.train->phases.count, 2);
  assert_int_equal(r.script.train->phases.at[1].recipe.epochs, 8);
  run_end(&r);
}

static void more_refusals(void **state) {
  static const Refusal table[] = {
      {TRAIN("schedule cosin"), "E0502", "did you mean 'cosine'"},
      {TRAIN("schedule CosineAnnealingLR"), "E0502", "it is called cosine here"},
      {TRAIN("schedule step"), "E0110", "step is missing the argument 'step_size'"},
      {TRAIN("schedule step(5, gamma=-1)"), "E0113", "gamma must be at least 0, not -1"},
      {TRAIN("schedule exponential(gamma=0.9, interval=\"week\")"), "E0112", "\"epoch\" or \"step\""},
      {TRAIN("schedule multistep([5, 3])"), "E0515", "milestone 3 follows 5"},
      {TRAIN("schedule multistep(5)"), "E0112", "a list of epochs"},
      {TRAIN("schedule cosine(start_factor=0.1)"), "E0515", "there is none"},
      {TRAIN("schedule cosine(warmup=2, start_factor=0)"), "E0515", "above 0"},
      {TRAIN("epochs 5; schedule cosine(warmup=500)"), "E0515", "interval=\"step\""},
      {TRAIN("schedule linear(start_factor=2)"), "E0113", "start_factor"},
      {TRAIN("schedule one_cycle"), "E0110", "'max_lr'"},
      {TRAIN("schedule one_cycle(0.1, pct_start=2)"), "E0113", "pct_start"},
      {TRAIN("clip_norm 0"), "E0504", "clip_norm must be above 0"},
      {TRAIN("clip_norm \"much\""), "E0112", "clip_norm must be a number"},
      {TRAIN("accumulate 0"), "E0113", "accumulate"},
      {TRAIN("ema 1"), "E0113", "ema"},
      {TRAIN("mixup -1"), "E0113", "mixup"},
      {TRAIN("loss MSE; mixup 0.2"), "E0517", "mixup mixes classes, but MSE has none"},
      {TRAIN("loss L1; mixup 0.2"), "E0517", "L1"},
      {TRAIN("early_stop"), "E0110", "'patience'"},
      {TRAIN("early_stop patience=3 monitor=\"top5\""), "E0112", "\"loss\" or \"accuracy\""},
      {TRAIN("lr 0.1"), "E0501", "the rate is the optimizer's"},
      {TRAIN("augment mixup"), "E0502", "a setting of its own"},
      {TRAIN("augment ColorJitter(0.1)"), "E0502", "it is called color_jitter here"},
      {TRAIN("augment color_jitter"), "E0504", "color_jitter changes nothing"},
      {TRAIN("augment color_jitter(hue=0.6)"), "E0113", "hue"},
      {TRAIN("augment rotation((10, -10))"), "E0504", "degrees"},
      {TRAIN("augment random_crop(28), random_resized_crop(28)"), "E0505", "only one of them"},
      {TRAIN("augment random_crop(32, padding=4)"), "E0506", "random_crop makes images of 32 x 32"},
      {TRAIN("loss BCEWithLogits(pos_weight=[1, 2])"), "E0508", "BCEWithLogits has 2 class weights"},
      {TRAIN("freeze conv1"), "E0520", "belongs in a phase"},
      {TRAIN("unfreeze conv1"), "E0520", "phase NAME { epochs 3; unfreeze"},
      {TRAIN("phase head { freeze conv1 }"), "E0516", "does not say how long it is"},
      {TRAIN("phase head { epochs 3 }; phase head { epochs 2 }"), "E0516", "two phases 'head'"},
      {TRAIN("epochs 10; phase head { epochs 3 }; phase all { epochs 2 }"), "E0516", "have 5 epochs together, not 10"},
      {TRAIN("phase head { epochs 3; loss MSE }"), "E0516", "holds for the whole training"},
      {TRAIN("phase head { epochs 3; save all to \"x.pth\" }"), "E0121", "after the last of them"},
      {TRAIN("phase head { epochs 3; phase b { epochs 1 } }"), "E0121", "'phase' is not allowed in a phase"},
      {TRAIN("phase head { epochs 3; epoch 4 }"), "E0501", "did you mean 'epochs'"},
      {TRAIN("phase head { epochs 3; freeze all }"), "E0518", "has nothing to train"},
      {TRAIN("phase head { epochs 3; group conv1 lr=1; group conv1.bias lr=2 }"), "E0509", "is in two groups"},
      {TRAIN("save all to \"weights.txt\""), "E0519", ".safetensors, .pth or .npz"},
      {TRAIN("save all to \"a.pth\"; save conv1 to \"a.pth\""), "E0519", "is written twice"},
      {TRAIN("save relu1 to \"a.pth\""), "E0519", "no tensors"},
      {TRAIN("save convv1 to \"a.pth\""), "E0201", "conv1"},
      {TRAIN("remove conv1"), "E0121", "'remove' is not allowed in a train block"},
  };
  REFUSE_ALL(table);
}

static void warnings(void **state) {
  static const char *const table[][2] = {
      {TRAIN("epochs 5; early_stop patience=5"), "W0502"},
      {TRAIN("epochs 25; schedule step(30)"), "W0503"},
      {TRAIN("epochs 25; schedule multistep([30, 40])"), "W0503"},
      {TAKE "freeze conv1\ntrain { group conv1 lr=1e-3 }", "W0501"},
      {TRAIN("phase a { epochs 1; freeze conv1; group conv1 lr=1e-3 }"), "W0501"},
      {TRAIN("phase a { epochs 1; freeze conv1 }; phase b { epochs 1; freeze conv1 }"), "W0201"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    Run r = accepted(table[i][0]);
    if (!strstr(r.messages, table[i][1])) fail_msg("%s\nlacks %s:\n%s", table[i][0], table[i][1], r.messages);
    run_end(&r);
  }
  Run r =
      accepted(TRAIN("group conv1 lr=1e-3; phase a { epochs 1; freeze conv1 }; phase b { epochs 1; unfreeze conv1 }"));
  assert_null(strstr(r.messages, "W0501")); /* it is trained in one of them */
  run_end(&r);
}

static void input_values(void **state) {
  Run r = accepted("take resnet18 from random\ninput image(3, 192, 160) { resize (200, 180); center_crop (192, 160); "
                   "normalize imagenet }\n");
  const Input *in = &r.script.graph->input;
  assert_int_equal(in->preprocess.count, 3);
  assert_int_equal(in->preprocess.at[0].size[1], 180);
  assert_int_equal(in->preprocess.at[1].size[0], 192);
  assert_true(in->preprocess.at[2].mean[2] == 0.406 && in->preprocess.at[2].std[0] == 0.229);
  assert_int_equal(in->shape.dim[2], 160);
  run_end(&r);
  r = accepted(IMAGE("grayscale; resize 32; center_crop 28; normalize mean=[0.5] std=[0.25]"));
  in = &r.script.graph->input;
  assert_int_equal(in->preprocess.count, 4);
  assert_true(in->preprocess.at[1].size[0] == 32 && in->preprocess.at[1].size[1] == NONE_VALUE);
  assert_true(in->preprocess.at[3].mean[0] == 0.5 && in->preprocess.at[3].channels == 1);
  run_end(&r);
  r = accepted("take mlp(inputs=12) from random\n");
  assert_int_equal(r.script.graph->input.kind, INPUT_TENSOR);
  assert_int_equal(r.script.graph->input.shape.dim[0], 12);
  run_end(&r);
}

static void input_refusals(void **state) {
  static const Refusal table[] = {
      {TAKE "input imag(1, 28, 28)", "E0502", "did you mean 'image'"},
      {TAKE "input tokens(128)", "E0310", "token numbers (N, 128) flow into conv1"},
      {TAKE "input tokens()", "E0110", "'length'"},
      {TAKE "input tokens(0)", "E0113", "length must be at least 1"},
      {TAKE "input tokens(1.5)", "E0112", "length must be an integer"},
      {TAKE "input tokens(8, mask=1)", "E0112", "mask must be true or false"},
      {TAKE "input tokens(8, msk=true)", "E0108", "did you mean 'mask'"},
      {TAKE "input tokens(8) { resize 28 }", "E0506", "tokens come as they are"},
      {TAKE "input image(1, 28, 28, mask=true)", "E0108", "no argument 'mask'"},
      {TAKE "input tensor(784, mask=true)", "E0511", "the input is (N, 784)"},
      {"take mlp from random\ninput tensor(8, 784, mask=true)", "E0510", "nothing in the network reads one"},
      {TAKE "input image(1, 28)", "E0110", "'width'"},
      {TAKE "input image(0, 28, 28)", "E0113", "channels must be at least 1"},
      {TAKE "input tensor()", "E0110", "is missing its sizes"},
      {TAKE "input tensor(2000000000, 2000000000)", "E0113", "at most 2^32"},
      {TAKE "input tensor(784) { resize 28 }", "E0506", "preprocessing is for images"},
      {IMAGE("rezise 28"), "E0501", "did you mean 'resize'"},
      {IMAGE("resize 32; center_crop 24"), "E0506", "24 x 24, but the input is (N, 1, 28, 28)"},
      {IMAGE("resize 28"), "E0506", "leaves the other open"},
      {IMAGE("resize 0"), "E0113", "the size must be at least 1"},
      {IMAGE("resize"), "E0110", "resize is missing"},
      {IMAGE("normalize imagenet"), "E0506", "for 3 channels, but the input has 1"},
      {IMAGE("normalize imagnet"), "E0502", "did you mean 'imagenet'"},
      {IMAGE("normalize mean=[0.5] std=[0]"), "E0113", "std"},
      {IMAGE("normalize mean=[0.5] std=[0.5, 0.5]"), "E0504", "mean has 1 number, std has 2"},
      {IMAGE("normalize mean=[0.5] std=[0.5]; center_crop 28"), "E0506", "comes after normalize"},
      {"take resnet18 from random\ninput image(3, 224, 224) { grayscale }", "E0506", "grayscale makes 1 channel"},
      {"model Net() { a = ReLU() }\ntake Net from random", "E0506", "the network has no input"},
      {TAKE "labels \"a\", \"b\"", "E0508", "2 labels, but the output is (N, 10)"},
      {TAKE "labels \"a\", \"a\"", "E0507", "given twice"},
      {TAKE "labels \"a\", 3", "E0507", "not an integer"},
  };
  REFUSE_ALL(table);
}

/* A block with three mistakes gives three messages. */
static void all_at_once(void **state) {
  Run r = run_text(TRAIN("epoch 25; optimizer Adm(lr=1); batch 0"));
  assert_false(r.good);
  assert_int_equal(r.errors, 3);
  run_end(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(block_values),   cmocka_unit_test(block_defaults),
                                     cmocka_unit_test(train_refusals), cmocka_unit_test(train_extras),
                                     cmocka_unit_test(phases),         cmocka_unit_test(more_refusals),
                                     cmocka_unit_test(warnings),       cmocka_unit_test(input_values),
                                     cmocka_unit_test(input_refusals), cmocka_unit_test(all_at_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
