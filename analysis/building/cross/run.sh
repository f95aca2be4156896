#!/bin/sh
# run.sh MACHINE LIBRARIES PROGRAM [ARGUMENT…]: runs a program for another machine on this one.
set -eu

machine=$1 libraries=$2
shift 2
case $machine in
windows) WINEPREFIX=$libraries/wine WINEDEBUG=-all exec wine "$@" ;;
*)
    triplet=$machine-linux-gnu
    exec "qemu-$machine" -L "/usr/$triplet" -E "LD_LIBRARY_PATH=$libraries/usr/lib/$triplet" "$@"
    ;;
esac
