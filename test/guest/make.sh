#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the guest: Debian's kernel and a small root file system, out of
# packages that are downloaded and unpacked here, never installed.
#
#   test/guest/make.sh DIR
#
# DIR/vmlinux, DIR/base.cpio and DIR/version are made, and not made again
# while they are newer than this script. Needs no root.
set -euo pipefail

self=$(readlink -f "$0")
mkdir -p "$1"
cd "$1"

fail() {
    echo "guest: $*" >&2
    exit 1
}

if [ -e base.cpio ] && [ -e vmlinux ] && [ base.cpio -nt "$self" ]; then
    exit 0
fi
for tool in apt-get dpkg-deb cpio xz od; do
    command -v $tool >/dev/null || fail "$tool is missing"
done

# Everything but the kernel; the last line is what our own programs link to.
packages=(busybox-static
    libc6 openssl libssl3
    libpci3 libudev1 zlib1g libcap2)

# kernel/ folders of the modules that a test may ask for, with all that these
# depend on.
module_folders=(drivers/vfio virt/lib drivers/virtio drivers/crypto/virtio crypto lib/crypto
    arch/x86/crypto)

# The lists on this machine may be older than the archive: then private ones
# are fetched, as the system's belong to root.
apt_private=(-o "Dir::State=$PWD/apt" -o "Dir::Cache=$PWD/apt" -o Dir::State::status=/var/lib/dpkg/status)
[ "$(id -u)" -ne 0 ] || apt_private+=(-o APT::Sandbox::User=root)

download() {
    local kernel
    kernel=$(apt-cache "$@" depends linux-image-amd64 |
        sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
    [ -n "$kernel" ] || return 1
    (cd packages.new && apt-get -q "$@" download "$kernel" "${packages[@]}")
}

fetch() {
    [ ! -d packages ] || return 0
    rm -rf packages.new
    mkdir packages.new
    if ! download >apt.log 2>&1; then
        mkdir -p apt/lists/partial apt/archives/partial
        if ! { apt-get -q "${apt_private[@]}" update && download "${apt_private[@]}"; } >>apt.log 2>&1; then
            fail "no packages, see $PWD/apt.log"
        fi
    fi
    mv packages.new packages
}

# Little-endian number: file, offset, length.
number() {
    od -An -v -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# The compressed kernel is the payload of the boot header, followed by its size
# (Documentation/x86/boot.rst: setup_sects, payload_offset, payload_length).
unpack_kernel() {
    local image=$1 start length
    start=$((($(number "$image" $((0x1f1)) 1) + 1) * 512 + $(number "$image" $((0x248)) 4)))
    length=$(($(number "$image" $((0x24c)) 4) - 4))
    dd if="$image" of=payload iflag=skip_bytes,count_bytes skip=$start count=$length status=none
    case $(number payload 0 4) in
    1484404733) xz -dc payload ;;
    4247762216) zstd -dcq payload ;;
    *) gzip -dc payload ;;
    esac >vmlinux.new || fail "cannot unpack $image"
    rm payload
    [ "$(number vmlinux.new 0 4)" -eq $((0x464c457f)) ] || fail "no ELF in $image"
    mv vmlinux.new vmlinux
}

fetch
rm -rf root kernel
mkdir -p root kernel
for p in packages/*.deb; do
    case $p in
    */linux-image-*)
        dpkg-deb --fsys-tarfile "$p" | tar -C kernel -x --wildcards ./boot './lib/modules/*/modules.*' \
            "${module_folders[@]/#/./lib/modules/*/kernel/}"
        ;;
    *) dpkg-deb --fsys-tarfile "$p" | tar -C root -x --exclude ./usr/share \
            --exclude "*/gconv" ;;
    esac
done

unpack_kernel kernel/boot/vmlinuz-*
version=$(basename kernel/lib/modules/*)
rm -rf root/lib/modules
mv kernel/lib/modules root/lib/modules
rm -r kernel

busybox=$PWD/root/bin/busybox
"$busybox" depmod -b root "$version"
mkdir -p root/{dev,proc,sys,tmp,run,root,bin,sbin,etc}
"$busybox" --list | while read -r applet; do
    [ -e root/bin/"$applet" ] || ln -s busybox root/bin/"$applet"
done

(cd root && find . | cpio -o -H newc -R 0:0 --quiet) >base.new
echo "$version" >version
mv base.new base.cpio
