/* `train --data DIR`: the script's training with what the command line says otherwise, then the weights into
 * a file. What could fail at the end (an --out that cannot be written) is tried before the first step. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cli/overwrite.h"
#include "runtime/cli/progress.h"
#include "runtime/cli/report.h"
#include "runtime/cli/stop.h"
#include "runtime/base/error.h"
#include "runtime/base/io.h"
#include "runtime/train/evaluate.h"

typedef struct TrainArguments {
  const char *data, *val, *out, *resume, *log, *report, *feature_cache;
  int64_t epochs, batch, seed, steps, checkpoint_every; /* -1: not given */
  double lr;                                            /* NAN: not given */
  bool force, no_shuffle, no_cache, raw;
} TrainArguments;

typedef struct Job {
  Cli *cli;
  TrainArguments *a;
  surgery_net *net;
  Dataset *train, *val;
  char *out, *checkpoint; /* malloc */
  TrainOptions o;
  TrainResult result;
  Progress progress;
  Report report;
} Job;

/* Files that would appear at the end are tried before the first step. */
static int can_write(const char *path, surgery_error *err) {
  SgWriter *writer = sg_writer_open(path, err);
  sg_writer_abort(writer);
  return writer ? 0 : -1;
}

static int check_writable(const char *path, surgery_error *err) {
  if (!surgery_weights_can_write(path))
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: weights are written as .safetensors, .pth or .npz", path);
  return can_write(path, err);
}

/* OUT, and OUT with -checkpoint.safetensors for its suffix. */
static int choose_files(Job *job, surgery_error *err) {
  int made = job->a->out ? asprintf(&job->out, "%s", job->a->out)
                         : asprintf(&job->out, "%s-trained.safetensors", job->net->manifest->name);
  if (made < 0) {
    job->out = NULL;
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  }
  const char *dot = strrchr(job->out, '.');
  int stem = dot && !strchr(dot, '/') ? (int)(dot - job->out) : (int)strlen(job->out);
  if (asprintf(&job->checkpoint, "%.*s-checkpoint.safetensors", stem, job->out) < 0) {
    job->checkpoint = NULL;
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  }
  return 0;
}

static int check_files(const Job *job, surgery_error *err) {
  if (job->a->report && can_write(job->a->report, err)) return -1;
  const TrainRecipe *t = job->net->manifest->train;
  for (int64_t i = 0; i < t->save_count; i++) {
    if (check_writable(t->saves[i].file, err)) return -1;
  }
  return check_writable(job->out, err) || check_writable(job->checkpoint, err) ? -1 : 0;
}

/* A checkpoint that a training is resumed from is replaced by that training's own: that is what it is for. */
static bool may_write(const Job *job) {
  const TrainArguments *a = job->a;
  const TrainRecipe *t = job->net->manifest->train;
  CliFile *outputs = calloc((size_t)t->save_count + 5, sizeof *outputs);
  if (!outputs) return true;
  size_t count = 0;
  bool resumes_own = a->resume && strcmp(a->resume, job->checkpoint) == 0;
  outputs[count++] = (CliFile){job->out, "--out"};
  outputs[count++] = (CliFile){resumes_own ? NULL : job->checkpoint, "the checkpoint"};
  outputs[count++] = (CliFile){a->log, "--log"};
  outputs[count++] = (CliFile){a->report, "--report"};
  for (int64_t i = 0; i < t->save_count; i++) outputs[count++] = (CliFile){t->saves[i].file, "a save of the script"};
  const CliFile inputs[] = {{a->data, "the training set"},
                            {a->val, "the validation set"},
                            {a->resume, "the checkpoint of --resume"},
                            {NULL, NULL}};
  bool may = cli_may_write(job->cli, job->net, outputs, inputs, a->force);
  free(outputs);
  return may;
}

static void observe(void *context, const TrainEvent *event) {
  Job *job = context;
  progress_event(&job->progress, event);
  if (job->a->report) report_event(&job->report, event);
}

