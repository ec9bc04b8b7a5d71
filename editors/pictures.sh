#!/bin/sh
# The pictures of docs/editors.md: real editors on a virtual display, each with `surgeryc lsp`, typing by themselves.
#
#   editors/pictures.sh BUILD OUT [EDITOR…]      EDITOR: neovim, emacs, ale (Vim); without one, all
#
# Needs Xvfb, xterm, xdotool, ImageMagick, the DejaVu fonts and the editors (Debian: xvfb xterm xdotool imagemagick
# fonts-dejavu-core neovim emacs-nox elpa-eglot vim-ale).
set -eu
build=$(realpath "$1") out=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- neovim emacs ale
export PATH="$build:$PATH" LC_ALL=C.UTF-8 SURGERY_WEIGHTS= TORCH_HOME=/nonexistent
work=$(mktemp -d)
export HOME="$work" XDG_CONFIG_HOME="$work" XDG_STATE_HOME="$work" XDG_DATA_HOME="$work"
display=
terminal=
end() {
  [ -z "$terminal" ] || kill "$terminal" 2>/dev/null || :
  [ -z "$display" ] || kill "$display" 2>/dev/null || :
  rm -rf "$work"
}
trap end EXIT
trap 'exit 1' HUP INT TERM

cat >"$work/cells.surgery" <<'SCRIPT'
# Is the cell healthy? A ResNet-152 with a new head.
param classes = 2

take resnet152[0:5] from random
freeze all
unfreeze layer4, every BatchNorm2d in layer3
replace fc with Sequential(Dropout(0.2), Linear(_, classes))

input image(3, 224, 224) { resize 256; center_crop 224; normalize imagenet }
labels "healthy", "ill"

train {
  optimizer Adam(lr=1e-3)
  group     layer4 lr=1e-4
  batch     16; epochs 25
}
freeze laye9
SCRIPT

Xvfb :$$ -screen 0 1000x460x24 -nolisten tcp >/dev/null 2>&1 &
display=$!
export DISPLAY=:$$
sleep 1

# A terminal of its own for each editor; the window fills the screen.
start() {
  xterm -geometry 118x24+0+0 -b 4 -bw 0 -fa 'DejaVu Sans Mono' -fs 10 -bg '#fbfbf8' -fg '#202020' -tn xterm-256color -e "$@" &
  terminal=$!
  sleep 4
}
keys() { xdotool key --delay 60 "$@"; sleep 1; }
text() { xdotool type --delay 60 "$1"; sleep 1; }
shot() {
  import -window root png:- | convert png:- -trim +repage -bordercolor '#fbfbf8' -border 6 -colors 48 "PNG8:$out/$1.png"
  echo "$out/$1.png: $(wc -c <"$out/$1.png") bytes"
}
stop() {
  kill "$terminal" 2>/dev/null || :
  wait "$terminal" 2>/dev/null || :
  terminal=
}

neovim() {
  cat >"$work/init.lua" <<LUA
vim.opt.runtimepath:prepend("$build/editors/vim")
vim.opt.termguicolors, vim.opt.background, vim.opt.signcolumn, vim.opt.number = true, "light", "yes", true
vim.cmd("filetype off | filetype plugin on | syntax on | colorscheme morning | highlight Normal guibg=#fbfbf8")
vim.cmd("highlight LspCodeLens guifg=#808080 | highlight Hint guifg=#7070a0 | highlight Pmenu guibg=#e4e4ee | highlight NormalFloat guibg=#eeeef6")
vim.cmd("highlight EndOfBuffer guibg=#fbfbf8 guifg=#fbfbf8 | highlight SignColumn guibg=#f0f0ec")
vim.o.updatetime, vim.o.hlsearch, vim.o.completeopt = 300, false, "menuone"
local function hints(client, buffer) -- Neovim 0.10 has them built in
  local space = vim.api.nvim_create_namespace("surgery-hints")
  local last = vim.api.nvim_buf_line_count(buffer)
  local range = { start = { line = 0, character = 0 }, ["end"] = { line = last, character = 0 } }
  client.request("textDocument/inlayHint", { textDocument = vim.lsp.util.make_text_document_params(buffer), range = range }, function(_, list)
    vim.api.nvim_buf_clear_namespace(buffer, space, 0, -1)
    local lines = {}
    for _, h in ipairs(list or {}) do
      local row = h.position.line
      lines[row] = (lines[row] and lines[row] .. ", " or "  ") .. h.label
    end
    for row, label in pairs(lines) do
      vim.api.nvim_buf_set_extmark(buffer, space, row, 0, { virt_text = { { label, "Hint" } } })
    end
  end, buffer)
end
vim.api.nvim_create_autocmd("FileType", { pattern = "surgery", callback = function(event)
  local id = vim.lsp.start_client({ name = "surgery", cmd = { "surgeryc", "lsp" }, on_attach = function(client, buffer)
    vim.bo[buffer].omnifunc = "v:lua.vim.lsp.omnifunc"
    vim.defer_fn(function() vim.lsp.codelens.refresh(); hints(client, buffer) end, 700)
    vim.api.nvim_create_autocmd({ "TextChanged", "InsertLeave" }, { buffer = buffer, callback = function() hints(client, buffer) end })
  end })
  vim.lsp.buf_attach_client(event.buf, id)
end })
vim.keymap.set("n", "K", vim.lsp.buf.hover)
LUA
  start nvim -u "$work/init.lua" "$work/cells.surgery"
  text '/er4'
  keys Return
  text 'K'
  sleep 1
  shot neovim-hover
  keys Escape
  text 'G'
  text 'ofreeze layer4.'
  keys ctrl+x ctrl+o
  sleep 1
  shot neovim-completion
  stop
}

emacs() {
  cat >"$work/init.el" <<LISP
(package-initialize)
(load "$build/editors/emacs/surgery-mode.el")
(require 'eglot)
(setq inhibit-startup-screen t warning-minimum-level :emergency native-comp-async-report-warnings-errors nil eldoc-echo-area-use-multiline-p t eglot-ignored-server-capabilities nil)
(menu-bar-mode -1)
(global-display-line-numbers-mode 1)
(add-hook 'surgery-mode-hook 'eglot-ensure)
LISP
  start emacs -nw -q -l "$work/init.el" "$work/cells.surgery"
  sleep 2
  keys ctrl+s
  text 'layer3'
  keys Return Left
  sleep 2
  shot emacs-eldoc
  keys Escape x
  text 'flymake-show-buffer-diagnostics'
  keys Return
  sleep 1
  shot emacs-diagnostics
  stop
}

ale() {
  cat >"$work/vimrc" <<VIM
set nocompatible encoding=utf-8 number signcolumn=yes background=light t_Co=256 nomodeline
set runtimepath^=$build/editors/vim,/usr/share/vim-ale,/usr/share/vim/addons
filetype plugin on
syntax on
let g:ale_completion_enabled = 1
let g:ale_set_balloons = 0
let g:ale_virtualtext_cursor = 1
runtime plugin/ale.vim
packadd! ale
call ale#linter#Define('surgery', {'name': 'surgeryc', 'lsp': 'stdio', 'executable': 'surgeryc', 'command': '%e lsp', 'project_root': {b -> '$work'}})
VIM
  start vim -u "$work/vimrc" "$work/cells.surgery"
  sleep 1
  text 'G'
  sleep 2
  shot vim-ale-diagnostics
  stop
}

for editor; do "$editor"; done
