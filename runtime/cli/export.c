/* `export --out FILE`: the weights, or some of them, in a file. */
#include "runtime/cli/cli.h"

typedef struct ExportArguments {
  const char *out, *only;
} ExportArguments;

static ExitStatus run(Cli *cli) {
  ExportArguments a = {NULL, NULL};
  ExitStatus status;
  surgery_error err;
  if (!cli_parse(cli, &a, &status)) return status;
  if (!a.out) return cli_usage(cli, "--out FILE is wanted");
  surgery_net *net = cli_open(cli, &err);
  if (!net) return cli_error(cli, &err);
  size_t count = 0;
  for (size_t i = 0; i < net->manifest->tensor_count; i++)
    count += net_selects(a.only ? a.only : "all", net->manifest->tensors[i].name);
  status = surgery_save(net, a.out, a.only, &err) ? cli_error(cli, &err) : EXIT_DONE;
  if (status == EXIT_DONE && !cli->quiet) printf("%s: %zu tensors\n", a.out, count);
  surgery_close(net);
  return status;
}

static const CliOption options[] = {
    {"out", OPTION_TEXT, offsetof(ExportArguments, out), "FILE", "safetensors, pth or npz, by suffix"},
    {"only", OPTION_TEXT, offsetof(ExportArguments, only), "SELECTOR",
     "layers or tensors by dotted name or glob, separated by commas"},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};
const CliCommand command_export = {
    "export",
    "--out FILE [options]",
    "write the weights, or some of them, to a file",
    "SELECTOR: 'fc', 'layer4.*.conv?.weight', '**.bn*', '{conv,fc}1'; * and ? stay within one component.",
    options,
    false,
    run};
