# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# For test/tls/*.sh: servers with and without vcrypto, load on them, and what
# it cost them. Source it. SERVER_CPUS and CLIENT_CPUS are lists for taskset.
# With VCRYPTO_TLS_SUBJECT=default there is no vcrypto on either side, and nothing
# is asked of a device: that tests the tests.
# shellcheck source=../../support/cli.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../support/cli.sh"

tls_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
server=
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; rm -rf "$work"' EXIT
# Servers that change their user read certificates and configuration here.
chmod 755 "$work"

on_server_cpus=() on_client_cpus=()
if [ "$(nproc)" -gt 1 ]; then
    on_server_cpus=(taskset -c "${SERVER_CPUS:-0}")
    on_client_cpus=(taskset -c "${CLIENT_CPUS:-1}")
fi

with_vcrypto() {
    [ "${VCRYPTO_TLS_SUBJECT-}" != default ]
}

# need COMMAND PACKAGE: ends the script where the server is not installed.
need() {
    if ! command -v "$1" >/dev/null; then
        echo "skip - $0: no $1 here; it is in the package $2"
        exit 0
    fi
}

# The load tool; made here where the build has not.
load_tool=$module_dir/test/tools/load
if [ ! -x "$load_tool" ] || [ -n "$san" ]; then
    load_tool=$work/load
    ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O2 -o "$load_tool" "$tls_dir/../tools/load.c" \
        -lssl -lcrypto || exit 1
fi

