# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# seconds: 120
# others: 00:06.1
#
# The same kind of function by two ways, side by side: vcrypto over VFIO, and
# the kernel's virtio_crypto with OpenSSL's afalg engine. The guest's CPU is
# emulated and the machine may be busy: ratios are told, not judged.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

# The kernel's driver takes whatever is not given to another one.
bind vfio-pci $ROOT $PLUG $PAIR0 $PAIR1
modprobe -a virtio_pci virtio_crypto af_alg algif_skcipher
bind virtio-pci $PAIR1
kernel_has_it() {
    grep -q '^driver .*virtio_crypto_aes_cbc' /proc/crypto
}
check 'the kernel has its function' until_true 10 kernel_has_it

configure "device = pci:$ROOT" 'min_bytes = 0'
# The kernel hands its function one request after the other: each interrupts, or
# somebody else has done it.
kernel_interrupts() {
    awk '/virtio[0-9]+-/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i } END { print sum + 0 }' \
        /proc/interrupts
}
afalg() {
    OPENSSL_CONF=/dev/null timeout -k 5 50 openssl speed -mr -elapsed -seconds 3 -async_jobs 64 \
        -bytes "$1" -engine afalg -evp aes-128-cbc >/tmp/vssl 2>/tmp/vssl.err
}
for bytes in 1024 16384; do
    before=$(kernel_interrupts)
    afalg $bytes
    check "$bytes bytes, 64 jobs: through the kernel" [ $? -eq 0 ]
    theirs=$(operations)
    through=$(($(kernel_interrupts) - before))
    check "$bytes bytes: by the function, $through interrupts" [ $through -ge "$theirs" ]
    speed 64 $bytes 3
    check "$bytes bytes, 64 jobs: through vcrypto" [ $? -eq 0 ]
    ours=$(operations)
    covered "$bytes bytes"
    check "$bytes bytes: $ours through vcrypto, $theirs through the kernel, ratio $(
        awk -v a="$ours" -v b="$theirs" 'BEGIN { if (b > 0) printf "%.1f", a / b }')" \
        [ "$ours" -gt 0 -a "$theirs" -gt 0 ]
done
unbind $PAIR1
