#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# make bench, very short: the table and the files appear, and its counts fit
# together. How fast anything is does not matter.
# shellcheck source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

# bench NAME=VALUE...: output in $work/out, files in $work.
bench() {
    env BENCH_SECONDS=0.05 BENCH_PAIRS=1 "$@" timeout -k 5 100 "${under[@]}" \
        "$module_dir/bench/bench" "$module_dir/vcrypto.so" "$work" >"$work/out" 2>"$work/err" </dev/null
}
# rows SECTION PATTERN: lines of vcrypto's in the CSV.
rows() {
    grep -cE "^$1,.*,vcrypto,.*$2" "$work/bench.csv"
}

bench BENCH_ALGS=AES-128-CBC,AES-128-GCM:dec,P-256 BENCH_SIZES=64,16384 BENCH_JOBS=2,40 \
    BENCH_CONFIG='min_bytes = AES-128-CBC:1024,AES-128-GCM:1024'
report $? "all sections"
expect "a row for each point" test "$(grep -cE '^[A-Z].* (device|software|both)$' "$work/out")" -eq 27
expect "none failed" grep -q '^27 points: .* 0 failed$' "$work/out"
expect "large ones by the device" test "$(rows '(throughput|multi|jobs)' ',device$')" -eq 10
expect "small ones by software" test "$(rows '(throughput|multi)' ',software$')" -eq 4
expect "nearly empty ones by the device, on request" test "$(rows cost ',(device|both)$')" -eq 8
expect "all by software outside jobs" test "$(rows plain ',software$')" -eq 5
# shellcheck disable=SC2016  # awk's dollars
expect "each operation is counted, once" awk -F, '$9 == "vcrypto" && $16 != $17 + $18 { exit 1 }' \
    "$work/bench.csv"
expect "floors beside the cost" test "$(grep -cE '^cost,.*,floor(-self)?,[0-9]' "$work/bench.csv")" -eq 16
expect "a plot with a panel for each section" test "$(grep -c "class='t'" "$work/bench.svg")" -eq 5

bench BENCH_SECTIONS=nonsense
expect "an unknown section is refused" test $? -eq 2
bench BENCH_PAIRS=0
expect "as is a number out of range" test $? -eq 2
