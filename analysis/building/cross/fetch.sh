#!/bin/sh
# fetch.sh MACHINE: fetches the libraries for a machine to the folder `root` of this one.
set -eu

case $1 in
windows) exec "${0%/*}/fetch_windows.sh" ;;
i686) architecture=i386 ;;
aarch64) architecture=arm64 ;;
*) architecture=$1 ;;
esac

apt() {
    apt-get -q -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" \
        -o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o "Dir::State::status=$PWD/status" \
        -o APT::Sandbox::User= -o Acquire::Retries=3 -o Acquire::Languages=none "$@"
}

mkdir -p lists/partial cache/archives/partial
: >status
apt update || true
apt download libcmocka0 libcmocka-dev linux-libc-dev zlib1g zlib1g-dev
for package in *.deb; do dpkg -x "$package" root; done
