# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# The guest itself: the functions are there and VFIO takes them.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

count() {
    functions | wc -l
}
check 'two functions are visible' [ "$(count)" -eq 2 ]
for a in $(functions); do
    bind vfio-pci "$a"
    check "$a is bound to vfio-pci" [ "$(driver_of "$a")" = vfio-pci ]
    check "$a has /dev/vfio/$(group_of "$a")" [ -c "/dev/vfio/$(group_of "$a")" ]
done
monitor info pci
check 'the monitor answers' until_true 5 grep -q 1af4:1054 /tmp/monitor.log