/* The compiler says it of the script's rates. Of several phases the first that --lr is for. */
static void doubt_rate(const Job *job) {
  const TrainRecipe *script = job->net->manifest->train;
  if (isnan(job->a->lr) || job->cli->quiet) return;
  for (int64_t i = 0; i < script->stage_count; i++) {
    const OptimizerConfig *optimizer = &script->stages[i].optimizer;
    const char *doubt = script->stages[i].own_lr ? NULL : rate_doubt(optimizer, job->a->lr);
    if (!doubt) continue;
    char text[100];
    snprintf(text, sizeof text, doubt, job->a->lr);
    cli_message(job->cli, "note: --lr: %s; usual with %s: %s", text, optimizer_name(optimizer), usual_rates(optimizer));
    return;
  }
}

/* The command line, else the checkpoint, else the script. */
static int choose_options(Job *job, surgery_error *err) {
  const TrainRecipe *script = job->net->manifest->train;
  const TrainArguments *a = job->a;
  TrainPosition before = {.seed = (uint64_t)script->seed, .shuffle = true, .lr = -1};
  if (a->resume && checkpoint_peek(a->resume, &before, err)) return -1;
  bool own_lr = true; /* every phase sets its rate itself */
  for (int64_t i = 0; i < script->stage_count; i++) own_lr = own_lr && script->stages[i].own_lr;
  if (!isnan(a->lr) && own_lr)
    return sg_fail(err, SURGERY_BAD_INPUT, "--lr: each phase of the script has a rate of its own");
  doubt_rate(job);
  job->o = (TrainOptions){.epochs = a->epochs >= 0 ? a->epochs : train_epochs(job->net->manifest),
                          .batch = a->batch > 0 ? a->batch : before.batch_given,
                          .lr = isnan(a->lr) ? before.lr : a->lr,
                          .steps = a->steps > 0 ? a->steps : 0,
                          .seed = a->seed >= 0 ? (uint64_t)a->seed : before.seed,
                          .shuffle = before.shuffle && !a->no_shuffle,
                          .cache = !a->no_cache,
                          .feature_folder = a->feature_cache,
                          .resume = a->resume,
                          .log = a->log,
                          .checkpoint_every = a->checkpoint_every > 0 ? a->checkpoint_every : 0,
                          .stop = &stop_requested,
                          .observe = observe};
  /* a new seed means new first weights, but not in place of weights that someone gave */
  if (a->seed >= 0 && !job->cli->weights && !a->resume) net_init_fresh(job->net, job->o.seed);
  return 0;
}

static int open_data(Job *job, surgery_error *err) {
  DatasetSpec spec = cli_spec(job->net, ROLE_TRAIN, true);
  const ClassNames *classes = &job->net->classes;
  spec.raw = job->a->raw;
  spec.may_rename = classes->of == NAMES_OF_WEIGHTS && !job->a->resume;
  if (!(job->train = dataset_open(job->a->data, &spec, err))) return -1;
  cli_note(job->cli, job->train);
  const Dataset *set = job->train;
  if (set->names_classes && net_name_classes(job->net, set->class_names, set->class_count, NAMES_OF_DATA, err))
    return -1;
  job->train->spec.labels = classes->at, job->train->spec.label_count = classes->count;
  const char *val = job->a->val;
  if (!val && dataset_has_test_part(job->a->data)) {
    val = job->a->data;
    if (!job->cli->quiet) cli_message(job->cli, "validation: the test part of %s", val);
  }
  if (!val) return 0;
  DatasetSpec val_spec = cli_spec(job->net, ROLE_TEST, true);
  val_spec.raw = job->a->raw;
  if (!(job->val = dataset_open(val, &val_spec, err))) return -1;
  cli_note(job->cli, job->val);
  return 0;
}

static int run_training(Job *job, surgery_error *err) {
  job->progress = progress_new(job->cli);
  job->o.checkpoint = job->checkpoint;
  job->o.context = job;
  int status = train_run(job->net, job->train, job->val, &job->o, &job->result, err);
  progress_clear(&job->progress);
  return status;
}

static void print_result(const Job *job) {
  const TrainResult *r = &job->result;
  cli_print(stdout, "steps      %lld\n", (long long)r->steps);
  if (!isnan(r->loss)) cli_print(stdout, "loss       %.6f\n", r->loss);
  if (!isnan(r->accuracy)) cli_print(stdout, "accuracy   %.4f\n", r->accuracy);
  if (!isnan(r->val_loss)) cli_print(stdout, "val loss   %.6f\n", r->val_loss);
  if (!isnan(r->val_accuracy)) cli_print(stdout, "val top-1  %.4f\n", r->val_accuracy);
  for (int i = 0; i < 2; i++)
    if (r->val.name[i]) cli_print(stdout, "val %-5s  %.4f\n", r->val.name[i], r->val.value[i]);
  cli_print(stdout, "weights    %s\n", job->out);
  for (int64_t i = 0; i < job->net->manifest->train->save_count; i++)
    cli_print(stdout, "saved      %s\n", job->net->manifest->train->saves[i].file);
  if (job->a->report) cli_print(stdout, "report     %s\n", job->a->report);
}

