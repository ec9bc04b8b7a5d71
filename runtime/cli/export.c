/* `export --out FILE`: the weights, or some of them, in a file, as f32 or rounded to f16 or bf16. */
#include <stdlib.h>
#include <string.h>
#include "runtime/cli/overwrite.h"

typedef struct ExportArguments {
  const char *out, *only, *dtype;
  bool force;
} ExportArguments;

static bool find_dtype(const char *name, surgery_dtype *dtype) {
  static const surgery_dtype known[] = {SURGERY_F32, SURGERY_F16, SURGERY_BF16};
  for (int i = 0; i < 3; i++)
    if (strcmp(name, surgery_dtype_name(known[i])) == 0) return *dtype = known[i], true;
  return false;
}

static ExitStatus run(Cli *cli) {
  ExportArguments a = {.dtype = "f32"};
  surgery_dtype dtype = SURGERY_F32;
  surgery_rounded rounded;
  ExitStatus status;
  surgery_error err;
  if (!cli_parse(cli, &a, &status)) return status;
  if (!a.out) return cli_usage(cli, "--out FILE is wanted");
  if (!find_dtype(a.dtype, &dtype)) return cli_usage(cli, "--dtype %s: f32, f16 or bf16 is wanted", a.dtype);
  surgery_net *net = cli_open(cli, &err);
  if (!net) return cli_error(cli, &err);
  const CliFile outputs[] = {{a.out, "--out"}, {NULL, NULL}}, inputs[] = {{NULL, NULL}};
  if (!cli_may_write(cli, net, outputs, inputs, a.force)) {
    surgery_close(net);
    return EXIT_USAGE;
  }
  size_t count = 0;
  surgery_tensor_out *tensors = NULL;
  status = net_select(net, a.only, &tensors, &count, &err) ? cli_error(cli, &err) : EXIT_DONE;
  free(tensors);
  if (status == EXIT_DONE)
    status = surgery_save_as(net, a.out, a.only, dtype, &rounded, &err) ? cli_error(cli, &err) : EXIT_DONE;
  if (status == EXIT_DONE && !cli->quiet) cli_print(stdout, "%s: %zu tensors\n", a.out, count);
  if (status == EXIT_DONE) cli_tell_names(cli, net, a.out);
  if (status == EXIT_DONE && rounded.infinite && !cli->quiet)
    cli_message(cli, "%lld numbers are too large for %s and became infinite, the first in '%s'",
                (long long)rounded.infinite, a.dtype, rounded.tensor);
  surgery_close(net);
  return status;
}

static const Option options[] = {
    {"out", OPTION_TEXT, offsetof(ExportArguments, out), "FILE", "safetensors, pth or npz, by suffix"},
    {"only", OPTION_TEXT, offsetof(ExportArguments, only), "SELECTOR",
     "layers or tensors, by a selector as in scripts"},
    {"dtype", OPTION_TEXT, offsetof(ExportArguments, dtype), "TYPE",
     "f32 (default), f16 or bf16: floats are rounded to nearest"},
    {"force", OPTION_FLAG, offsetof(ExportArguments, force), NULL, CLI_FORCE_HELP},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};
const CliCommand command_export = {
    "export",
    "--out FILE [options]",
    "write the weights, or some of them, to a file",
    "SELECTOR: 'fc, conv1', 'layer4.*.conv?.weight', '**.bn*', '/bias$/', 'every Conv2d in layer1', 'conv1..layer2',\n"
    "'all except fc', '[0:2]'; * and ? stay within one component.",
    options,
    false,
    run};
