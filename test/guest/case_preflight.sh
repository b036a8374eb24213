# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# What is said when a function cannot be opened, and that doing as told helps.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

# opens NAME AS ADDRESS: as_root or as_user.
opens() {
    check "$1" "$2" "$T/transport" open "$3"
}
# refused NAME AS ADDRESS TEXT: the text, a pattern, is in the one line said.
refused() {
    said=$("$2" "$T/transport" open "$3" 2>&1) && status=0 || status=$?
    echo "$said"
    if [ "$status" -eq 1 ] && [ "$(echo "$said" | wc -l)" -eq 1 ] &&
        echo "$said" | grep -qE "$4"; then
        ok "$1"
    else
        not_ok "$1" "status $status, $said"
    fi
}
as_root() {
    "$@"
}
memlock=65536
as_user() {
    # shellcheck disable=SC3045
    (ulimit -l $memlock && su -s /bin/sh user -c "$*")
}
group=/dev/vfio/$(group_of $ROOT)
for a in $PAIR0 $PAIR1 $ROOT; do
    unbind "$a"
done

refused 'an address that is none' as_root 00:05 'not like pci:'
refused 'no such function' as_root 0000:00:1f.7 'no such PCI function'
refused 'bound to no driver' as_root $ROOT 'no driver, not to vfio-pci'
modprobe virtio_pci
bind virtio-pci $ROOT
refused 'bound to another driver' as_root $ROOT 'virtio-pci, not to vfio-pci'
bind vfio-pci $ROOT
refused 'a group file that is not ours' as_user $ROOT "chown 1000 $group"
chown user "$group"
memlock=8192
refused 'too little memory to lock' as_user $ROOT 'memlock'
memlock=65536
opens 'without root, once told' as_user $ROOT

check 'another process holds it' hold $ROOT
refused 'open in another process' as_root $ROOT 'another process'
let_go
opens 'and then not any more' as_root $ROOT

bind vfio-pci $PAIR0
bind virtio-pci $PAIR1
refused 'a group that is not viable' as_root $PAIR0 "$PAIR1, bound to virtio-pci"
bind vfio-pci $PAIR1
opens 'and then is' as_root $PAIR0
