#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Apache Traffic Server with asynchronous handshakes, without vcrypto and with
# it, under clients some of whom leave in the middle of the handshake.
# shellcheck source=support/server.sh
. "$(dirname "$0")/support/server.sh"
need traffic_server trafficserver

# The server is not built with the sanitizer, which then takes the server's own
# doings for races and leaks, without vcrypto as well.
if [ -n "${VCRYPTO_SAN:-}" ]; then
    echo "skip - $0: Traffic Server itself is reported under SAN=$VCRYPTO_SAN"
    exit 0
fi

seconds=${TRAFFICSERVER_SECONDS:-2}
own_thread='[ET_NET 0]'

# Everything that the server reads or writes is in $work/ats.
make_root() {
    local root=$work/ats
    mkdir -p "$root"/{etc,run,log,cache}
    cat >"$root/runroot.yaml" <<END
prefix: $root
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/bin
sysconfdir: $root/etc
datadir: $root/cache
includedir: /usr/include
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
localstatedir: $root/run
runtimedir: $root/run
logdir: $root/log
cachedir: $root/cache
END
    touch "$root"/etc/{hosting,volume,remap,plugin,parent,splitdns,socks,cache}.config \
        "$root"/etc/{sni,logging,strategies,ip_allow}.yaml
    echo "$root/cache 64M" >"$root/etc/storage.config"
    echo 'dest_ip=* ssl_cert_name=crt.pem ssl_key_name=key.pem' >"$root/etc/ssl_multicert.config"
}

# one_run plain|vcrypto WHAT ARGUMENT...
one_run() {
    local how=$1 what="$1, $2" status=0 async=0
    shift 2
    port=$(free_port)
    environment=(OPENSSL_CONF=/dev/null)
    if [ "$how" = vcrypto ]; then
        subject_configuration yes 'min_bytes = 0'
        environment=(OPENSSL_CONF="$work/openssl.cnf")
        async=1
    fi
    fill "$tls_dir/trafficserver.config.in" PORT="$port" WORK="$work" ASYNC=$async \
        >"$work/ats/etc/records.config"
    start_server "$port" traffic_server --run-root="$work/ats/runroot.yaml" || return
    # It listens before it is ready.
    for _ in {1..100}; do
        grep -q 'traffic server running' "$work/ats/log/diags.log" && break
        sleep 0.05
    done
    run_load --port "$port" --count 50 --clients 8
    sleep 0.2
    measure "$server" --port "$port" --clients 32 --seconds "$seconds" --abort 10 "$@" || status=1
    [ $status -eq 0 ] || cat "$work/load.err"
    report $status "$what: $result"
    expect "$what: descriptors are back ($fds_left left)" test "$fds_left" -le 0
    echo "# $what: own thread $thread_us us per handshake, all threads $process_us us"
    [ "$how" = plain ] || device_worked "$server" "$what"
    stop_server TERM
    report $? "$what: Traffic Server ends"
    rm -f "$work"/ats/cache/* "$work"/ats/log/*
}

make_root
make_certificate rsa
one_run plain "TLS 1.2, RSA-2048" --tls 1.2
one_run vcrypto "TLS 1.2, RSA-2048" --tls 1.2
one_run vcrypto "TLS 1.3, RSA-2048" --tls 1.3
make_certificate ec
one_run vcrypto "TLS 1.2, P-256" --tls 1.2