# make_certificate TYPE: $work/cert.pem, key and certificate; rsa or ec.
make_certificate() {
    local new=(-newkey rsa:2048)
    [ "$1" = rsa ] || new=(-newkey ec -pkeyopt ec_paramgen_curve:P-256)
    OPENSSL_CONF=/dev/null openssl req -x509 "${new[@]}" -nodes -keyout "$work/key.pem" \
        -out "$work/crt.pem" -subj /CN=localhost -days 2 2>/dev/null
    cat "$work/crt.pem" "$work/key.pem" >"$work/cert.pem"
    chmod 644 "$work"/*.pem
}

# Whether somebody listens there; he is not connected to, some would count that.
listening() {
    grep -q ":$(printf %04X "$1") 0*:0000 0A " /proc/net/tcp
}

# A port that nobody has now.
free_port() {
    local p
    while :; do
        p=$((20000 + RANDOM % 10000))
        listening $p || break
    done
    echo "$p"
}

# fill FILE.in NAME=VALUE...: the template with @NAME@ replaced, to standard
# output. A line whose @NAME@ has no value goes.
fill() {
    local text pair
    text=$(<"$1")
    shift
    for pair; do
        text=${text//@${pair%%=*}@/${pair#*=}}
    done
    grep -v '@[A-Z_]*@' <<<"$text"
}

# start_server PORT COMMAND...: in the background, with what is in the array
# environment and input from $input; $server is its process. Its output is in
# $work/out, its errors are in $work/err.
environment=() input=/dev/null
start_server() {
    local port=$1
    shift
    "${on_server_cpus[@]}" "${under[@]}" env LD_PRELOAD="${runtime[*]}" VCRYPTO_STATS=1 \
        "${environment[@]}" "$@" >"$work/out" 2>"$work/err" <"$input" &
    server=$!
    for _ in {1..200}; do
        ! listening "$port" || return 0
        kill -0 $server 2>/dev/null || break
        sleep 0.05
    done
    # A daemon's parent may have ended since its child was looked for.
    ! listening "$port" || return 0
    report 1 "$1 starts"
    kill -9 $server 2>/dev/null
    wait $server 2>/dev/null
    server=
    return 1
}

# stop_server SIGNAL: true if it was still there, and ends with status 0.
stop_server() {
    local status=0 ended=0
    kill "-$1" "$server" 2>/dev/null || status=1
    for _ in {1..200}; do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    if kill -0 "$server" 2>/dev/null; then
        kill -9 "$server"
    fi
    wait "$server" 2>/dev/null || ended=$?
    server=
    return $((status + ended))
}

# started_daemon FILE WHAT: $server is the process that FILE names, and its
# parent ends.
started_daemon() {
    local starter=$server _
    for _ in {1..200}; do
        [ ! -s "$1" ] || break
        sleep 0.05
    done
    server=$(cat "$1")
    wait "$starter"
    report $? "$2: its parent ends"
}

# stop_daemon SIGNAL WHAT: it is not a child of ours.
stop_daemon() {
    local _
    kill "-$1" "$server"
    for _ in {1..200}; do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    expect "$2: it ends" test ! -d "/proc/$server"
    kill -9 "$server" 2>/dev/null
    server=
}

# descriptors PROCESS
descriptors() {
    find "/proc/$1/fd" -mindepth 1 -printf x 2>/dev/null | wc -c
}

# Nanoseconds that a process has computed: its oldest thread with the name
# $own_thread, or its first one; and all threads (those that have ended are not
# counted).
own_thread=
named_thread() {
    grep -Fxl -e "$2" "/proc/$1/task"/*/comm 2>/dev/null | cut -d/ -f5 | sort -n | head -n 1
}
thread_cpu() {
    local task=$1
    [ -z "$own_thread" ] || task=$(named_thread "$1" "$own_thread")
    cut -d' ' -f1 "/proc/$1/task/$task/schedstat"
}
process_cpu() {
    awk '{ sum += $1 } END { printf "%.0f", sum }' "/proc/$1"/task/*/schedstat
}

# run_load ARGUMENT...: the load tool; its line is in $result.
run_load() {
    local status=0
    result=$(OPENSSL_CONF=/dev/null "${on_client_cpus[@]}" "$load_tool" "$@" \
        2>"$work/load.err") || status=$?
    return $status
}
# value NAME: of $result.
value() {
    tr ' ' '\n' <<<"$result" | sed -n "s/^$1=//p"
}

# measure PROCESS ARGUMENT...: run_load, with the microseconds per handshake of
# the process' own thread in $thread_us, of all its threads in $process_us,
# the rate in $rate. Descriptors have to be as many afterwards as before.
measure() {
    local process=$1 fds t p t0 p0 n status=0
    shift
    fds=$(descriptors "$process") t0=$(thread_cpu "$process") p0=$(process_cpu "$process")
    run_load "$@" || status=1
    if ! kill -0 "$process" 2>/dev/null; then
        thread_us=0 process_us=0 rate=0 fds_left=0
        echo "# the server is gone"
        return 1
    fi
    t=$(thread_cpu "$process") p=$(process_cpu "$process")
    n=$(value handshakes)
    [ "${n:-0}" -gt 0 ] || n=1
    # shellcheck disable=SC2034  # they are what is measured
    thread_us=$(((t - t0) / n / 1000)) process_us=$(((p - p0) / n / 1000)) rate=$(value rate)
    fds_left=1000
    for _ in {1..100}; do
        fds_left=$(($(descriptors "$process") - fds))
        [ $fds_left -gt 0 ] || break
        sleep 0.05
    done
    return $status
}

# ratio A B: A / B with two digits. at_most A B: A <= B, both decimal.
ratio() {
    awk "BEGIN { printf \"%.2f\", $1 / ($2 == 0 ? 1 : $2) }"
}
at_most() {
    awk "BEGIN { exit !($1 <= $2) }"
}
median() {
    printf '%s\n' "$@" | sort -g | sed -n "$((($# + 1) / 2))p"
}

# subject_configuration ACTIVATE KEY=VALUE...: $work/openssl.cnf; the provider
# is activated by it (yes), or its section is only there for whoever loads it.
subject_configuration() {
    local activate=$1
    shift
    if ! with_vcrypto; then
        : >"$work/openssl.cnf"
        return
    fi
    configure "$@"
    if [ "$activate" = no ]; then
        sed -i -e '/^activate = 1/d' -e '/^alg_section/d' "$work/openssl.cnf"
    fi
    chmod 644 "$work/openssl.cnf"
}

# device_worked PROCESS WHAT: the emulator's thread in it has computed. For a
# server that tells no figures in the end: it goes by _exit, or a job of its was
# abandoned and libcrypto, which never unwinds it, keeps the provider for ever.
device_worked() {
    local emulator cpu=0
    with_vcrypto || return
    emulator=$(named_thread "$1" vcrypto-emu)
    [ -z "$emulator" ] || cpu=$(cut -d' ' -f1 "/proc/$1/task/$emulator/schedstat")
    expect "$2: the device has worked for $((cpu / 1000000)) ms" test "$cpu" -gt 10000000
}

# accounted WHAT: what the devices of the server that has ended were asked for
# they have answered, without errors.
accounted() {
    local requests completions errors timeouts
    with_vcrypto || return
    requests=$(figure emulator requests) completions=$(figure emulator completions)
    errors=$(figure emulator errors) timeouts=$(figure emulator timeouts)
    test "${requests:-0}" -gt 0 -a "$requests" = "$completions" -a "$errors,$timeouts" = 0,0
    report $? "$1: ${requests:-no} requests, ${completions:-no} completions, ${errors:-no}\
 errors, ${timeouts:-no} timeouts"
}
