" Surgery: comments, indentation by two, folding by the language server where there is one.
if exists('b:did_ftplugin')
  finish
endif
let b:did_ftplugin = 1
setlocal commentstring=#\ %s comments=:# expandtab shiftwidth=2 softtabstop=2
setlocal suffixesadd=.surgery include=^\s*include\s\+"
if executable('surgeryc')
  setlocal formatprg=surgeryc\ fmt\ - makeprg=surgeryc\ check\ %:S errorformat=%f:%l:%c:\ %trror[%m,%f:%l:%c:\ %tarning[%m
endif
let b:undo_ftplugin = 'setlocal commentstring< comments< expandtab< shiftwidth< softtabstop< suffixesadd< include< formatprg< makeprg< errorformat<'
