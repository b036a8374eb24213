# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# seconds: 240
#
# The provider on QEMU's functions, found by itself (device = auto).
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

bind vfio-pci $ROOT $PLUG $PAIR0 $PAIR1
auto() {
    configure 'device = auto' 'min_bytes = 0' "$@"
}
# How many functions had requests in the last vssl. One that a process has let go
# another may take.
busy() {
    sed -n 's/^vcrypto: \(0000:[^ ]*\) .*requests=[1-9].*/\1/p' "${out:-/tmp/vssl}.err" | sort -u | wc -l
}
software() {
    figure software total
}

auto
vssl list -providers
check 'the provider loads' grep -q '^  vcrypto$' /tmp/vssl
check 'with four functions' [ "$(grep -c '^vcrypto: 0000:' /tmp/vssl.err)" -eq 4 ]
check 'and without a request' [ "$(busy)" -eq 0 ]
vssl list -cipher-algorithms
check 'AES-CBC is offered' [ "$(grep -cE '(AES-128|AES-192|AES-256)-CBC\b.* @ vcrypto$' /tmp/vssl)" -eq 3 ]
check 'what the function can do but does not advertise is not' \
    sh -c "! grep -E '(ECB|CTR|XTS|GCM).* @ vcrypto$' /tmp/vssl"

# NIST SP 800-38A, F.2: key, ciphertext.
auto 'sync = offload' 'fallback = no'
iv=000102030405060708090a0b0c0d0e0f
unhex() {
    xxd -r -p
}
unhex >/tmp/plain <<'END'
6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710
END
while read -r bits key cipher; do
    echo "$cipher" | unhex >/tmp/want
    vssl enc "-aes-$bits-cbc" -nopad -K "$key" -iv $iv -in /tmp/plain -out /tmp/got
    check "AES-$bits-CBC encrypts NIST's vector" cmp /tmp/want /tmp/got
    check "AES-$bits-CBC: on the device" [ "$(figure 0000 requests)" -gt 0 -a "$(software)" -eq 0 ]
    vssl enc -d "-aes-$bits-cbc" -nopad -K "$key" -iv $iv -in /tmp/want -out /tmp/got
    check "AES-$bits-CBC decrypts it" cmp /tmp/plain /tmp/got
done <<'END'
128 2b7e151628aed2a6abf7158809cf4f3c 7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7
192 8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b 4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd
256 603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4 f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b
END

head -c 1000003 /dev/urandom >/tmp/random
for n in 0 1 15 16 17 1000 16384 65537 1000003; do
    head -c $n /tmp/random >/tmp/plain
    plain enc -aes-256-cbc -K "$iv$iv" -iv $iv -in /tmp/plain -out /tmp/want
    vssl enc -aes-256-cbc -K "$iv$iv" -iv $iv -in /tmp/plain -out /tmp/got
    check "$n random bytes encrypt as OpenSSL's do" cmp /tmp/want /tmp/got
    vssl enc -d -aes-256-cbc -K "$iv$iv" -iv $iv -in /tmp/want -out /tmp/got
    check "$n random bytes are decrypted" cmp /tmp/plain /tmp/got
done

configure "device = pci:$ROOT" 'min_bytes = 0'
for n in 1024 16384; do
    speed 64 $n 1
    check "speed, 64 jobs, $n bytes" [ $? -eq 0 ]
    covered "speed, $n bytes"
    check "speed, $n bytes: nothing in software, no error" \
        [ "$(software)$(figure 0000 errors)$(figure 0000 timeouts)" = 000 ]
done

before=$(interrupts)
speed 64 1024 3 >/tmp/ended &
seen() {
    [ "$(interrupts)" -gt $((before + 100)) ]
}
check 'the interrupts are in /proc/interrupts' until_true 20 seen
wait $!
check 'and in the figures' [ "$(figure 0000 interrupts)" -gt 100 ]

auto
speed 64 1024 1
covered 'speed over all functions'
check 'all four take a part' [ "$(busy)" -eq 4 ]
speed 64 1024 3 -multi 2
covered 'speed in two processes'
check 'each function was with one of them' [ "$(busy)" -eq 4 ]
check 'and the other was told' grep -q 'is left out until it is free: .*in use' /tmp/vssl.err

# One holds a function, another comes and takes what is left.
configure "device = pci:$ROOT" 'min_bytes = 0'
mv /tmp/openssl.cnf /tmp/first.cnf
(conf=/tmp/first.cnf out=/tmp/first && speed 64 1024 12) &
until_true 20 seen
auto
speed 64 1024 1
check 'the second of two processes says what it has not' \
    grep -q "$ROOT: in use: another process has /dev/vfio/$(group_of $ROOT) open;" /tmp/vssl.err
check 'and has the other three' [ "$(busy)" -eq 3 ]
covered 'the second of two processes'
wait $!
(out=/tmp/first && covered 'the first of two processes')

# As somebody who has only the group's file, and may lock 64 MiB.
chown user "/dev/vfio/$(group_of $ROOT)"
configure "device = pci:$ROOT" 'min_bytes = 0' 'fallback = no'
chmod 644 /tmp/openssl.cnf
rm -f /tmp/vssl /tmp/vssl.err
# shellcheck disable=SC3045
(ulimit -l 65536 && exec su -s /bin/sh user -c '. /t/lib.sh; speed 64 16384 1')
check 'without root' [ $? -eq 0 ]
covered 'without root'
rm -f /tmp/vssl /tmp/vssl.err
