# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# For test/cli/*.sh: the openssl command with the module, and how tests report.
# Source it. test/run sets the variables VCRYPTO_*.
set -uo pipefail

source_dir=${VCRYPTO_SOURCE_DIR:-$PWD}
module_dir=${VCRYPTO_MODULE_DIR:-$PWD/build}
san=${VCRYPTO_SAN:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# report STATUS WHAT: a test's line. With a bad status, what is in $work/out
# and $work/err, the last command's, follows.
report() {
    if [ "$1" -eq 0 ]; then
        echo "ok - $2"
    else
        echo "not ok - $2"
        head -c 4000 "$work/out" "$work/err" 2>/dev/null | sed 's/^/    /'
    fi
}

# expect WHAT COMMAND...: ok if the command says so. Its output is dropped.
expect() {
    local what=$1 status=0
    shift
    "$@" >/dev/null || status=1
    report $status "$what"
}

# configure KEY=VALUE...: writes $work/openssl.cnf. The provider's section is
# the sample's last.
configure() {
    sed "s|^module = .*|module = $module_dir/vcrypto.so|" "$source_dir/openssl.cnf.sample" \
        >"$work/openssl.cnf"
    printf '%s\n' "$@" >>"$work/openssl.cnf"
}

# The command is built without a sanitizer; a sanitized module needs its runtime
# loaded first. gcc's is a library that can be.
runtime=() under=()
case $san in
address)
    runtime=("$module_dir/fibre.so" "$(${CC:-cc} -print-file-name=libasan.so)")
    # The command itself leaks; fibre.so has to come before the runtime.
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0:verify_asan_link_order=0
    ;;
thread)
    runtime=("$(${CC:-cc} -print-file-name=libtsan.so)" "$module_dir/fibre.so")
    if setarch -R true 2>/dev/null; then
        under=(setarch -R)
    fi
    ;;
esac
for file in "${runtime[@]}"; do
    if [[ $file != /* ]]; then
        echo "skip - $0: this compiler's sanitizer runtime cannot be preloaded"
        exit 0
    fi
done

# vssl ARGUMENT...: openssl with $work/openssl.cnf; output in $work/out and
# $work/err, the status is the command's. It must end within a minute.
vssl() {
    local status=0
    timeout -k 5 "${VSSL_SECONDS:-60}" "${under[@]}" env LD_PRELOAD="${runtime[*]}" \
        OPENSSL_CONF="$work/openssl.cnf" VCRYPTO_STATS="${VCRYPTO_STATS-1}" \
        openssl "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    if grep -E 'ERROR: [A-Za-z]+Sanitizer|WARNING: ThreadSanitizer|runtime error: ' "$work/err"; then
        cat "$work/err"
        status=99
    fi
    return $status
}

# figure LINE NAME: sum of NAME=N over the lines "vcrypto: LINE..." of the last
# vssl; nothing when there is none.
figure() {
    sed -n "s/^vcrypto: $1.* $2=\([0-9]*\).*/\1/p" "$work/err" |
        awk '{ sum += $1 } END { if (NR > 0) print sum }'
}

# operations: what the last openssl speed -mr counted, over all its processes.
operations() {
    sed -n 's/^+R:\([0-9]*\):.*/\1/p' "$work/err" | awk '{ sum += $1 } END { print sum + 0 }'
}
