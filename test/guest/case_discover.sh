# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# What libpci finds, against what sysfs says and run.sh made.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

list() {
    "$T/discover" >/tmp/found 2>&1
    status=$?
    cat /tmp/found
    return $status
}
has() {
    grep -qxE "$1" /tmp/found
}

bind vfio-pci $ROOT $PLUG
unbind $PAIR0
modprobe virtio_pci
bind virtio-pci $PAIR1
list
check 'all four are found' has 'found 4'
check 'a function bound to vfio-pci' has \
    "$ROOT driver=vfio-pci group=$(group_of $ROOT) vectors=2 express=0 flr=0 vendor=5"
check 'one behind a port' has \
    "$PLUG driver=vfio-pci group=$(group_of $PLUG) vectors=2 express=1 flr=1 vendor=5"
check 'one bound to nothing' has "$PAIR0 driver= group=$(group_of $PAIR0) .*"
check 'one bound to another driver' has "$PAIR1 driver=virtio-pci .*"
check 'in order' sort -c /tmp/found

su -s /bin/sh user -c "$T/discover" >/tmp/found
cat /tmp/found
check 'without root, all but the capabilities' has "$PLUG driver=vfio-pci group=$(group_of $PLUG)"

unshare -m sh -c "umount -l /sys; $T/discover" >/tmp/found 2>&1
cat /tmp/found
check 'no bus is an error like others' has 'error -19: .+'
unbind $PAIR1
