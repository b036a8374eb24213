#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Boots the guest with four virtio-crypto functions of QEMU's and runs cases in
# it.
#
#   test/guest/run.sh [--build DIR] [CASE...]
#
# A CASE is the NAME of test/guest/case_NAME.sh; all of them where none is
# given. The guest gets DIR/vcrypto.so and the programs in DIR/test/guest. Its
# log is kept in DIR/guest/log. The guest itself is cached in DIR/guest, or in
# VCRYPTO_GUEST_CACHE.
#
# Results are printed one a line as test/run does, and the last line is "N
# passed, N failed". The guest must have come to its end, without a crash, a
# kernel warning or an IOMMU fault: each is a test.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=build
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift 2 ;;
    -*) echo "$0: unknown option $1" >&2; exit 2 ;;
    *) break ;;
    esac
done
cases=("$@")
if [ ${#cases[@]} -eq 0 ]; then
    for f in test/guest/case_*.sh; do
        f=${f##*/case_}
        cases+=("${f%.sh}")
    done
fi

cache=${VCRYPTO_GUEST_CACHE:-$build/guest}
out=$build/guest
mkdir -p "$out"
command -v qemu-system-x86_64 >/dev/null || { echo "guest: qemu-system-x86_64 is missing" >&2; exit 1; }
test/guest/make.sh "$cache"

sockets=$(mktemp -d)
qemu=
cleanup() {
    [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
    rm -rf "$sockets"
}
trap cleanup EXIT

# A second archive after the first: init, cases, what is under test.
make_overlay() {
    local stage=$out/stage c
    rm -rf "$stage"
    mkdir -p "$stage/t"
    install -m 755 test/guest/init.sh "$stage/init"
    cp test/guest/lib.sh test/guest/case_*.sh "$stage/t"
    [ ! -e "$build/vcrypto.so" ] || cp "$build/vcrypto.so" "$build/vcrypto-probe" "$stage/t"
    sed 's|^module = .*|module = /t/vcrypto.so|' openssl.cnf.sample >"$stage/t/openssl.cnf"
    find "$build/test/guest" -maxdepth 1 -type f -perm -u+x -exec cp -t "$stage/t" {} + 2>/dev/null || true
    # What these link to beside the guest's own: libraries of the emulator's engines.
    mkdir -p "$stage/usr/lib/x86_64-linux-gnu"
    { ldd "$stage"/t/* 2>/dev/null || true; } | sed -n 's/.*=> \([^ ]*lib\(IPSec\|crypto\)_[Mm][Bb][^ ]*\) .*/\1/p' |
        sort -u | xargs -r cp -L -t "$stage/usr/lib/x86_64-linux-gnu"
    # "# seconds: N" in a case gives it more than the usual time.
    for c in "${cases[@]}"; do
        echo "$c $(sed -n 's/^# seconds: //p' "test/guest/case_$c.sh" | grep . || echo 60)"
    done >"$stage/t/cases"
    (cd "$stage" && find . | cpio -o -H newc -R 0:0 --quiet) >"$out/overlay.cpio"
    cat "$cache/base.cpio" "$out/overlay.cpio" >"$out/initrd"
}

# ttyS0 is the log, ttyS1 the results, ttyS2 the guest's way to QEMU's monitor:
# both ends of that socket are QEMU's. crypto0 sits on the root bus, crypto1
# behind a root port, so that it can be unplugged and has a reset; crypto2 and
# crypto3 are two functions of one device, and so of one IOMMU group.
# no_timer_check: where QEMU had to wait for a CPU, the guest has seen fewer
# ticks of its timer than its clock says, and would panic.
boot() {
    local command=(qemu-system-x86_64 -machine "q35,kernel-irqchip=split" -accel "tcg,thread=multi"
        -cpu max -smp 2 -m 1G -display none -no-reboot -nodefaults
        -kernel "$cache/vmlinux" -initrd "$out/initrd"
        -append "console=ttyS0 quiet panic=-1 intel_iommu=on tsc=reliable no_timer_check log_buf_len=1M
            cryptomgr.notests=1"
        -chardev "file,id=log,path=$out/log" -serial chardev:log
        -chardev "file,id=results,path=$out/results" -serial chardev:results
        -chardev "socket,id=monitor,path=$sockets/monitor,server=on,wait=off" -mon "monitor,mode=control"
        -chardev "socket,id=line,path=$sockets/monitor" -serial chardev:line
        -device "intel-iommu,intremap=on"
        -device "pcie-root-port,id=rp0,chassis=1,addr=7")
    local options=disable-legacy=on,iommu_platform=on
    local places=("addr=5" "bus=rp0,aer=on" "addr=6.0,multifunction=on" "addr=6.1") i
    for i in "${!places[@]}"; do
        command+=(-object "cryptodev-backend-builtin,id=c$i"
            -device "virtio-crypto-pci,id=crypto$i,cryptodev=c$i,$options,${places[i]}")
    done
    timeout -k 5 "$seconds" "${command[@]}" </dev/null >"$out/qemu" 2>&1 &
    qemu=$!
}

passed=0 failed=0
report() { # NAME WHETHER-IT-IS-SO [TEXT]
    if [ "$2" -eq 1 ]; then
        passed=$((passed + 1))
        echo "ok - $1"
    else
        failed=$((failed + 1))
        echo "not ok - $1"
        [ -z "${3:-}" ] || printf '    %s\n' "${3//$'\n'/$'\n    '}"
    fi
}

make_overlay
: >"$out/log"
: >"$out/results"
seconds=$(awk '{ s += $2 + 5 } END { print s + 30 }' "$out/stage/t/cases")
begin=$SECONDS
boot
ended=0
while IFS= read -r line; do
    case $line in
    "ok - "*) passed=$((passed + 1)); echo "$line" ;;
    "not ok - "*) failed=$((failed + 1)); echo "$line" ;;
    end) ended=1 ;;
    esac
done < <(tail -n +1 -s 0.2 --pid=$qemu -f "$out/results" | tr -d '\r')
wait "$qemu" || { echo "qemu ended with status $?, 124 being out of time" >>"$out/qemu"; ended=0; }
qemu=
echo "guest: $((SECONDS - begin)) s, log in $out/log"

look() { grep -aE "$1" "$out/log" | head -n 10 || true; }
crash=$(look 'BUG: |Oops: |Kernel panic|general protection|segfault at|trap invalid opcode|rcu.*stall|hung_task|blocked for more than|Out of memory')
warning=$(look '^(\[[^]]*\] )?(WARNING: |Call Trace|irq .*nobody cared)')
# Functions that a case names in "# others: BB:DD.F..." are driven by somebody
# else in it, and these faults are his.
fault=$(tr -d '\r' <"$out/log" | awk '
    /^(\[[^]]*\] )?--- / {
        others = ""
        file = "test/guest/case_" $NF ".sh"
        while ((getline line <file) > 0)
            if (sub(/^# others: /, "", line)) others = " " line " "
        close(file)
    }
    match($0, /\[[0-9a-f]+:[0-9a-f]+\.[0-7]\]/) &&
        index(others, " " substr($0, RSTART + 1, RLENGTH - 2) " ") { next }
    /DMAR: .*[Ff]ault/ && !(others && /handling fault status/)' | head -n 10)
[ $ended -eq 1 ] && why= || why=$(cat "$out/qemu"; tail -n 20 "$out/log")
report 'the guest came to its end' $ended "$why"
report 'no crash in the log of the guest' $((${#crash} == 0)) "$crash"
report 'no kernel warning in the log of the guest' $((${#warning} == 0)) "$warning"
report 'no IOMMU fault in the log of the guest' $((${#fault} == 0)) "$fault"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
