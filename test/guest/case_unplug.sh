# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# A function is asked back while it is open, leaves, and returns.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

bind vfio-pci $PLUG
mkfifo /tmp/hold
"$T/transport" hold $PLUG </tmp/hold >/tmp/held 2>&1 &
exec 3>/tmp/hold
until_true 5 grep -q open /tmp/held
unplug
check 'the request to let go arrives' until_true 20 grep -q 'events 1' /tmp/held
gone() {
    [ ! -e "$PCI/$PLUG" ]
}
check 'the function leaves once it is closed' until_true 10 gone
exec 3>&-
wait $!

check 'QEMU has it back' until_true 10 unplugged 1
plug
check 'the function returns' until_true 10 [ -e "$PCI/$PLUG" ]
bind vfio-pci $PLUG
results "$PLUG" "$T/transport" test $PLUG flr
