#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds vcrypto in a Debian 13 root and runs tests in it: OpenSSL 3.5, gcc 14,
# IPsec-MB 2.0, crypto_mb and HAProxy 3.0, of which Debian 12 has none.
#
#   test/debian13/run.sh [--cache DIR] [TEST...]
#
# A TEST is what TEST= of `make check` takes; a selection where none is given.
# The root is made once, by debootstrap, in DIR (build/debian13, or
# VCRYPTO_DEBIAN13_CACHE), and again for other packages; what was built in it is
# kept. Needs root, debootstrap, and at first an archive: debootstrap's own
# choice, or DEBIAN_MIRROR.
#
# The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${VCRYPTO_DEBIAN13_CACHE:-build/debian13}
if [ "${1:-}" = --cache ]; then
    cache=$2
    shift 2
fi
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(
    test/unit/{contract,driver,engine_crypto_mb,engine_ipsec_mb,format,lifetimes,virtqueue}
    test/pci/{akcipher,akcipher_keys,foreign_driver}
    test/evp
    test/async/{callback,fd,many,resume}
    test/tls/{harness,keys,premaster,session,haproxy.sh}
    test/cli/{enc,probe,speed})

packages=gcc,libc6-dev,make,pkg-config,libssl-dev,libpci-dev,openssl,check
packages+=,libipsec-mb-dev,libcrypto-mb-dev,haproxy,procps
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "debian13: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "only root can change the root"
if ! unshare -m true 2>/dev/null; then
    echo "skip - debian13: no mount namespaces are to be had here"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
root=$cache/root

make_root() {
    [ ! -d "$root" ] || [ "$(cat "$cache/packages")" != "$packages" ] || return 0
    command -v debootstrap >/dev/null || fail "debootstrap is missing"
    rm -rf "$root" "$root.new"
    debootstrap --variant=minbase --keyring=$keyring --include=$packages trixie "$root.new" \
        ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$cache/debootstrap.log" 2>&1 || fail "no root, see $cache/debootstrap.log"
    mkdir "$root.new/vcrypto"
    mv "$root.new" "$root"
    echo "$packages" >"$cache/packages"
}

# What is in the working tree, committed or not; what has gone there goes here.
copy_source() {
    find "$root/vcrypto" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
    git -c safe.directory='*' ls-files -co --exclude-standard -z |
        tar -c --null --verbatim-files-from --ignore-failed-read -T - | tar -x --no-same-owner -C "$root/vcrypto"
}

# Mounts are seen by this command only, and go with it.
# shellcheck disable=SC2016 # the inner shells expand these
inside() {
    ROOT=$root unshare -m bash -c 'mount --rbind /dev "$ROOT/dev" &&
        mount -t proc proc "$ROOT/proc" && mount -t tmpfs tmpfs "$ROOT/tmp" &&
        exec chroot "$ROOT" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
            HAPROXY_SECONDS="${HAPROXY_SECONDS-}" HAPROXY_PAIRS="${HAPROXY_PAIRS-}" \
            TEST_TIMEOUT="${TEST_TIMEOUT-}" \
            bash -c "cd /vcrypto && exec \"\$@\"" - "$@"' - "$@"
}

passed=0 failed=0
there() { # PATTERN WHAT
    if grep -q "$1" "$cache/log"; then
        passed=$((passed + 1))
        echo "ok - $2"
    else
        failed=$((failed + 1))
        echo "not ok - $2"
    fi
}

begin=$SECONDS
make_root
echo "debian13: the root is there, $((SECONDS - begin)) s"
begin=$SECONDS
copy_source
status=0
{ inside openssl version && inside make -j"$(nproc)" check WERROR=1 TEST="${tests[*]}"; } 2>&1 |
    tee "$cache/log" | grep -v '^  \(CC\|LD\) ' || status=$?
there '^OpenSSL 3\.5\.' "OpenSSL 3.5"
there '^  engines: .*IPsec-MB 2' "built with IPsec-MB 2"
there '^  engines: .*crypto_mb' "built with crypto_mb"
grep -q avx512ifma /proc/cpuinfo || echo "debian13: no AVX-512 IFMA here: crypto_mb was not used"

sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$cache/log" | tail -n 1 || true)
if [[ $sum =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
else
    echo "debian13: the tests did not come to an end, status $status"
    failed=$((failed + 1))
fi
[ $status -eq 0 ] || [ $failed -ne 0 ] || failed=1
echo "debian13: $((SECONDS - begin)) s, log in $cache/log"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
