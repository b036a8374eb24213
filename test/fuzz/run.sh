#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs fuzz targets for FUZZ_SECONDS each, from their seeds on.
#
#   test/fuzz/run.sh BUILD TARGET...
#
# A target's corpus grows in BUILD/corpus/TARGET; BUILD/found gets what crashed
# it. The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

build=$1
shift
seconds=${FUZZ_SECONDS:-20}
export VCRYPTO_MODULE_DIR=$PWD/$build OPENSSL_CONF=/dev/null
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for target in "$@"; do
    mkdir -p "$build/corpus/$target" "$build/found"
    seeds=("test/fuzz/seeds/$target")
    [ -d "${seeds[0]}" ] || seeds=()
    if timeout -k 10 $((seconds + 120)) "$build/test/fuzz/$target" -max_total_time="$seconds" \
        -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -close_fd_mask=2 \
        -artifact_prefix="$build/found/$target-" "$build/corpus/$target" "${seeds[@]}" \
        >"$log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        printf '%-12s %s executions, %s\n' "$target" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
            "$(grep -oE 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -n 1)"
    else
        failed=$((failed + 1))
        echo "$target: FAILED"
        tail -n 60 "$log" | sed 's/^/    /'
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
