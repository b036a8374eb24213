# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# A function is asked back while it is open, leaves, and returns.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

bind vfio-pci $PLUG
check 'another process holds it' hold $PLUG
unplug
check 'the request to let go arrives' until_true 20 grep -q 'events 1' /tmp/held
gone() {
    [ ! -e "$PCI/$PLUG" ]
}
check 'the function leaves once it is closed' until_true 10 gone
let_go

check 'QEMU has it back' until_true 10 unplugged 1
plug
check 'the function returns' until_true 10 [ -e "$PCI/$PLUG" ]
bind vfio-pci $PLUG
results "$PLUG" "$T/transport" test $PLUG flr