/* What was asked for at the end is written one by one: what cannot be takes nothing else with it. */
typedef struct Ending {
  Job *job;
  ExitStatus status; /* of the first that failed */
} Ending;

static void end_with(Ending *e, int failed, const surgery_error *err) {
  if (!failed) return;
  ExitStatus status = cli_error(e->job->cli, err);
  if (e->status == EXIT_DONE) e->status = status;
}

static int write_save(const Job *job, const SaveRecipe *save, surgery_error *err) {
  NetMetadata metadata;
  if (net_metadata(job->net, &metadata, err)) return -1;
  surgery_tensor_out *tensors = calloc((size_t)save->count + 1, sizeof *tensors);
  int status = tensors ? 0 : sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", save->file);
  for (int64_t k = 0; tensors && k < save->count; k++) net_tensor(job->net, (size_t)save->tensors[k], &tensors[k]);
  if (tensors) status = surgery_weights_write(save->file, tensors, (size_t)save->count, metadata.pairs, err);
  free(tensors), net_free_metadata(&metadata);
  return status;
}

/* The trained weights, and what the script's train block saves of them. */
static void write_weights(Ending *e, surgery_error *err) {
  const TrainRecipe *t = e->job->net->manifest->train;
  end_with(e, surgery_save(e->job->net, e->job->out, NULL, err), err);
  for (int64_t i = 0; i < t->save_count; i++) end_with(e, write_save(e->job, &t->saves[i], err), err);
}

/* The trained network on the validation set, or without one on the training set as it is. */
static int evaluate_result(Job *job, Metrics *metrics, surgery_error *err) {
  Dataset *set = job->val ? job->val : job->train;
  FeedOptions o = {.phase = job->result.phase, .cache = false};
  BatchSource *feed = batch_source_open(job->net, set, &o, err);
  if (!feed || metrics_init(metrics, job->net->manifest, set->spec.target == TARGET_CLASSES, err)) {
    batch_source_close(feed);
    return -1;
  }
  int status = evaluate(job->net, feed, 16, metrics, &stop_requested, NULL, NULL, err);
  batch_source_close(feed);
  return status;
}

static int write_report(Job *job, surgery_error *err) {
  Metrics metrics = {.classes = 0};
  if (!job->a->report) return 0;
  int status = job->result.interrupted ? 0 : evaluate_result(job, &metrics, err);
  ReportFacts facts = {.manifest = job->net->manifest,
                       .classes = &job->net->classes,
                       .options = &job->o,
                       .result = &job->result,
                       .train = job->train,
                       .val = job->val,
                       .metrics = job->result.interrupted ? NULL : &metrics,
                       .weights = job->result.interrupted ? job->checkpoint : job->out,
                       .cpu = job->net->network->cpu};
  if (status == 0) status = report_write(&job->report, &facts, job->a->report, err);
  metrics_free(&metrics);
  return status;
}

static ExitStatus end_training(Job *job, surgery_error *err) {
  const TrainResult *r = &job->result;
  Ending e = {.job = job, .status = EXIT_DONE};
  if (r->broken) cli_message(job->cli, "%lld samples could not be used and were left out", (long long)r->broken);
  if (!r->interrupted) write_weights(&e, err);
  bool saved = e.status == EXIT_DONE;
  end_with(&e, write_report(job, err), err);
  if (r->interrupted) {
    cli_message(job->cli, "interrupted after step %lld; to go on, repeat the command with --resume %s",
                (long long)r->steps, job->checkpoint);
    return EXIT_INTERRUPTED;
  }
  if (saved) {
    cli_tell_names(job->cli, job->net, job->out);
    print_result(job);
  }
  return e.status == EXIT_DONE && r->lost ? EXIT_ENVIRONMENT : e.status;
}

