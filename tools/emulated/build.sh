#!/bin/sh
# build.sh SOURCE OUT: makes OUT/libbochs.so, and the two ROMs that it starts with, of a tree of Bochs' source that has
# not been built (github: bochs-emu/Bochs, its folder bochs; patched as of commit 783b58f of August 2026).
# Needs patch, make, g++; a few minutes. Bochs is under the GNU LGPL 2 or later, and so is bochs.patch, which has lines
# of its source; nothing of either is part of cinfer. It lets a program enter the emulated CPU, and makes bytes of AMX
# products signed that are.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$1"
patch -p1 <"$here/bochs.patch"
cp "$here/in_process.h" "$here/in_process.cc" cpu/
CFLAGS="-O2 -fPIC -w" CXXFLAGS="-O2 -fPIC -w" ./configure --enable-x86-64 --enable-cpu-level=6 --enable-avx \
    --enable-evex --enable-amx --enable-all-optimizations --with-nogui --disable-docbook >/dev/null
make -j"$(nproc)" >/dev/null
g++ -shared -o "$out/libbochs.so" -Wl,-Bsymbolic ./*.o -Wl,--start-group -Wl,--whole-archive cpu/libcpu.a \
    -Wl,--no-whole-archive $(find . -name 'lib*.a' ! -name libcpu.a) -Wl,--end-group -lpthread
cp bios/BIOS-bochs-latest bios/VGABIOS-lgpl/VGABIOS-lgpl-latest.bin "$out"
