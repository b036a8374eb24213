#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The guest's first process: prepares the system, runs the cases named in
# /t/cases one after another and powers off.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=1777 tmp /tmp
mkdir -p /dev/shm
mount -t tmpfs -o mode=1777 shm /dev/shm
ip link set lo up
echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
echo 'user:x:1000:1000:user:/tmp:/bin/sh' >>/etc/passwd
ldconfig 2>/dev/null

# Results and monitor are byte streams, no terminals.
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
cat /dev/ttyS2 >/tmp/monitor.log &
# The line has echoed what QEMU said before stty; \377 makes it forget that.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    printf '\377\n{"execute":"qmp_capabilities"}\n' >/dev/ttyS2
    sleep 0.1
    ! grep -q '"return"' /tmp/monitor.log || break
done

modprobe -a vfio-pci vfio_iommu_type1
while read -r case seconds; do
    echo "--- $case" >/dev/kmsg
    echo "--- $case"
    timeout -k 5 "$seconds" sh /t/case_"$case".sh
    status=$?
    # 0: whatever went wrong has been said.
    if [ $status -ne 0 ]; then
        echo "not ok - $case: ended with status $status" | tee /dev/ttyS1
    fi
done </t/cases

echo '--- monitor'
tr -d '\r' </tmp/monitor.log
echo '--- kernel'
dmesg
echo end >/dev/ttyS1
sync
poweroff -f
