#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Loading through openssl.cnf, and what a bad value there gets.
# shellcheck source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

configure
vssl list -providers
report $? "openssl list -providers"
expect "vcrypto is loaded" grep -q '^  vcrypto$' "$work/out"
expect "default is loaded" grep -q '^  default$' "$work/out"
expect "both are active" test "$(grep -c 'status: active' "$work/out")" -eq 2
expect "loading says nothing but the statistics" sh -c "! grep -v '^vcrypto: ' '$work/err'"
expect "a load does no request" test "$(figure emulator0 requests)" = 0

VCRYPTO_STATS=0 vssl list -providers
expect "no statistics unless asked for" sh -c "! grep '^vcrypto: ' '$work/err'"

# Each value fails the load, and the message names key and value.
while read -r line; do
    configure "$line"
    vssl list -providers
    expect "refused: $line" grep -F "${line% =*} = ${line#*= }" "$work/err"
    if grep -q '^  vcrypto$' "$work/out"; then
        report 1 "not loaded with $line"
    fi
done <<'END'
device = nonsense
device = emulator,nonsense
algorithms = AES-128-CBC,ROT13
sync = perhaps
min_bytes = many
min_bytes = AES-128-CBC:sideways:1
min_bytes = ROT13:1
completion = telepathy
queue_size = 100
queue_size = 0
queue_size = 1048576
timeout_ms = soon
timeout_ms = -1
fallback = maybe
emulator_threads = 0
emulator_threads = 65
emulator_latency_us = 1s
emulator_fault = earthquake
END

# Values that are good.
while read -r line; do
    configure "$line"
    vssl list -providers
    expect "accepted: $line" grep -q '^  vcrypto$' "$work/out"
done <<'END'
device = emulator,emulator
algorithms = AES-128-CBC, aes-256-gcm
sync = offload
min_bytes = 0
min_bytes = 4096,AES-128-CBC:enc:1024,AES-128-CBC:dec:2048
completion = interrupt
queue_size = 64
timeout_ms = 100
fallback = no
emulator_threads = 4
emulator_latency_us = 10
emulator_fault = none
END

configure 'algorithms = AES-128-CBC'
vssl list -cipher-algorithms
expect "only the algorithms asked for are offered" \
    test "$(grep -c '@ vcrypto$' "$work/out")" -eq 1
