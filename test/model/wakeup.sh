#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The wake-up protocol, all its interleavings: wakeup.pml holds, and with any
# one guard taken out it does not.
# shellcheck source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

model=$source_dir/test/model/wakeup.pml

if ! command -v spin >/dev/null; then
    echo "skip - the wake-up model: there is no spin here (package spin)"
    exit 0
fi

# errors [DEFINE]: how many errors an exhaustive search finds, 0 or 1.
errors() {
    (cd "$work" && spin ${1:+-D"$1"} -a "$model" >out 2>err &&
        ${CC:-cc} -O2 -DSAFETY -w -o pan pan.c 2>err && ./pan -m100000 >out 2>err) || return
    grep -q 'max search depth too small' "$work/out" && return
    sed -n 's/.*errors: \([0-9]*\)$/\1/p' "$work/out"
}

expect "the protocol holds" test "$(errors)" = 0
while read -r guard what; do
    expect "without $guard: $what" test "$(errors "$guard")" = 1
done <<'END'
NO_WINDOW the wait context is touched after it was freed
NO_REF the waiter is used after it was freed
NO_ABANDON an abandoned operation is signalled
NO_SETTLE a signal is left over and wakes the next operation
CLEAR_LATE a wake-up is lost: the signal is cleared once the job counts as paused
SIGNAL_FIRST a wake-up is lost: the signal comes before DONE
BLIND_PAUSE a wake-up is lost: the pause overwrites DONE
END
