# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# The VFIO transport on QEMU's functions, without the driver.
# shellcheck source=test/guest/lib.sh
. "${0%/*}/lib.sh"

bind vfio-pci $ROOT $PLUG $PAIR0 $PAIR1
results "$ROOT" "$T/transport" test $ROOT noflr
results "$PLUG" "$T/transport" test $PLUG flr
results "$PAIR0" "$T/transport" pair $PAIR0 $PAIR1
