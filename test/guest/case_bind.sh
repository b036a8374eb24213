# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# The guest itself: the functions are there, VFIO takes them, and QEMU listens.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

check 'four functions are visible' [ "$(functions | wc -l)" -eq 4 ]
for a in $ROOT $PLUG $PAIR0 $PAIR1; do
    bind vfio-pci "$a"
    check "$a is bound to vfio-pci" [ "$(driver_of "$a")" = vfio-pci ]
    check "$a has a file in /dev/vfio" [ -c "/dev/vfio/$(group_of "$a")" ]
done
check 'two functions share a group' [ "$(group_of "$PAIR0")" -eq "$(group_of "$PAIR1")" ]
check 'the others do not' [ "$(group_of "$ROOT")" -ne "$(group_of "$PLUG")" ]
monitor query-status
check 'the monitor answers' until_true 10 grep -q '"running": true' /tmp/monitor.log
