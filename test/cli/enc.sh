#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# openssl enc, outside of any job: the same bytes whoever makes them.
# shellcheck source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

head -c 1000003 /dev/urandom >"$work/plain"

for alg in aes-128-cbc aes-256-cbc aes-256-ctr aes-128-ecb; do
    key=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
    args=("-$alg" -K "$key" -iv "${key:0:32}")
    case $alg in
    *-128-*) args[2]=${key:0:32} ;;
    esac
    [ $alg != aes-128-ecb ] || args=("${args[@]:0:3}")

    OPENSSL_CONF=/dev/null openssl enc "${args[@]}" -in "$work/plain" -out "$work/expected"

    configure
    vssl enc "${args[@]}" -in "$work/plain" -out "$work/sealed"
    report $? "$alg in software"
    expect "$alg in software, the right bytes" cmp "$work/expected" "$work/sealed"
    expect "$alg in software, no request" test "$(figure emulator requests)" = 0

    configure 'sync = offload' 'min_bytes = 0' 'fallback = no'
    vssl enc "${args[@]}" -in "$work/plain" -out "$work/sealed"
    report $? "$alg offloaded"
    expect "$alg offloaded, the right bytes" cmp "$work/expected" "$work/sealed"
    expect "$alg offloaded, by the device" test "$(figure emulator requests)" -gt 0
    vssl enc -d "${args[@]}" -in "$work/sealed" -out "$work/opened"
    report $? "$alg opened again"
    expect "$alg opened again, the right bytes" cmp "$work/plain" "$work/opened"
done