static ExitStatus train(Job *job, surgery_error *err) {
  signal(SIGPIPE, SIG_IGN); /* nobody reads the progress any more: no reason to lose the weights */
  if (choose_files(job, err)) return cli_error(job->cli, err);
  if (!may_write(job)) return EXIT_USAGE;
  if (check_files(job, err) || choose_options(job, err) || open_data(job, err)) return cli_error(job->cli, err);
  stop_watch(true); /* from here on there is something to lose */
  ExitStatus status = run_training(job, err) ? cli_error(job->cli, err) : end_training(job, err);
  stop_watch(false);
  return status;
}

static ExitStatus run(Cli *cli) {
  TrainArguments a = {.epochs = -1, .batch = -1, .seed = -1, .steps = -1, .checkpoint_every = -1, .lr = NAN};
  ExitStatus status;
  surgery_error err;
  if (!cli_parse(cli, &a, &status)) return status;
  if (!a.data) return cli_usage(cli, "--data DIR is wanted");
  if (a.feature_cache && a.no_cache) return cli_usage(cli, "--feature-cache keeps what --no-cache does without");
  if (a.resume && cli->weights) return cli_usage(cli, "--resume has weights of its own: --weights does not go with it");
  const char *given = cli->weights;
  if (a.resume) cli->weights = a.resume;
  Job job = {.cli = cli, .a = &a, .net = cli_open(cli, &err)};
  cli->weights = given;
  if (!job.net) return cli_error(cli, &err);
  status = train(&job, &err);
  dataset_close(job.val), dataset_close(job.train);
  surgery_close(job.net);
  free(job.out), free(job.checkpoint);
  report_free(&job.report);
  return status;
}

#define AT(field) offsetof(TrainArguments, field)
static const Option options[] = {
    {"data", OPTION_TEXT, AT(data), "DIR", "the training set"},
    {"val", OPTION_TEXT, AT(val), "DIR",
     "the validation set (default: the t10k- or test_ part beside an IDX or CIFAR training set)"},
    {"epochs", OPTION_SIZE, AT(epochs), "N", "times through the training set (default: the script's)"},
    {"batch", OPTION_COUNT, AT(batch), "N", "samples in a step (default: the script's)"},
    {"lr", OPTION_RATE, AT(lr), "X", "learning rate; groups with a rate of their own keep it"},
    {"seed", OPTION_SIZE, AT(seed), "N", "of shuffling, augmentation, dropout and the fresh layers' first weights"},
    {"steps", OPTION_COUNT, AT(steps), "N", "stop after so many steps in all"},
    {"no-shuffle", OPTION_FLAG, AT(no_shuffle), NULL, "the samples in the order of the data set, each epoch"},
    {"no-cache", OPTION_FLAG, AT(no_cache), NULL, "run the frozen part in every epoch instead of keeping its features"},
    {"raw", OPTION_FLAG, AT(raw), NULL, CLI_RAW_HELP},
    {"feature-cache", OPTION_TEXT, AT(feature_cache), "DIR",
     "keep the frozen part's features in files there, for the next training"},
    {"out", OPTION_TEXT, AT(out), "FILE", "the trained weights (default: NAME-trained.safetensors here)"},
    {"resume", OPTION_TEXT, AT(resume), "FILE", "go on from a checkpoint; seed, batch and shuffling are its own"},
    {"checkpoint-every", OPTION_COUNT, AT(checkpoint_every), "N", "save a checkpoint every N epochs, beside --out"},
    {"force", OPTION_FLAG, AT(force), NULL, CLI_FORCE_HELP},
    {"log", OPTION_TEXT, AT(log), "FILE.csv", "a row for each step and each epoch"},
    {"report", OPTION_TEXT, AT(report), "FILE.html", "curves, a table of the classes and the settings, as one page"},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};
const CliCommand command_train = {
    "train",
    "--data DIR [options]",
    "train what the script left trainable",
    "DIR: " CLI_DATA_SETS ".\n"
    "Bytes (uint8) in these are pictures and are preprocessed, other numbers are taken as they are.\n"
    "The log has the columns row (step or epoch), epoch, step, loss, lr, "
    "train_loss, train_acc, val_loss, val_acc, seconds.\n"
    "Ctrl-C finishes the step, saves a checkpoint beside --out and ends with "
    "status 130 (so do SIGTERM and SIGHUP);\nanother one ends at once, after half a second.",
    options,
    false,
    run};
