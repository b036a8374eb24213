#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Unpadding of RSA decryptions looks at no secret: see constant_time/unpad.c.
set -u
here=test/evp/constant_time
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

skip() {
    echo "skip - unpadding in constant time: $1"
    exit 0
}

[ -z "${VCRYPTO_SAN:-}" ] || skip "valgrind does not run what is built with a sanitizer"
command -v valgrind > /dev/null || skip "no valgrind here; it is in the package valgrind"
echo '#include <valgrind/memcheck.h>' | ${CC:-cc} -E - > /dev/null 2>&1 || skip "no valgrind/memcheck.h here; it is in the package valgrind"

# shellcheck disable=SC2046
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O2 -gdwarf-4 -Iprovider -Iinclude -o "$tmp/unpad" \
    $here/unpad.c provider/rsa_padding.c $(pkg-config --cflags --libs libcrypto) || {
    echo "not ok - build"
    exit 1
}

# 0: memcheck has nothing to say; 9: it has.
run() {
    valgrind -q --error-exitcode=9 "$tmp/unpad" "$1" "$2" > "$tmp/log" 2>&1
}

for how in right type short random; do
    for what in premaster pkcs1 oaep; do
        if run $what $how; then
            echo "ok - $what, $how"
        else
            echo "not ok - $what, $how"
            sed 's/^/    /' "$tmp/log"
        fi
    done
done
run control right
if [ $? -eq 9 ]; then
    echo "ok - a branch is found"
else
    echo "not ok - a branch is not found"
fi
