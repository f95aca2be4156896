#!/bin/bash -eu
# Builds every fuzz target as OSS-Fuzz and ClusterFuzzLite ask: compilers, flags and engine come from
# outside (CC CXX CFLAGS CXXFLAGS LIB_FUZZING_ENGINE OUT WORK), targets and their corpora go to $OUT.
top=$(cd "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
objects=$WORK/poolproof
mkdir -p "$objects"

compile() { # SOURCE OBJECT [OPTION…]
    $CC $CFLAGS -std=c11 -D_GNU_SOURCE -I"$top/core" -I"$top/core/trace" -I"$top/fuzz/harness" "${@:3}" \
        -c "$1" -o "$2"
}

pool=$objects/mem_pool.o
compile "$top/core/mem_pool.c" "$pool" -DPOOL_ASSERTIONS
library=()
for source in "$top"/core/trace/*.c "$top"/fuzz/harness/{backing,finding,input,scribble,steps}.c; do
    name=$(basename "$source" .c)
    [ "$name" != main ] || continue
    compile "$source" "$objects/$name.o"
    library+=("$objects/$name.o")
done

# pool_cost counts the blocks that the pool runs, beside whatever the engine counts for itself.
steps=(-fsanitize-coverage=trace-pc)
counted=$objects/mem_pool-counted.o
compile "$top/core/mem_pool.c" "$counted" "${steps[@]}"

# The mutation of operations asks libFuzzer for that of bytes.
mutator=
if [ "${FUZZING_ENGINE:-libfuzzer}" = libfuzzer ]; then
    mutator=$objects/mutator.o
    compile "$top/fuzz/mutators/mutator.c" "$mutator"
fi

for source in "$top"/fuzz/targets/*.c; do
    name=$(basename "$source" .c)
    family=${name%%_*}
    if [ "$name" = pool_cost ]; then
        compile "$source" "$objects/$name.o" "${steps[@]}"
        parts=("$counted" -Wl,--wrap=__sanitizer_cov_trace_pc)
    else
        compile "$source" "$objects/$name.o"
        parts=("$pool")
    fi
    [ "$family" != pool ] || parts+=(${mutator:+"$mutator"})
    $CXX $CXXFLAGS "$objects/$name.o" "${parts[@]}" "${library[@]}" $LIB_FUZZING_ENGINE \
        -l:libz.a -o "$OUT/$name"
    seeds=()
    for folder in "$top/fuzz/corpus/$family" "$top/fuzz/corpus/$name"; do
        [ ! -d "$folder" ] || seeds+=("$folder")
    done
    rm -f "$OUT/${name}_seed_corpus.zip"
    python3 - "$OUT/${name}_seed_corpus.zip" "${seeds[@]}" <<'ZIP'
import pathlib, sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for folder in map(pathlib.Path, sys.argv[2:]):
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{folder.name}-{path.name}")
ZIP
    if [ -f "$top/fuzz/dictionaries/$name.dict" ]; then
        cp "$top/fuzz/dictionaries/$name.dict" "$OUT/"
    fi
    printf '[libfuzzer]\nmax_len = 4096\n' >"$OUT/$name.options"
done
