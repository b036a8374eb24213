# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# seconds: 120
#
# TLS over loopback with records on QEMU's functions, one for the server and one
# for the client, both with -async.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

bind vfio-pci $ROOT $PLUG
port=4433
cd /tmp || exit 1
plain req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out crt.pem \
    -subj /CN=localhost -days 2 2>/dev/null
head -c 3000003 /dev/urandom >body
configure "device = pci:$ROOT" 'min_bytes = 0'
cp openssl.cnf server.cnf
configure "device = pci:$PLUG" 'min_bytes = 0'
cp openssl.cnf client.cnf

mkfifo quiet
exec 3<>quiet
listens() {
    netstat -ltn 2>/dev/null | grep -q ":$port "
}
# transfer WHAT ARGUMENT...: the client sends the body; arguments for both ends.
# Each end's function has done $least records at least.
least=180
transfer() {
    tls=$1
    shift
    (conf=server.cnf out=server && vssl s_server -async -quiet -accept $port -cert crt.pem \
        -key key.pem -naccept 1 "$@" <quiet) &
    check "$tls: the server is up" until_true 20 listens
    (conf=client.cnf out=client && vssl s_client -async -quiet -connect 127.0.0.1:$port \
        -no_ign_eof -nocommands "$@" <body)
    wait $!
    check "$tls: the body arrives" cmp body server
    for end in server client; do
        records=$(out=$end figure 0000 requests)
        check "$tls: records on the $end's device, $records" [ "$records" -ge $least ]
        check "$tls: no failure of the $end's device" \
            [ "$(out=$end figure 0000 errors)$(out=$end figure 0000 timeouts)" = 00 ]
    done
}

suite=ECDHE-ECDSA-AES128-SHA256
transfer 'TLS 1.2, CBC, encrypt-then-MAC' -tls1_2 -cipher $suite
transfer 'TLS 1.2, CBC, AES-256' -tls1_2 -cipher ECDHE-ECDSA-AES256-SHA384

# Without encrypt-then-MAC libssl takes the default provider's cipher and MAC in
# one, which the function has nothing like.
least=0
transfer 'TLS 1.2, CBC, MAC-then-encrypt' -tls1_2 -cipher $suite -no_etm
