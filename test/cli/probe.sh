#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# vcrypto-probe: the list, the emulated function, configuration files.
# shellcheck source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

# probe ARGUMENT...: its output in $work/out and $work/err.
probe() {
    timeout -k 5 60 "$module_dir/vcrypto-probe" "$@" >"$work/out" 2>"$work/err" </dev/null
}
# ends STATUS WHAT
ends() {
    local status=$?
    [ $status -eq "$1" ]
    report $? "$2: status $status"
}
said() {
    grep -qE "$1" "$work/out" "$work/err"
}

probe
status=$?
if [ $status -eq 0 ]; then
    expect "the list names a function that is ready" said '^    ready$'
else
    expect "the list tells that there is nothing, or why" said '.'
    [ $status -eq 1 ]
    report $? "and has status 1"
fi

probe -q emulator
ends 0 "the emulated function"
expect "its features" said 'features.* VERSION_1 ACCESS_PLATFORM'
expect "its services" said 'services .*CIPHER AEAD AKCIPHER'
expect "its queues" said 'queues +[1-9][0-9]* of 256 entries, [1-9][0-9]* interrupt vectors'
expect "AES-GCM with all keys" said '^  AES-GCM +128 ok 192 ok 256 ok *$'
expect "RSA both ways" said '^  RSA +1024 ok raw PKCS1 2048 ok'
expect "no algorithm fails" sh -c "! grep FAILS '$work/out'"
expect "no rate when quick" sh -c "! grep '/s' '$work/out'"

probe emulator
ends 0 "the emulated function with its rates"
expect "two rates of a cipher" said '^  AES-CBC .* [1-9][0-9]*/s +[1-9][0-9]*/s$'
expect "one of RSA and ECDSA" test "$(grep -cE '^  (RSA|ECDSA) .* [1-9][0-9]*/s$' "$work/out")" -eq 2
expect "none has failed" sh -c "! grep failed '$work/out'"

probe emulator pci:0000:ff:1f.7
ends 1 "one of two is not there"
expect "which is said" said '0000:ff:1f.7: there is no such PCI function'
expect "and the other described" said '^emulator0$'
probe nonsense
ends 1 "no such kind of device"
probe --nonsense
ends 2 "no such option"
probe --check-config "$work/openssl.cnf" emulator
ends 2 "two things at once"
probe --help
ends 0 "help"
expect "usage" said '^usage: '

probe -C -q
ends 0 "thresholds measured, quickly and badly"
expect "what was measured, as comments" test "$(grep -cE '^# [A-Za-z0-9-]+ +(enc|dec): ' "$work/out")" -eq 36
expect "one setting" test "$(grep -c '^min_bytes = ' "$work/out")" -eq 1
expect "of all ciphers, both ways" test "$(grep -cE '[A-Z0-9]:(enc|dec):[0-9]+(, .)?$' "$work/out")" -eq 36
cp "$work/out" "$work/measured"
configure "$(cat "$work/measured")"
probe --check-config "$work/openssl.cnf"
ends 0 "pasted into a file"
expect "it is good" test "$(cat "$work/out")" = "$work/openssl.cnf: good"
probe --calibrate emulator emulator
ends 2 "calibrating two devices"
probe --calibrate pci:0000:ff:1f.7
ends 1 "calibrating what is not there"
# The device's name goes into a configuration file, and more with it.
probe --calibrate -q $'emulator\nmin_bytes = 0\nfallback = no\nemulator_fault = error:997\n[other]'
ends 1 "calibrating a device that fails, while other jobs wait for it"
expect "what has failed" said '^vcrypto-probe: [A-Z0-9-]+ (en|de)cryption failed$'
expect "no setting" sh -c "! grep -q '^min_bytes = [A-Z]' '$work/out'"

configure
probe --check-config "$work/openssl.cnf"
ends 0 "the sample"
expect "is good" test "$(cat "$work/out")" = "$work/openssl.cnf: good"

configure 'min_byte = 0' 'queue_size = 128'
probe --check-config "$work/openssl.cnf"
ends 1 "a misspelt key"
expect "its name is told" said '\[vcrypto_sect\]: unknown key: min_byte$'
expect "and no other" test "$(grep -c 'unknown key' "$work/out")" -eq 1

configure 'queue_size = 100'
probe --check-config "$work/openssl.cnf"
ends 1 "a bad value"
expect "it is told with what is accepted" said 'queue_size = 100: accepted is a power of two from 8 to 256'

for line in config_diagnostics default_properties 'properties = provider=default' 'default = default_sect'; do
    configure
    sed -i "/^$line/d" "$work/openssl.cnf"
    probe --check-config "$work/openssl.cnf"
    ends 0 "without $line"
    expect "a note of it" test "$(grep -c ': note: ' "$work/out")" -eq 1
done

printf 'openssl_conf = init\n[init]\nx = y\n' >"$work/other.cnf"
probe --check-config "$work/other.cnf"
ends 1 "a file without vcrypto"
printf '[sect\n' >"$work/other.cnf"
probe --check-config "$work/other.cnf"
ends 1 "a file that cannot be read"
expect "its line is told" said 'other.cnf: line 1 '
probe --check-config "$work/nothing.cnf"
ends 1 "no file"
