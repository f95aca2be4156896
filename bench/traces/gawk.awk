# Words counted, joined and sorted; fixed numbers, so that each run does the same work.
BEGIN {
    seed = 42
    for (i = 0; i < 2200; i++) {
        line = ""
        for (j = 0; j < 6; j++) {
            seed = (seed * 1103515245 + 12345) % 2147483648
            line = line " w" (int(seed / 65536) % 4000)
        }
        n = split(line, words, " ")
        for (j = 1; j <= n; j++) {
            count[words[j]]++
            where[words[j], i % 50] = where[words[j], i % 50] "," i
        }
        if (i % 3 == 0)
            gsub(/w1/, "one", line)
        lines[i % 500] = toupper(substr(line, 2, 24)) ":" length(line)
    }
    m = asorti(count, order)
    for (i = 1; i <= m; i += 97)
        print order[i], count[order[i]]
    delete where
    for (i = 0; i < 500; i++)
        print lines[i] > "/dev/null"
}
