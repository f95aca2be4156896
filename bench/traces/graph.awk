# A graph of layers with some labels; fixed numbers.
BEGIN {
    seed = 5
    print "digraph made { node [shape=record];"
    for (i = 0; i < N; i++) {
        printf "n%d [label=\"{node %d|<a> left|<b> right}\"%s];\n", i, i, i % 7 ? "" : ", style=filled"
        for (j = 0; j < 2; j++) {
            seed = (seed * 1103515245 + 12345) % 2147483648
            if (i)
                printf "n%d:%s -> n%d [label=\"%d\"];\n", int((seed / 65536) % i), j ? "a" : "b", i, i * j
        }
    }
    print "}"
}
