" Text made, replaced, sorted, undone and made again; fixed numbers, so that each run does the same
" work.
let s:seed = 11
function! s:Next(below)
    let s:seed = (s:seed * 1103515245 + 12345) % 2147483648
    return (s:seed / 65536) % a:below
endfunction
function! s:Change(command) " that can be undone alone
    execute a:command
    let &undolevels = &undolevels
endfunction

let s:words = {}
for s:i in range(1, 850)
    let s:line = printf('%05d word%d other%d and %d more', s:Next(99999), s:Next(400), s:i % 30, s:i)
    call append('$', s:line)
    for s:word in split(s:line)
        let s:words[s:word] = get(s:words, s:word, 0) + 1
    endfor
endfor
call s:Change('sort')
call s:Change('%substitute/word\(\d*\)/<\1>/g')
undo
call s:Change('%substitute/other\(\d\+\) and/\=submatch(1) * 3 . " with"/')
call s:Change('global/7 more$/move 0')
call s:Change('global/^\d*3/delete')
undo
redo
for s:i in range(1, 100)
    call s:Change('normal! ' . (s:Next(line('$')) + 1) . 'GA, appended' . s:i . "\<Esc>ddp")
endfor
for s:i in range(1, 60)
    undo
endfor
let s:most = sort(items(s:words), {a, b -> b[1] - a[1]})
quitall!
