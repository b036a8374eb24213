#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# openssl speed with vcrypto and without, side by side.
#
#   test/speed.sh BUILD ALGORITHM BYTES JOBS SECONDS
#
# AEAD algorithms are measured as TLS uses them (-aead).
set -eu

build=$1 alg=$2 bytes=$3 jobs=$4 seconds=$5

case $alg in
*-gcm | *-ccm | *poly1305) aead=-aead ;;
*) aead= ;;
esac

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# measure CONF: bytes per second, or nothing.
measure() {
    # shellcheck disable=SC2086  # aead is one word or none
    OPENSSL_CONF=$1 VCRYPTO_STATS=1 openssl speed -mr -elapsed -seconds "$seconds" \
        -async_jobs "$jobs" -bytes "$bytes" $aead -evp "$alg" >"$log" 2>&1 || true
    sed -n 's/^+F:[0-9]*:[^:]*:\([0-9.]*\).*/\1/p' "$log"
}

alone=$(measure /dev/null)
ours=$(measure "$build/openssl.cnf")
if [ -z "$alone" ] || [ -z "$ours" ]; then
    cat "$log" >&2
    exit 1
fi

operations=$(sed -n 's/^+R:\([0-9]*\):.*/\1/p' "$log")
awk -v alg="$alg" -v bytes="$bytes" -v jobs="$jobs" -v alone="$alone" -v ours="$ours" '
BEGIN {
    printf "%s, %d bytes, %d jobs\n", alg, bytes, jobs
    printf "  %-12s %12s %14s\n", "", "MB/s", "operations/s"
    printf "  %-12s %12.1f %14.0f\n", "OpenSSL", alone / 1e6, alone / bytes
    printf "  %-12s %12.1f %14.0f\n", "vcrypto", ours / 1e6, ours / bytes
    printf "  %-12s %12.2f\n", "ratio", ours / alone
}'
echo "vcrypto's operations: $operations"
if ! grep '^vcrypto: ' "$log"; then
    echo "no statistics: vcrypto was not loaded" >&2
    cat "$log" >&2
    exit 1
fi
