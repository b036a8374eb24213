#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# openssl s_server and s_client, with -async and without it, vcrypto on either
# side: lines that go through it and come back, and files.
# shellcheck source=support/server.sh
. "$(dirname "$0")/support/server.sh"

# Numbered, so that none can be lost or repeated, and long enough for records
# of several kilobytes.
for i in {1..200}; do
    printf 'line %d %s\n' "$i" "$(head -c $((i * 11 % 2000)) /dev/zero | tr '\0' y)"
done >"$work/lines"
rev "$work/lines" >"$work/expected"
head -c 200000 /dev/zero | tr '\0' z >"$work/body"

# side vcrypto|plain: the environment of one end.
side() {
    if [ "$1" = vcrypto ]; then
        echo "OPENSSL_CONF=$work/openssl.cnf"
    else
        echo OPENSSL_CONF=/dev/null
    fi
}

# s_client leaves at the end of its input: that has to wait for the last line.
feed() {
    cat "$work/lines"
    for _ in {1..100}; do
        [ "$(wc -l <"$work/heard")" -lt 200 ] || break
        sleep 0.05
    done
}

# echo_lines SERVER CLIENT WHAT ARGUMENT...: the arguments are for both ends.
# s_server turns each line round; s_client says what it heard on its output.
echo_lines() {
    local server_side=$1 client_side=$2 what="$3, server $1, client $2"
    shift 3
    port=$(free_port)
    environment=("$(side "$server_side")")
    start_server "$port" openssl s_server -accept "127.0.0.1:$port" -cert "$work/crt.pem" \
        -key "$work/key.pem" -rev -naccept 2 -quiet "${both[@]}" "$@" || return
    feed | timeout 30 "${under[@]}" env LD_PRELOAD="${runtime[*]}" "$(side "$client_side")" \
        VCRYPTO_STATS=1 openssl s_client -connect "127.0.0.1:$port" -quiet -no_ign_eof -nocommands \
        "${both[@]}" "$@" >"$work/heard" 2>"$work/client.err"
    cmp "$work/heard" "$work/expected" >"$work/out" 2>&1
    report $? "$what: 200 lines come back"
    wait "$server"
    server=
    [ "$server_side" = plain ] || accounted "$what, server"
    if [ "$client_side" = vcrypto ]; then
        mv "$work/client.err" "$work/err"
        accounted "$what, client"
    fi
}

# files WHAT ARGUMENT...: the arguments are for the load tool.
files() {
    local what=$1 status=0
    shift
    port=$(free_port)
    environment=("$(side vcrypto)")
    start_server "$port" sh -c "cd $work && exec openssl s_server -accept 127.0.0.1:$port \
        -cert crt.pem -key key.pem -WWW -naccept 101 -quiet -cipher ALL:@SECLEVEL=0 ${both[*]}" ||
        return
    run_load --port "$port" --count 100 --clients 4 --get /body --body "$work/body" "$@" ||
        status=1
    [ $status -eq 0 ] || cat "$work/load.err"
    report $status "$what: $result"
    wait "$server"
    server=
    accounted "$what"
}

for type in rsa ec; do
    make_certificate $type
    subject_configuration yes 'min_bytes = 0' 'fallback = no'
    both=(-async)
    for version in -tls1_2 -tls1_3; do
        echo_lines vcrypto plain "$type $version -async" $version
        echo_lines vcrypto vcrypto "$type $version -async" $version
    done
    files "$type -async, TLS 1.2, CBC" --tls 1.2 --cipher 'AES128-SHA256:ECDHE+AES128+SHA256'
    files "$type -async, TLS 1.2, GCM" --tls 1.2 --cipher 'ECDHE+AESGCM'
    files "$type -async, TLS 1.3, GCM" --tls 1.3
    subject_configuration yes 'min_bytes = 0' 'fallback = no' 'sync = offload'
    both=()
    echo_lines vcrypto vcrypto "$type without -async" -tls1_2
done
make_certificate rsa
for version in -tls1 -tls1_1; do
    both=(-async -cipher AES256-SHA:@SECLEVEL=0)
    echo_lines vcrypto vcrypto "$version, AES-CBC" $version
done
