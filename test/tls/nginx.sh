#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# nginx, a server without ASYNC: with vcrypto all must work, and cost no more
# than OpenSSL alone. Pairs of runs in turn; from NGINX_SECONDS=5 on the limit
# of 5% on the cost is kept, below that it is only printed.
# shellcheck source=support/server.sh
. "$(dirname "$0")/support/server.sh"
need nginx nginx-light

seconds=${NGINX_SECONDS:-1}
pairs=${NGINX_PAIRS:-3}
mkdir -p "$work/root" "$work/nginx"
head -c 300000 /dev/zero | tr '\0' x >"$work/root/body"
chmod -R a+rX "$work"

# start_nginx plain|software|offload: without vcrypto; with it as it comes;
# with all that it can do outside a job sent to the device.
start_nginx() {
    port=$(free_port)
    environment=(OPENSSL_CONF="$work/openssl.cnf")
    case $1 in
    plain) environment=(OPENSSL_CONF=/dev/null) ;;
    software) subject_configuration yes ;;
    offload) subject_configuration yes 'sync = offload' 'min_bytes = 0' ;;
    esac
    fill "$tls_dir/nginx.conf.in" PORT="$port" WORK="$work" SECLEVEL=@SECLEVEL@ >"$work/nginx.conf"
    start_server "$port" nginx -c "$work/nginx.conf" || return
    worker=$(pgrep -P "$server" | head -n 1)
}

# one_run HOW WHAT ARGUMENT...
one_run() {
    local how=$1 what="$1, $2" status=0
    shift 2
    start_nginx "$how" || return
    run_load --port "$port" --count 50 --clients 8
    sleep 0.2
    measure "$worker" --port "$port" --clients 32 --seconds "$seconds" --abort 10 "$@" || status=1
    [ $status -eq 0 ] || cat "$work/load.err"
    report $status "$what: $result"
    expect "$what: descriptors are back ($fds_left left)" test "$fds_left" -le 0
    stop_server QUIT
    report $? "$what: nginx ends"
}

# compare WHAT ARGUMENT...
compare() {
    local what=$1 i how cost=()
    local -A us
    shift
    for ((i = 0; i < pairs; i++)); do
        # Who comes first changes: the machine may be warmer then, or busier.
        for how in $(if ((i % 2)); then echo software plain; else echo plain software; fi); do
            one_run "$how" "$what" "$@"
            us[$how]=$process_us
            [ "$how" = plain ] || ! with_vcrypto ||
                expect "$what: vcrypto was asked, and left it to software" \
                    test "$(figure software no-job)" != 0 -a "$(figure emulator requests)" = 0
        done
        cost+=("$(ratio "${us[software]}" "${us[plain]}")")
    done
    echo "# $what: ${us[software]} us per connection, plain ${us[plain]} us; all pairs: ${cost[*]}"
    if [ "$seconds" -ge 5 ] && [ -z "$san" ]; then
        expect "$what: cost, $(median "${cost[@]}") of plain, at most 1.05" \
            at_most "$(median "${cost[@]}")" 1.05
    fi
}

# busiest MASTER: its worker that has computed most.
busiest() {
    local w
    for w in $(pgrep -P "$1"); do
        echo "$(process_cpu "$w") $w"
    done | sort -n | tail -n 1 | cut -d' ' -f2
}

# load_workers WHAT: connections to them, and work for the device of one.
load_workers() {
    local status=0
    run_load --port "$port" --count 300 --clients 16 --tls 1.2 || status=1
    [ $status -eq 0 ] || cat "$work/load.err"
    report $status "$1: $result"
    device_worked "$(busiest "$server")" "$1"
}

# In the background: it forks when all is loaded, its parent ends, and workers
# come from the child; a reload makes others.
daemon_with_workers() {
    local what="daemon with two workers"
    port=$(free_port)
    environment=(OPENSSL_CONF="$work/openssl.cnf")
    subject_configuration yes 'sync = offload' 'min_bytes = 0'
    fill "$tls_dir/nginx.conf.in" PORT="$port" WORK="$work" SECLEVEL=@SECLEVEL@ |
        sed -e 's/^daemon off/daemon on/' -e 's/^worker_processes 1/worker_processes 2/' \
            >"$work/nginx.conf"
    start_server "$port" nginx -c "$work/nginx.conf" || return
    started_daemon "$work/nginx.pid" "$what"
    load_workers "$what"
    kill -HUP "$server"
    sleep 0.5
    load_workers "$what, reloaded"
    stop_daemon QUIT "$what"
}

make_certificate rsa
compare "TLS 1.2, RSA-2048" --tls 1.2
compare "TLS 1.3, RSA-2048, 300 kB" --tls 1.3 --get /body --body "$work/root/body"
one_run offload "TLS 1.2, AES-CBC, 300 kB" --tls 1.2 --cipher AES256-SHA256 --get /body \
    --body "$work/root/body"
accounted "offload outside jobs"
! with_vcrypto || daemon_with_workers
make_certificate ec
one_run software "TLS 1.3, P-256" --tls 1.3
one_run offload "TLS 1.3, P-256, 300 kB" --tls 1.3 --get /body --body "$work/root/body"
accounted "offload outside jobs, P-256"
