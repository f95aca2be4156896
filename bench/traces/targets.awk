# A makefile of objects from sources that rules make; fixed numbers.
BEGIN {
    seed = 9
    print "folders = core bench fuzz"
    print "flags = -O2 $(foreach folder,$(folders),-I$(folder))"
    print "name = $(patsubst %.c,%.o,$(1))"
    for (i = 0; i < N; i++) {
        seed = (seed * 1103515245 + 12345) % 2147483648
        r = int(seed / 65536)
        printf "sources%d = $(addsuffix .c,part%d piece%d file%d)\n", i, i, r % 50, r % 31
        printf "objects += part%d.o\n", i
        printf "part%d.o: $(filter-out piece%%,$(sources%d))\n", i, i
        print "\tcc $(flags) -c -o $@ $(call name,$<) # $(words $(objects)) objects"
        printf "part%d.c: ;\n", i
    }
    print "all: $(sort $(objects))\n\tar $@ $^"
    print "piece%.c file%.c: ;"
}
