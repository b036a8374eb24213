#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# HAProxy with and without vcrypto, in turn, under many clients, a tenth of
# whom leave in the middle of the handshake. HAPROXY_SECONDS is the length of
# each run, HAPROXY_PAIRS how many pairs of runs are compared, HAPROXY_CIPHER the
# suite that they use. From 30 seconds on it is a measurement, and the limits on
# the cost are kept.
# shellcheck source=support/server.sh
. "$(dirname "$0")/support/server.sh"
need haproxy haproxy

seconds=${HAPROXY_SECONDS:-3}
pairs=${HAPROXY_PAIRS:-1}
cipher=(${HAPROXY_CIPHER:+--cipher "$HAPROXY_CIPHER"})
head -c 12000 /dev/zero | tr '\0' x >"$work/body"

# start_haproxy plain|lines|file ARGUMENT...: without vcrypto; with it by
# HAProxy's own configuration; with it by openssl.cnf.
start_haproxy() {
    local values=(PORT="$port" CERTIFICATE="$work/cert.pem" BODY="$work/body") how=$1
    shift
    environment=(OPENSSL_CONF=/dev/null)
    case $how in
    lines)
        subject_configuration no
        environment=(OPENSSL_CONF="$work/openssl.cnf")
        ! with_vcrypto || values+=(MODULE_DIR="$module_dir" PROVIDER=vcrypto DEFAULT_PROVIDER=default
            SYSTEM_MODULE_DIR="$(openssl version -m | cut -d'"' -f2)"
            PROPERTIES='?provider=vcrypto' ASYNC=ssl-mode-async)
        ;;
    file)
        subject_configuration yes
        environment=(OPENSSL_CONF="$work/openssl.cnf")
        values+=(ASYNC=ssl-mode-async)
        ;;
    esac
    fill "$tls_dir/haproxy.cfg.in" "${values[@]}" >"$work/haproxy.cfg"
    start_server "$port" haproxy "${@:--db}" -f "$work/haproxy.cfg"
}

# one_run HOW LEAVING WHAT ARGUMENT...: a HAProxy from start to end, under load;
# LEAVING percent of the clients leave in the middle of the handshake.
one_run() {
    local how=$1 leaving=$2 what="$1, $3, $2% leave" status=0
    shift 3
    port=$(free_port)
    start_haproxy "$how" || return
    # The first handshakes open what stays open.
    run_load --port "$port" --count 50 --clients 8
    sleep 0.2
    measure "$server" --port "$port" --clients 64 --seconds "$seconds" --abort "$leaving" "$@" ||
        status=1
    [ $status -eq 0 ] || cat "$work/load.err"
    report $status "$what: $result"
    expect "$what: descriptors are back ($fds_left left)" test "$fds_left" -le 0
    [ "$how" = plain ] || device_worked "$server" "$what"
    stop_server USR1
    report $? "$what: HAProxy ends"
    [ "$how" = plain ] || [ "$leaving" -ne 0 ] || accounted "$what"
}

# newest_worker MASTER OLD: its worker that is not OLD, once it is there.
newest_worker() {
    local _
    for _ in {1..200}; do
        worker=$(pgrep -P "$1" | grep -vx "${2:-none}" | tail -n 1)
        [ -z "$worker" ] || ! listening "$port" || return 0
        sleep 0.05
    done
    return 1
}

# load_worker WHAT: connections to it, and work for its device.
load_worker() {
    local status=0
    run_load --port "$port" --count 200 --clients 16 --tls 1.2 || status=1
    [ $status -eq 0 ] || cat "$work/load.err"
    report $status "$1: $result"
    device_worked "$worker" "$1"
}

# A master that has loaded the configuration forks its workers; a reload is an
# exec of the master, and a worker beside the old one, which then ends.
master_and_workers() {
    local first
    port=$(free_port)
    start_haproxy lines -W -db || return
    newest_worker "$server" ""
    report $? "master and worker: there is a worker"
    load_worker "master and worker"
    first=$worker
    kill -USR2 "$server"
    newest_worker "$server" "$first"
    report $? "master and worker: there is a new one after a reload"
    for _ in {1..100}; do
        kill -0 "$first" 2>/dev/null || break
        sleep 0.05
    done
    expect "master and worker: the old one ends" test ! -d "/proc/$first"
    load_worker "master and worker, reloaded"
    stop_server USR1
    report $? "master and worker: HAProxy ends"
}

# In the background: it forks when all is loaded, and its parent ends.
daemon() {
    port=$(free_port)
    start_haproxy lines -D -p "$work/haproxy.pid" || return
    started_daemon "$work/haproxy.pid" "daemon"
    worker=$server
    load_worker "daemon"
    stop_daemon USR1 "daemon"
}

# The whole point: what a handshake costs HAProxy's own thread.
compare_cost() {
    local i cost=() rates=() plain_us plain_process plain_rate what="TLS 1.2, RSA-2048"
    for ((i = 0; i < pairs; i++)); do
        one_run plain 10 "$what" --tls 1.2 "${cipher[@]}"
        plain_us=$thread_us plain_process=$process_us plain_rate=$rate
        one_run lines 10 "$what" --tls 1.2 "${cipher[@]}"
        cost+=("$(ratio "$thread_us" "$plain_us")") rates+=("$(ratio "$rate" "$plain_rate")")
        echo "# own thread $thread_us us per handshake, plain $plain_us us: ${cost[-1]};" \
            "all threads $process_us us, plain $plain_process us;" \
            "rate $rate, plain $plain_rate: ${rates[-1]}"
    done
    if [ "$seconds" -ge 30 ] && [ -z "$san" ]; then
        expect "cost of HAProxy's own thread, $(median "${cost[@]}") of plain, at most 0.60" \
            at_most "$(median "${cost[@]}")" 0.6
        expect "rate, $(median "${rates[@]}") of plain, at least 1" \
            at_most 1 "$(median "${rates[@]}")"
    fi
}

make_certificate rsa
compare_cost
seconds=2
one_run lines 0 "TLS 1.2, RSA-2048" --tls 1.2
one_run file 0 "TLS 1.2, RSA-2048" --tls 1.2
if with_vcrypto; then
    master_and_workers
    daemon
fi
one_run lines 0 "TLS 1.2, RSA key exchange, with data" --tls 1.2 --cipher AES128-GCM-SHA256 \
    --get / --body "$work/body"
one_run lines 10 "TLS 1.3, RSA-2048" --tls 1.3
make_certificate ec
one_run lines 10 "TLS 1.2, P-256" --tls 1.2
one_run lines 0 "TLS 1.3, P-256, with data" --tls 1.3 --get / --body "$work/body"
