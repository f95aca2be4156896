#!/bin/bash -eu
# Builds every fuzz target as OSS-Fuzz and ClusterFuzzLite ask: compilers, flags and engine come from
# outside (CC CXX CFLAGS CXXFLAGS LIB_FUZZING_ENGINE OUT WORK), targets and their corpora go to $OUT.
top=$(cd "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
objects=$WORK/poolproof
mkdir -p "$objects"

library=()
for source in "$top"/core/mem_pool.c "$top"/core/trace/*.c \
    "$top"/fuzz/{backing,finding,input,scribble}.c; do
    name=$(basename "$source" .c)
    [ "$name" != main ] || continue
    $CC $CFLAGS -std=c11 -D_GNU_SOURCE -I"$top/core" -I"$top/core/trace" -I"$top/fuzz" \
        -c "$source" -o "$objects/$name.o"
    library+=("$objects/$name.o")
done

# The mutation of operations asks libFuzzer for that of bytes.
mutator=
if [ "${FUZZING_ENGINE:-libfuzzer}" = libfuzzer ]; then
    mutator=$objects/mutator.o
    $CC $CFLAGS -std=c11 -I"$top/core" -I"$top/core/trace" -I"$top/fuzz" \
        -c "$top/fuzz/mutator.c" -o "$mutator"
fi

for source in "$top"/fuzz/targets/*.c; do
    name=$(basename "$source" .c)
    [ "$name" != pool_cost ] || continue # hunts for slow calls with counters of its own, not for bugs
    family=${name%%_*}
    $CC $CFLAGS -std=c11 -I"$top/core" -I"$top/core/trace" -I"$top/fuzz" \
        -c "$source" -o "$objects/$name.o"
    extra=
    [ "$family" != pool ] || extra=$mutator
    $CXX $CXXFLAGS "$objects/$name.o" ${extra:+"$extra"} "${library[@]}" $LIB_FUZZING_ENGINE \
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
