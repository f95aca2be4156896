#!/bin/sh
# Compiles cmocka, of Debian's source, for Windows to the folder `root` of this one.
set -eu

apt() {
    apt-get -q -o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD" -o Dir::Etc::sourcelist=/dev/null \
        -o "Dir::Etc::sourceparts=$PWD/sources" -o APT::Sandbox::User= -o Acquire::Retries=3 \
        -o Acquire::Languages=none "$@"
}

triplet=x86_64-w64-mingw32
libraries=root/usr/lib/$triplet headers=root/usr/include/$triplet
mkdir -p lists/partial sources source "$headers" "$libraries/pkgconfig"
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ ! -f "$list" ] || sed 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' "$list" >"sources/${list##*/}"
done
apt update || true
apt source --download-only cmocka
tar -xf cmocka_*.orig.tar.?z -C source --strip-components=1
cp source/include/*.h "$headers"
$triplet-gcc-posix -O2 -D__USE_MINGW_ANSI_STDIO=1 -Isource/include -c source/src/cmocka.c -o cmocka.o
$triplet-ar rcs "$libraries/libcmocka.a" cmocka.o
cat >"$libraries/pkgconfig/cmocka.pc" <<END
Name: cmocka
Description: compiled from the source of Debian's package
Version: $(sed -n 's/^Version: //p' cmocka_*.dsc)
Libs: -L/usr/lib/$triplet -lcmocka
END
