# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# QEMU's function has 256 sessions, says ERR where there are no more, and keeps
# them when the process that made them has gone.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

bind vfio-pci $ROOT
configure "device = pci:$ROOT" 'min_bytes = 0'

speed 300 1024 2
check '300 keys at once' [ $? -eq 0 ]
covered '300 keys at once'
created=$(figure 0000 sessions-created)
evicted=$(figure 0000 sessions-evicted)
check "as many sessions as it has: $created made, $evicted given up" \
    [ $((created - evicted)) -le 256 -a $((created - evicted)) -gt 200 ]
check 'the keys that came too late are done in software' [ "$(figure software backlog)" -gt 0 ]
check 'and for no other reason' [ "$(figure software total)" -eq "$(figure software backlog)" ]

# Each leaves 200 sessions behind.
for _ in 1 2; do
    before=$(interrupts)
    OPENSSL_CONF=/tmp/openssl.cnf openssl speed -elapsed -seconds 30 -async_jobs 200 -bytes 1024 \
        -evp aes-128-cbc >/tmp/killed 2>&1 &
    busy() {
        [ "$(interrupts)" -gt $((before + 50)) ]
    }
    check 'busy' until_true 20 busy
    kill -9 $!
    wait $! 2>/dev/null
done
speed 256 1024 2
check 'after two that were killed, 256 keys' [ $? -eq 0 ]
covered 'after two that were killed'
created=$(figure 0000 sessions-created)
check "what the killed left behind is gone: $created sessions" [ "$created" -eq 256 ]
check 'all is the device'"'"'s' [ "$(figure software total)" -eq 0 ]
