#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# openssl speed through openssl.cnf: all that it counts, devices have done.
# shellcheck source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

# speed JOBS ARGUMENT...
speed() {
    local jobs=$1
    shift
    vssl speed -mr -elapsed -seconds 1 -async_jobs "$jobs" -bytes 16384 "$@"
}

# covered WHAT: each operation was a request, and each request was completed.
covered() {
    local ops requests completions
    ops=$(operations)
    requests=$(figure emulator requests)
    completions=$(figure emulator completions)
    test "$ops" -gt 0 -a "${requests:-0}" -ge "$ops" -a "$completions" = "$requests"
    report $? "$1: $ops operations, ${requests:-no} requests"
}

configure
for jobs in 1 8 64 500; do
    speed $jobs -evp aes-128-cbc
    report $? "aes-128-cbc, $jobs jobs"
    covered "aes-128-cbc, $jobs jobs"
    expect "no failure with $jobs jobs" \
        test "$(figure emulator errors),$(figure emulator timeouts)" = 0,0
done

configure 'min_bytes = 0'
for alg in aes-256-ctr aes-128-xts "aes-256-gcm -aead"; do
    # shellcheck disable=SC2086  # two words, options first
    set -- $alg
    speed 64 ${2:+"$2"} -evp "$1"
    covered "$alg"
done
# It gives the key again for each operation.
expect "a session lasts as long as its key" test "$(figure emulator sessions-created)" -le 130

speed 64 -decrypt -evp aes-128-cbc
covered "aes-128-cbc decrypting"

speed 64 -multi 2 -evp aes-128-cbc
report $? "two processes"
covered "two processes"
expect "each had a device of its own" \
    test "$(grep -c '^vcrypto: emulator0 requests=[1-9]' "$work/err")" -eq 2

configure 'device = emulator,emulator'
speed 64 -evp aes-128-cbc
covered "two devices"
expect "both took a part" test "$(grep -c '^vcrypto: emulator[01] requests=[1-9]' "$work/err")" -eq 2

vssl speed -mr -elapsed -seconds 1 -bytes 16384 -evp aes-128-cbc
expect "without jobs all is software" test "$(figure software no-job)" -ge "$(operations)"
expect "and nothing is the device's" test "$(figure emulator requests)" = 0

if [ -z "$san" ]; then
    "$source_dir/test/speed.sh" "$module_dir" aes-128-cbc 16384 8 1 >"$work/out" 2>"$work/err"
    report $? "make speed's comparison"
    expect "it shows both" test "$(grep -cE '^  (OpenSSL|vcrypto) +[0-9]' "$work/out")" -eq 2
    expect "and the device's count" grep -Eq '^vcrypto: emulator0 requests=[1-9]' "$work/out"
fi
