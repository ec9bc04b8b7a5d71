autocmd BufNewFile,BufRead *.surgery setfiletype surgery
