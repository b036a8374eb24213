# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# seconds: 120
#
# RSA on QEMU's function: it signs with PKCS#1 padding and four digests, and the
# rest is software's. Plain OpenSSL verifies.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

bind vfio-pci $ROOT
cd /tmp || exit 1
plain genrsa -out key.pem 2048 2>/dev/null
plain rsa -in key.pem -pubout -out public.pem 2>/dev/null
head -c 1000 /dev/urandom >text
configure "device = pci:$ROOT" 'sync = offload' 'min_bytes = 0'
vssl list -signature-algorithms
check 'RSA signatures are offered' grep -q 'RSA.* @ vcrypto$' vssl

# signs WHERE WHAT ARGUMENT...
signs() {
    where=$1 sort=$2
    shift 2
    rm -f signature
    vssl dgst -sign key.pem -out signature "$@" text
    check "$sort is made" [ $? -eq 0 ]
    check "$sort is made on the $where" [ "$(figure 0000 requests)" -eq "$([ "$where" = device ] && echo 1 || echo 0)" ]
    plain dgst -verify public.pem -signature signature "$@" text
    check "$sort is verified by plain OpenSSL" [ $? -eq 0 ]
}
for digest in md5 sha1 sha256 sha512; do
    signs device "RSA-2048 with $digest" -$digest
done
for digest in sha224 sha384; do
    signs CPU "RSA-2048 with $digest" -$digest
    check "the function does not do $digest" [ "$(figure software unsupported)" -eq 1 ]
done
signs CPU 'RSA-PSS' -sha256 -sigopt rsa_padding_mode:pss

# Some results of the function's are a byte short.
OPENSSL_CONF=openssl.cnf VCRYPTO_STATS=1 "$T/rsa" 1000 key.pem >vssl 2>vssl.err
check "signatures that are verified: $(cat vssl)" grep -qx '1000 of 1000' vssl
grep '^vcrypto: ' vssl.err
requests=$(figure 0000 requests)
again=$(figure software total)
check "the function was asked for each: $requests" [ "$requests" -eq 1000 ]
check "and software made again what it failed at: $again" \
    [ "$again" -lt 50 -a "$again" -eq "$(figure software device-error)" ]
