#!/bin/sh
# fetch.sh ARCHITECTURE: unpacks Debian's libraries for one of its architectures to the folder `root` of this one.
set -eu

apt() {
    apt-get -q -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" \
        -o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o "Dir::State::status=$PWD/status" \
        -o APT::Sandbox::User= -o Acquire::Retries=3 -o Acquire::Languages=none "$@"
}

architecture=$1
mkdir -p lists/partial cache/archives/partial
: >status
apt update || true
apt download libcmocka0 libcmocka-dev linux-libc-dev zlib1g zlib1g-dev
for package in *.deb; do dpkg -x "$package" root; done
