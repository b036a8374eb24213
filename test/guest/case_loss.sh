# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# seconds: 300
#
# A function leaves while it is at work, comes back, is reset by somebody else,
# asks for a reset: everything is done all the same, and the figures tell.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

bind vfio-pci $ROOT $PLUG
gone() {
    [ ! -e "$PCI/$PLUG" ]
}
# PLUG's interrupts so far.
plug_interrupts() {
    awk -v name="($PLUG)" 'index($0, name) { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i }
        END { print sum + 0 }' /proc/interrupts
}
# More than its self test makes, which is no work.
works() {
    [ "$(plug_interrupts)" -gt 200 ]
}
times=$(deleted)
leave() {
    unplug
    check "$1: the function leaves" until_true 30 gone
    times=$((times + 1))
    until_true 10 unplugged $times
}
is_back() {
    grep -q "^vcrypto: $PLUG: back in service" /tmp/vssl.err
}
works_again() {
    [ "$(plug_interrupts)" -gt $((back_at + 20)) ]
}
come_back() {
    plug
    until_true 10 [ -e "$PCI/$PLUG" ]
    bind vfio-pci $PLUG
    check "$1: it comes back" until_true 30 is_back
    back_at=$(plug_interrupts)
    check "$1: it has work again then" until_true 30 works_again
}
figures_tell() {
    check "$1: the figures tell" [ "$(figure $PLUG removals)$(figure $PLUG returns)" = 11 ]
    check "$1: in words too" [ "$(grep -cE "^vcrypto: $PLUG: (taken away|back in service)" /tmp/vssl.err)" -eq 2 ]
}
# lasts WHAT SECONDS: a speed in the background, PLUG at work.
lasts() {
    speed 64 1024 "$2" >/tmp/ended &
    check "$1: at work" until_true 20 works
}
ends() {
    wait $!
    check "$1: ends well" [ $? -eq 0 ]
    cat /tmp/ended
    covered "$1"
}

# First: the kernel listens to errors of functions that were there at its start.
configure "device = pci:$PLUG" 'min_bytes = 0'
lasts 'an error of the bus' 8
monitor human-monitor-command '"command-line":"pcie_aer_inject_error crypto1 POISON_TLP"'
sleep 3
ends 'an error of the bus'
check 'an error of the bus: the figures tell' [ "$(figure $PLUG resets)" -eq 1 ]
check 'an error of the bus: none waited for its time to pass' [ "$(figure $PLUG timeouts)" -eq 0 ]

configure "device = pci:$ROOT,pci:$PLUG" 'min_bytes = 0'
lasts 'one of two' 25
leave 'one of two'
come_back 'one of two'
ends 'one of two'
figures_tell 'one of two'
check 'one of two: software did what was under way' \
    [ "$(figure software total)" -le 128 -a "$(figure software no-device)" -eq 0 ]

configure "device = pci:$PLUG" 'min_bytes = 0'
lasts 'the only one' 25
leave 'the only one'
sleep 1
come_back 'the only one'
ends 'the only one'
figures_tell 'the only one'
check 'the only one: software did all meanwhile' [ "$(figure software no-device)" -gt 100 ]

configure "device = pci:$PLUG" 'min_bytes = 0' 'timeout_ms = 500'
lasts 'reset by somebody else' 10
echo 1 >"$PCI/$PLUG/reset"
sleep 3
ends 'reset by somebody else'
check 'reset by somebody else: the figures tell' \
    [ "$(figure $PLUG resets)" -eq 1 -a "$(figure $PLUG timeouts)" -gt 0 ]
check 'reset by somebody else: software did what was under way' \
    [ $(($(figure software timeout) + $(figure software device-error))) -le 128 ]

results 'asks for a reset' "$T/recover" pci:$PLUG

# What the client sends comes from a loop that goes on until it is told to stop.
cd /tmp || exit 1
plain req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out crt.pem \
    -subj /CN=localhost -days 2 2>/dev/null
head -c 50000 /dev/urandom >piece
feed() {
    until [ -e stop ]; do
        cat piece
        echo >>pieces
    done
}
configure "device = pci:$PLUG" 'min_bytes = 0'
cp openssl.cnf server.cnf
configure "device = pci:$ROOT" 'min_bytes = 0'
cp openssl.cnf client.cnf
tls='-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256'
mkfifo quiet
exec 3<>quiet
# shellcheck disable=SC2086  # words
OPENSSL_CONF=server.cnf VCRYPTO_STATS=1 openssl s_server -async -quiet -accept 4433 -cert crt.pem \
    -key key.pem -naccept 1 $tls >received 2>vssl.err <quiet &
server=$!
until_true 20 sh -c 'netstat -ltn | grep -q :4433'
# shellcheck disable=SC2086
feed | OPENSSL_CONF=client.cnf openssl s_client -async -quiet -connect 127.0.0.1:4433 \
    -no_ign_eof -nocommands $tls >/dev/null 2>client.err &
check 'TLS: at work' until_true 20 works
leave TLS
sleep 1
come_back TLS
touch stop
wait $server
grep '^vcrypto: ' vssl.err
while read -r _; do cat piece; done <pieces >sent
check "TLS: $(wc -l <pieces) pieces arrive" cmp sent received
figures_tell TLS
check 'TLS: software did records meanwhile' [ "$(figure software no-device)" -gt 0 ]
