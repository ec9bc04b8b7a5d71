"""Neovim's own client with `surgeryc lsp`, without a screen: messages, a fix that is applied, hover, completion, rename,
layout; and that both have the same text after edits with characters outside of the basic plane.

    test_neovim.py SURGERYC SOURCE EDITORS"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

surgeryc, made = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[3]).resolve()
nvim = shutil.which("nvim")
if not nvim:
    print("SKIPPED, nvim is not installed")
    sys.exit(77)

SCRIPT = """# 🧠 é: a network for cells
let classes = 2
take resnet18[0:5] from random
freeze laye4
replace fc with Linear(_,   classes)
"""

LUA = r"""
local out, path, result = arg_out, arg_path, {}
local function settled(count)
  return vim.wait(20000, function() return #vim.diagnostic.get(0) == count end, 20)
end
local function ask(method, params)
  local answers, why = vim.lsp.buf_request_sync(0, method, params, 20000)
  for _, a in pairs(answers or {}) do return a.result, a.error end
  error(method .. ": " .. tostring(why))
end
local function at(line, character) -- in bytes
  vim.api.nvim_win_set_cursor(0, { line, character })
  return vim.lsp.util.make_position_params(0, "utf-16")
end
local function text() return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\n") end
local function run()
  vim.o.virtualedit = "onemore" -- the cursor may be after the last character
  vim.cmd("edit " .. path)
  result.filetype = vim.bo.filetype
  local id = vim.lsp.start_client({ name = "surgery", cmd = { arg_server, "lsp" } })
  vim.lsp.buf_attach_client(0, id)
  assert(settled(2), "no messages")
  local wrong
  for _, d in ipairs(vim.diagnostic.get(0)) do if d.severity == 1 then wrong = d end end
  result.code, result.begin, result["end"] = wrong.code or wrong.user_data.lsp.code, wrong.col, wrong.end_col
  local range = { start = { line = 3, character = 0 }, ["end"] = { line = 3, character = 12 } }
  local params = vim.tbl_extend("force", at(4, 8), { range = range, context = { diagnostics = {} } })
  local actions = ask("textDocument/codeAction", params)
  vim.lsp.util.apply_workspace_edit(actions[1].edit, "utf-16")
  result.fixed = vim.api.nvim_buf_get_lines(0, 3, 4, true)[1]
  assert(settled(1), "the fix was none")
  result.hover = ask("textDocument/hover", at(4, 9)).contents.value
  -- edits around characters of two units
  vim.api.nvim_buf_set_text(0, 0, 6, 0, 6, { "𝄞𝄞", "# 🧠" })
  vim.api.nvim_buf_set_text(0, 1, 2, 1, 6, { "x🧠" })
  vim.api.nvim_buf_set_text(0, 0, 2, 0, 6, { "" })
  local edits = ask("textDocument/formatting", { textDocument = { uri = vim.uri_from_bufnr(0) }, options = { tabSize = 2, insertSpaces = true } })
  vim.lsp.util.apply_text_edits(edits, 0, "utf-16")
  result.text = text()
  local rename = ask("textDocument/rename", vim.tbl_extend("force", at(3, 5), { newName = "kinds" }))
  vim.lsp.util.apply_workspace_edit(rename, "utf-16")
  result.renamed = text()
  vim.api.nvim_buf_set_lines(0, -1, -1, true, { "freeze layer4." })
  local items = ask("textDocument/completion", at(vim.api.nvim_buf_line_count(0), 14)).items
  result.items = vim.tbl_map(function(i) return i.label end, items)
end
local good, why = pcall(run)
result.error = not good and tostring(why) or nil
local file = io.open(out, "w")
file:write(vim.json and vim.json.encode(result) or vim.fn.json_encode(result))
file:close()
vim.cmd("qall!")
"""

with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder).resolve()
    (folder / "cells.surgery").write_text(SCRIPT)
    head = f'arg_out, arg_path, arg_server = "{folder}/out", "{folder}/cells.surgery", "{surgeryc}"\n'
    head += f'vim.opt.runtimepath:prepend("{made}/vim")\nvim.cmd("filetype off | filetype plugin on")\n'
    (folder / "test.lua").write_text(head + LUA)
    env = {**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder), "XDG_DATA_HOME": str(folder), "LC_ALL": "C.UTF-8",
           "SURGERY_WEIGHTS": "", "TORCH_HOME": "/nonexistent"}
    run = subprocess.run([nvim, "--clean", "--headless", "-n", "-S", str(folder / "test.lua")], env=env, timeout=120,
                         stdin=subprocess.DEVNULL, capture_output=True)
    assert (folder / "out").exists(), run.stderr.decode()
    got = json.loads((folder / "out").read_text())

assert "error" not in got, got["error"]
assert got["filetype"] == "surgery"
assert (got["code"], got["begin"], got["end"]) == ("E0201", 7, 12), got
assert got["fixed"] == "freeze layer4"
assert "(N, 256, 14, 14) → (N, 512, 7, 7)" in got["hover"], got["hover"]
laid_out = subprocess.run([surgeryc, "fmt", "-"], input=(got["text"] + "\n").encode(), capture_output=True).stdout.decode()
assert got["text"] + "\n" == laid_out and "Linear(_, classes)" in laid_out, got["text"]
assert "𝄞" in got["text"] and "x🧠" in got["text"], got["text"]
assert got["renamed"] == got["text"].replace("classes", "kinds"), got["renamed"]
assert got["items"] == ["layer4.0", "layer4.1"], got["items"]
print("messages, a fix, hover, edits, layout, rename, completion")
