/* input, labels and train: what arrives, and a message for each way to get it wrong. */
#include "front_test.h"
#include <math.h>

#define TAKE "take lenet from random\n"
#define TRAIN(body) TAKE "train { " body " }\n"
#define IMAGE(body) TAKE "input image(1, 28, 28) { " body " }\n"

static void train_values(void **state) {
  Run r = accepted(TRAIN("optimizer SGD(lr=0.1, momentum=0.9, nesterov=true)\n"
                         "loss CrossEntropy(label_smoothing=0.1, weight=[1, 1, 1, 1, 1, 2, 1, 1, 1, 0.5])\n"
                         "batch 16; epochs 25; seed 7\n"
                         "group conv1 lr=1e-3 weight_decay=0\n"
                         "augment random_resized_crop(28, scale=(0.5, 1)), horizontal_flip(p=0.25)"));
  const TrainConfig *t = r.script.train;
  assert_int_equal(t->optimizer.kind, OPTIMIZER_SGD);
  assert_true(t->optimizer.lr == 0.1 && t->optimizer.momentum == 0.9 && t->optimizer.nesterov);
  assert_int_equal(t->loss.kind, LOSS_CROSS_ENTROPY);
  assert_true(t->loss.label_smoothing == 0.1 && t->loss.weight.count == 10 && t->loss.weight.at[5] == 2);
  assert_int_equal(t->batch, 16);
  assert_int_equal(t->epochs, 25);
  assert_int_equal(t->seed, 7);
  assert_int_equal(t->groups.count, 1);
  assert_int_equal(t->groups.at[0].params.count, 2);
  assert_true(t->groups.at[0].lr == 1e-3 && t->groups.at[0].weight_decay == 0 && isnan(t->groups.at[0].momentum));
  assert_int_equal(t->augment.count, 2);
  assert_true(t->augment.at[0].size[1] == 28 && t->augment.at[0].scale[0] == 0.5 && t->augment.at[0].ratio[0] == 0.75);
  assert_true(t->augment.at[1].p == 0.25);
  run_end(&r);
}

static void train_defaults(void **state) {
  Run r = accepted(TRAIN("optimizer AdamW"));
  const TrainConfig *t = r.script.train;
  assert_int_equal(t->optimizer.kind, OPTIMIZER_ADAMW);
  assert_true(t->optimizer.lr == 1e-3 && t->optimizer.beta1 == 0.9 && t->optimizer.beta2 == 0.999);
  assert_true(t->optimizer.eps == 1e-8 && t->optimizer.weight_decay == 1e-2 && !t->optimizer.amsgrad);
  assert_int_equal(t->batch, 32);
  run_end(&r);
  r = accepted(TRAIN("loss MSE"));
  assert_int_equal(r.script.train->optimizer.kind, OPTIMIZER_ADAM);
  assert_true(r.script.train->optimizer.weight_decay == 0);
  assert_int_equal(r.script.train->loss.kind, LOSS_MSE);
  run_end(&r);
  r = accepted("let rate = 0.5\nlet big = true\n" TRAIN("if big { batch 64 }\noptimizer Adam(rate / 2, betas=(0.8, 0.9))"));
  assert_true(r.script.train->optimizer.lr == 0.25 && r.script.train->optimizer.beta1 == 0.8);
  assert_int_equal(r.script.train->batch, 64);
  run_end(&r);
}

