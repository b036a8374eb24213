# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# What the cases share. They run in the guest, under busybox, as root.
# shellcheck disable=SC2034
T=/t
PCI=/sys/bus/pci/devices

# The functions, see run.sh. PLUG can be unplugged, as crypto1; PAIR0 and PAIR1
# share an IOMMU group.
ROOT=0000:00:05.0
PLUG=0000:01:00.0
PAIR0=0000:00:06.0
PAIR1=0000:00:06.1

# Results go to the host by their own line, and into the log.
say() {
    echo "$1" | tee /dev/ttyS1
}
ok() {
    say "ok - $1"
}
not_ok() {
    say "not ok - $1${2:+: $2}"
}

# check NAME COMMAND...: a test that has passed when the command succeeds.
check() {
    what=$1
    shift
    if "$@"; then ok "$what"; else not_ok "$what" "status $? of: $*"; fi
}

# Passes on the result lines of a program, and its other output to the log. A
# program that crashes, or says nothing, has failed.
results() {
    what=$1
    shift
    "$@" >/tmp/results 2>&1
    status=$?
    cat /tmp/results
    grep -E '^(ok|not ok) - ' /tmp/results >/dev/ttyS1
    if [ $status -gt 1 ] || ! grep -qE '^(ok|not ok) - ' /tmp/results; then
        not_ok "$what" "status $status"
    fi
}

# Addresses of all virtio-crypto functions.
functions() {
    for d in "$PCI"/*; do
        [ "$(cat "$d/vendor" "$d/device" 2>/dev/null | tr -d '\n')" = 0x1af40x1054 ] &&
            echo "${d##*/}"
    done
}
driver_of() {
    basename "$(readlink "$PCI/$1/driver" || echo none)"
}
group_of() {
    basename "$(readlink "$PCI/$1/iommu_group" || echo none)"
}

# bind DRIVER ADDRESS...
bind() {
    driver=$1
    shift
    for a; do
        [ "$(driver_of "$a")" != "$driver" ] || continue
        unbind "$a"
        echo "$driver" >"$PCI/$a/driver_override"
        echo "$a" >/sys/bus/pci/drivers_probe
    done
}

unbind() {
    [ ! -e "$PCI/$1/driver" ] || echo "$1" >"$PCI/$1/driver/unbind"
}

# until_true SECONDS COMMAND...: waits for it to succeed.
until_true() {
    tries=$(($1 * 10))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# hold ADDRESS: another process opens the function, until let_go, or until the
# function is asked back. What it says is in /tmp/held, and is of this one only.
hold() {
    rm -f /tmp/hold /tmp/held
    mkfifo /tmp/hold
    "$T/transport" hold "$1" </tmp/hold >/tmp/held 2>&1 &
    holder=$!
    exec 3>/tmp/hold
    until_true 20 grep -qs open /tmp/held
}
let_go() {
    exec 3>&-
    wait "$holder"
}

# monitor COMMAND [ARGUMENTS]: a command of QMP, its arguments in JSON. Answers
# and events are in /tmp/monitor.log.
monitor() {
    echo "{\"execute\":\"$1\",\"arguments\":{$2}}" >/dev/ttyS2
}
deleted() {
    grep -c '"DEVICE_DELETED".*"crypto1"' /tmp/monitor.log
}

# Asks for PLUG back: the guest's kernel takes some seconds before it does.
unplug() {
    monitor device_del '"id":"crypto1"'
}
# Whether PLUG has left N times by now, and can be given again.
unplugged() {
    [ "$(deleted)" -ge "$1" ]
}
plug() {
    monitor device_add '"driver":"virtio-crypto-pci","id":"crypto1","cryptodev":"c1","bus":"rp0",
        "disable-legacy":"on","iommu_platform":true,"aer":true'
}

# The openssl command without the provider.
plain() {
    OPENSSL_CONF=/dev/null openssl "$@"
}
# configure LINE...: lines of the provider's section, for vssl.
configure() {
    cp $T/openssl.cnf /tmp/openssl.cnf
    printf '%s\n' "$@" >>/tmp/openssl.cnf
}
# vssl ARGUMENT...: the command with the provider; output in $out and $out.err,
# /tmp/vssl unless the caller says otherwise.
vssl() {
    OPENSSL_CONF=${conf:-/tmp/openssl.cnf} VCRYPTO_STATS=1 timeout -k 5 50 openssl "$@" \
        >"${out:-/tmp/vssl}" 2>"${out:-/tmp/vssl}.err"
    set -- $? "$1"
    if [ "$1" -ne 0 ]; then
        echo "openssl $2: status $1"
        tail -n 20 "${out:-/tmp/vssl}.err"
    else
        grep '^vcrypto: ' "${out:-/tmp/vssl}.err"
    fi
    return "$1"
}
# speed JOBS BYTES SECONDS [ARGUMENT...]
speed() {
    jobs=$1 bytes=$2 seconds=$3
    shift 3
    vssl speed -mr -elapsed -seconds "$seconds" -async_jobs "$jobs" -bytes "$bytes" "$@" \
        -evp aes-128-cbc
}
# figure LINE NAME: the sum of NAME=N over the lines "vcrypto: LINE..." of the
# last vssl.
figure() {
    sed -n "s/^vcrypto: $1.* $2=\([0-9]*\).*/\1/p" "${out:-/tmp/vssl}.err" |
        awk '{ sum += $1 } END { print sum + 0 }'
}
# operations: what the last speed counted, over all its processes.
operations() {
    sed -n 's/^+R:\([0-9]*\):.*/\1/p' "${out:-/tmp/vssl}.err" | awk '{ sum += $1 } END { print sum + 0 }'
}
# covered WHAT: there were operations, and each was a request that was answered,
# or software did it.
covered() {
    set -- "$1" "$(operations)" "$(figure 0000 completions)" "$(figure software total)"
    check "$1: $2 operations, $3 on devices, $4 in software" \
        [ "$2" -gt 0 -a $(($3 + $4)) -ge "$2" ]
}
# Interrupts of VFIO's so far.
interrupts() {
    awk '/vfio/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i } END { print sum + 0 }' \
        /proc/interrupts
}
