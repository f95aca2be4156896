#!/bin/sh
# fetch_windows.sh TRIPLET: compiles cmocka, of Debian's source, for Windows to the folder `root` of this one.
set -eu

apt() {
    apt-get -q -o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD" -o Dir::Etc::sourcelist=/dev/null \
        -o "Dir::Etc::sourceparts=$PWD/sources" -o APT::Sandbox::User= -o Acquire::Retries=3 \
        -o Acquire::Languages=none "$@"
}

libraries=root/usr/lib/$1 headers=root/usr/include/$1
mkdir -p lists/partial sources source "$headers" "$libraries/pkgconfig"
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ ! -f "$list" ] || sed 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' "$list" >"sources/${list##*/}"
done
apt update || true
apt source --download-only cmocka
tar -xf cmocka_*.orig.tar.?z -C source --strip-components=1
cp source/include/*.h "$headers"
"$1-gcc-posix" -O2 -D__USE_MINGW_ANSI_STDIO=1 -Isource/include -c source/src/cmocka.c -o cmocka.o
"$1-ar" rcs "$libraries/libcmocka.a" cmocka.o
cat >"$libraries/pkgconfig/cmocka.pc" <<END
Name: cmocka
Description: compiled from the source of Debian's package
Version: $(sed -n 's/^Version: //p' cmocka_*.dsc)
Libs: -L/usr/lib/$1 -lcmocka
END