static void train_refusals(void **state) {
  static const Refusal table[] = {
      {TRAIN("epoch 25"), "E0501", "did you mean 'epochs'"},
      {TRAIN("schedule cosine"), "E0503", "'schedule' is not supported yet by this version"},
      {TRAIN("clip_norm 1.0"), "E0503", "'clip_norm'"},
      {TRAIN("mixup 0.2"), "E0503", "'mixup'"},
      {TRAIN("ema 0.99"), "E0503", "'ema'"},
      {TRAIN("phase head { epochs 3 }"), "E0503", "'phase'"},
      {TRAIN("optimizer RMSprop(lr=0.1)"), "E0503", "optimizer 'RMSprop'"},
      {TRAIN("loss BCEWithLogits"), "E0503", "loss 'BCEWithLogits'"},
      {TRAIN("loss L1"), "E0503", "loss 'L1'"},
      {TRAIN("optimizer Adm(lr=0.1)"), "E0502", "did you mean 'Adam'"},
      {TRAIN("loss CrossEntropyLoss"), "E0502", "known: CrossEntropy, MSE"},
      {TRAIN("augment horizontal_flop"), "E0502", "did you mean 'horizontal_flip'"},
      {TRAIN("optimizer SGD(momentum=0.9)"), "E0110", "SGD lacks the argument 'lr'"},
      {TRAIN("optimizer SGD(lr=0.1, nesterov=true)"), "E0504", "nesterov needs a momentum"},
      {TRAIN("optimizer SGD(lr=-1)"), "E0113", "lr must be at least 0, not -1"},
      {TRAIN("optimizer Adam(learning_rate=0.1)"), "E0108", "Adam has no argument 'learning_rate'"},
      {TRAIN("optimizer Adam(betas=(1, 0.9))"), "E0113", "betas must lie between 0 and 1"},
      {TRAIN("optimizer Adam(betas=0.9)"), "E0112", "a pair of numbers"},
      {TRAIN("optimizer Adam(lr=\"fast\")"), "E0112", "lr must be a number"},
      {TRAIN("loss CrossEntropy(label_smoothing=2)"), "E0113", "label_smoothing"},
      {TRAIN("loss CrossEntropy(weight=3)"), "E0112", "one number for each class"},
      {TRAIN("loss CrossEntropy(weight=[1, 2])"), "E0508", "2 class weights, but the output is (N, 10)"},
      {TRAIN("batch 0"), "E0113", "batch must lie between 1"},
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
      {TRAIN("group conv1 momentum=0.5"), "E0509", "SGD alone"},
      {TRAIN("group convv1 lr=1e-3"), "E0201", "conv1"},
  };
  REFUSE_ALL(table);
}

static void input_values(void **state) {
  Run r = accepted("take resnet18 from random\ninput image(3, 192, 160) { resize (200, 180); center_crop (192, 160); normalize imagenet }\n");
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
      {TAKE "input tokens(128)", "E0503", "'tokens' is not supported yet"},
      {TAKE "input image(1, 28)", "E0110", "'width'"},
      {TAKE "input image(0, 28, 28)", "E0113", "channels must lie between 1 and 4"},
      {TAKE "input tensor()", "E0110", "lacks its sizes"},
      {TAKE "input tensor(2000000000, 2000000000)", "E0113", "at most 2^32"},
      {TAKE "input tensor(784) { resize 28 }", "E0506", "preprocessing is for images"},
      {IMAGE("rezise 28"), "E0501", "did you mean 'resize'"},
      {IMAGE("resize 32; center_crop 24"), "E0506", "24 x 24, but the input is (N, 1, 28, 28)"},
      {IMAGE("resize 28"), "E0506", "leaves the other open"},
      {IMAGE("resize 0"), "E0113", "between 1 and 65535"},
      {IMAGE("resize"), "E0110", "resize lacks"},
      {IMAGE("normalize imagenet"), "E0506", "for 3 channels, but the input has 1"},
      {IMAGE("normalize imagnet"), "E0502", "did you mean 'imagenet'"},
      {IMAGE("normalize mean=[0.5] std=[0]"), "E0113", "std"},
      {IMAGE("normalize mean=[0.5] std=[0.5, 0.5]"), "E0504", "mean has 1 number, std has 2"},
      {IMAGE("normalize mean=[0.5] std=[0.5]; center_crop 28"), "E0506", "stands behind normalize"},
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(train_values), cmocka_unit_test(train_defaults), cmocka_unit_test(train_refusals),
                                     cmocka_unit_test(input_values), cmocka_unit_test(input_refusals), cmocka_unit_test(all_at_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
