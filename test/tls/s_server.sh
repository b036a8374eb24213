#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# openssl s_server and s_client, with -async and without it, vcrypto on either
# side. (s_server waits for jobs where it passes on its input and output, but
# not where it serves files: that is tried without -async.)
# shellcheck source=support/server.sh
. "$(dirname "$0")/support/server.sh"

# Numbered, so that none can be lost or repeated, and long enough for records
# of several kilobytes.
for i in {1..200}; do
    printf 'line %d %s\n' "$i" "$(head -c $((i * 11 % 2000)) /dev/zero | tr '\0' y)"
done >"$work/lines"
rev "$work/lines" >"$work/reversed"
head -c 200000 /dev/zero | tr '\0' z >"$work/body"
mkfifo "$work/to_server"

# side vcrypto|plain: the environment of one end.
side() {
    if [ "$1" = vcrypto ]; then
        echo "OPENSSL_CONF=$work/openssl.cnf"
    else
        echo OPENSSL_CONF=/dev/null
    fi
}

# heard_all FILE: waits until all lines are there.
heard_all() {
    for _ in {1..400}; do
        [ "$(wc -l <"$1")" -lt 200 ] || break
        sleep 0.05
    done
}

# What the two sides get to send: first the client, then the server; the end of
# the client's input is the end of the connection. Not both at once: with -async
# they take the result of a read that was paused for that of a write. s_client
# does worse: when it was paused in a read it waits for more data, which may not
# come. So it hears nothing, no tickets either, where it has jobs that pause.
client_says() {
    cat "$work/lines"
    if $answers; then
        heard_all "$work/heard"
    else
        heard_all "$work/out"
    fi
}
server_says() {
    heard_all "$work/out"
    ! $answers || cat "$work/reversed"
    heard_all "$work/heard"
}

# Waits for a server that ends with its last connection.
server_ends() {
    for _ in {1..100}; do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}

# talk SERVER CLIENT WHAT ARGUMENT...: the arguments are for both ends.
talk() {
    local server_side=$1 client_side=$2 what="$3, server $1, client $2" status=0 answers=true speaker
    shift 3
    if [ "$client_side" = vcrypto ] && [ "$1" = -async ]; then
        answers=false
        : >"$work/answer"
    else
        cp "$work/reversed" "$work/answer"
    fi
    port=$(free_port)
    environment=("$(side "$server_side")") input=$work/to_server
    : >"$work/heard"
    : >"$work/out"
    # Opened for reading too: it must not wait for the server.
    server_says 1<>"$work/to_server" &
    speaker=$!
    start_server "$port" openssl s_server -accept "127.0.0.1:$port" -cert "$work/crt.pem" \
        -key "$work/key.pem" -naccept 1 -quiet -num_tickets 0 "$@" || return
    client_says | timeout 30 "${under[@]}" env LD_PRELOAD="${runtime[*]}" \
        "$(side "$client_side")" VCRYPTO_STATS=1 openssl s_client -connect "127.0.0.1:$port" \
        -quiet -no_ign_eof -nocommands "$@" >"$work/heard" 2>"$work/client.err" || status=1
    server_ends
    kill $speaker 2>/dev/null
    { cmp "$work/heard" "$work/answer" && cmp "$work/out" "$work/lines"; } || status=1
    : >"$work/out"
    report $status "$what: all lines are heard"
    [ "$server_side" = plain ] || accounted "$what, server"
    if [ "$client_side" = vcrypto ]; then
        mv "$work/client.err" "$work/err"
        accounted "$what, client"
    fi
}

# serve WHAT SERVER-ARGUMENT... -- ARGUMENT...: connections from the load tool,
# with what is before -- for s_server, and what is after it for the tool.
serve() {
    local what=$1 status=0 arguments=() holder
    shift
    while [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    shift
    port=$(free_port)
    environment=("$(side vcrypto)") input=$work/to_server
    # Nobody writes there: s_server would end with its input.
    sleep 30 1<>"$work/to_server" &
    holder=$!
    start_server "$port" env -C "$work" openssl s_server -accept "127.0.0.1:$port" -quiet \
        -cert crt.pem -key key.pem -naccept 100 -cipher ALL:@SECLEVEL=0 "${arguments[@]}" || return
    run_load --port "$port" --count 100 --clients 4 "$@" || status=1
    [ $status -eq 0 ] || cat "$work/load.err"
    report $status "$what: $result"
    server_ends
    kill $holder
    wait $holder 2>/dev/null
    accounted "$what"
}

file=(--get /body --body "$work/body")
for type in rsa ec; do
    make_certificate $type
    subject_configuration yes 'min_bytes = 0' 'fallback = no'
    for version in -tls1_2 -tls1_3; do
        talk vcrypto plain "$type $version -async" -async $version
        talk plain vcrypto "$type $version -async" -async $version
        talk vcrypto vcrypto "$type $version -async" -async $version
    done
    serve "$type -async, TLS 1.2" -async -- --tls 1.2
    serve "$type -async, TLS 1.3" -async -- --tls 1.3

    subject_configuration yes 'min_bytes = 0' 'fallback = no' 'sync = offload'
    talk vcrypto vcrypto "$type without -async" -tls1_2
    serve "$type files, TLS 1.2, CBC" -WWW -- "${file[@]}" --cipher \
        'AES128-SHA256:ECDHE-ECDSA-AES128-SHA256'
    serve "$type files, TLS 1.3" -WWW -- "${file[@]}" --tls 1.3
done
make_certificate rsa
subject_configuration yes 'min_bytes = 0' 'fallback = no'
for version in -tls1 -tls1_1; do
    talk vcrypto vcrypto "$version, AES-CBC" -async $version -cipher AES256-SHA:@SECLEVEL=0
done
