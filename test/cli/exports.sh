#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the module shows and how it is linked.
# shellcheck source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

module=$module_dir/vcrypto.so

nm -D --defined-only "$module" | awk '{ print $3 }' >"$work/out"
expect "one exported symbol, OSSL_provider_init" test "$(cat "$work/out")" = OSSL_provider_init

readelf -dW "$module" >"$work/out"
expect "stays mapped when it is unloaded" grep -q 'FLAGS_1.*NODELETE' "$work/out"
expect "all symbols are bound at load" grep -q 'FLAGS_1.*NOW' "$work/out"
expect "no relocation in code" sh -c "! grep -q TEXTREL '$work/out'"

readelf -lW "$module" >"$work/out"
expect "relocations are read-only after load" grep -q GNU_RELRO "$work/out"
expect "no executable stack" grep -Eq 'GNU_STACK +.* RW +0x' "$work/out"
