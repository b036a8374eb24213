# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# vcrypto-probe with QEMU's functions.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

# probe STATUS WHAT [ARGUMENT...]
probe() {
    expected=$1 what=$2
    shift 2
    "$T/vcrypto-probe" "$@" >/tmp/probe 2>&1
    status=$?
    cat /tmp/probe
    if [ $status -eq "$expected" ]; then ok "$what"; else not_ok "$what" "status $status"; fi
}
# state ADDRESS TEXT: what the list says of a function.
state() {
    grep -A 1 "^$1 " /tmp/probe | tail -n 1 | grep -qE "^    $2"
}

bind vfio-pci $ROOT $PLUG
chown root "/dev/vfio/$(group_of $ROOT)"
unbind $PAIR0
unbind $PAIR1
check 'another process holds it' hold $PLUG
probe 0 'a list'
check 'one is ready' state $ROOT ready
check 'one is in use' state $PLUG "in use: another process has /dev/vfio/$(group_of $PLUG) open"
check 'one is bound to nothing, and what to do about it' \
    state $PAIR0 "bound to no driver, not to vfio-pci: driverctl set-override $PAIR0 vfio-pci"
probe 1 'one that is in use' pci:$PLUG
let_go
probe 0 'and then is not' -q pci:$PLUG
su -s /bin/sh user -c "$T/vcrypto-probe" >/tmp/probe 2>&1
check 'for somebody else none is ready' [ $? -eq 1 ]
check 'and he is told why' state $ROOT "/dev/vfio/$(group_of $ROOT) may not be opened by user 1000"

probe 0 'a function' pci:$ROOT
check 'its features' grep -qx '  features   INDIRECT_DESC EVENT_IDX VERSION_1 ACCESS_PLATFORM' /tmp/probe
check 'its services' grep -qx '  services   CIPHER HASH MAC AKCIPHER' /tmp/probe
check 'its queue' grep -qx '  queues     1 of 256 entries, 2 interrupt vectors' /tmp/probe
check 'AES-CBC works, at a rate' \
    grep -qE '^  AES-CBC +128 ok 192 ok 256 ok +[1-9][0-9]*/s +[1-9][0-9]*/s$' /tmp/probe
check 'RSA works with PKCS#1 padding' grep -qE '^  RSA .*2048 ok' /tmp/probe
check 'and not without padding' sh -c '! grep raw /tmp/probe'
check 'nothing else is offered' [ "$(grep -cE '^  (AES|ChaCha|RSA|ECDSA)' /tmp/probe)" -eq 2 ]
probe 0 'all functions' -q auto
check 'those that are ready' [ "$(grep -c '^0000:' /tmp/probe)" -eq 2 ]
