/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that an earlier user left on the device: see virtio_crypto.h. */
#include <string.h>

#include "virtio_crypto.h"

void vc_strays_start(struct vc_device *vc)
{
    vc->strays = vc->revision_1 ? VC_STRAYS_NONE : VC_STRAYS_MAYBE;
    vc->creating = vc->ending = 0;
    memset(vc->given, 0, sizeof(vc->given));
}

void vc_strays_given(struct vc_device *vc, uint64_t id)
{
    if (id < VC_STRAY_IDS)
        vc->given[id / 64] |= (uint64_t)1 << id % 64;
}

static bool was_given(const struct vc_device *vc, uint64_t id)
{
    return vc->given[id / 64] >> id % 64 & 1;
}

bool vc_strays_suspected(struct vc_device *vc, const struct session *s)
{
    /* An asymmetric key may be refused for what it is; a cipher's, whose
     * length was checked, only for want of room. */
    if (vc->strays == VC_STRAYS_NONE || hw_alg_kind(s->alg) != HW_KIND_CIPHER)
        return false;
    /* While they are being ended no creation is on the ring: this one was
     * refused before. */
    if (vc->strays == VC_STRAYS_MAYBE)
        vc->strays = VC_STRAYS_WANTED;
    return true;
}

bool vc_strays_hold(const struct vc_device *vc)
{
    return vc->strays == VC_STRAYS_WANTED || vc->strays == VC_STRAYS_ENDING;
}

/* Without memory for all of them some stay: less room, and nothing worse. */
static void end_all(struct vc_device *vc)
{
    for (uint64_t id = 0; id < VC_STRAY_IDS; id++) {
        if (!was_given(vc, id) && vc_send_end(vc, HW_AES_CBC, id, NULL) == 0)
            vc->ending++;
    }
}

void vc_strays_step(struct vc_device *vc, bool stray)
{
    if (stray)
        vc->ending--;
    if (vc->strays == VC_STRAYS_WANTED && vc->creating == 0) {
        vc->strays = VC_STRAYS_ENDING;
        end_all(vc);
    }
    if (vc->strays == VC_STRAYS_ENDING && vc->ending == 0)
        vc->strays = VC_STRAYS_NONE;
}
