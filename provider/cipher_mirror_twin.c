/* SPDX-License-Identifier: Apache-2.0 */
/* How the twin follows a message that the device has done. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "cipher_mirror.h"

/* The data again, which is what the opposite direction makes of the result. */
static bool repeat(const struct cipher_mirror *c, const uint8_t *result, size_t len)
{
    enum { CHUNK = 4096 };
    const struct software_cipher *sw = mirror_software(c);
    void *back = sw->newctx(sw->provctx);
    uint8_t *buf = OPENSSL_malloc(CHUNK);
    size_t done;
    bool ok =
        back != NULL && buf != NULL &&
        (c->base.encrypting ? sw->decrypt_init : sw->encrypt_init)(
            back, hw_key_bytes(c->base.key), hw_key_len(c->base.key), c->nonce, c->nonce_len, NULL);

    while (ok && len != 0) {
        size_t n = len < CHUNK ? len : CHUNK;

        ok = sw->update(back, buf, &done, n, result, n) &&
             sw->update(mirror_twin(c), buf, &done, n, buf, n);
        result += n;
        len -= n;
    }
    if (back != NULL)
        sw->freectx(back);
    OPENSSL_clear_free(buf, CHUNK);
    return ok;
}

bool mirror_twin_catches_up(struct cipher_mirror *c, const struct offload *from)
{
    size_t len;
    const void *result = offload_kept(from, &len);

    if (result == NULL)
        return false;
    stats_software(c->base.prov, SW_STREAM);
    return repeat(c, result, len);
}

int mirror_twin_goes_on(struct cipher_mirror *c)
{
    bool ok;

    if (mirror_rules(c)->one_update || c->ended)
        return 0;
    ok = mirror_twin_catches_up(c, c->base.offload);
    c->stage = ok ? MIRROR_TWIN : MIRROR_LOST;
    offload_drop(c->base.offload);
    return ok ? -1 : 0;
}

void mirror_twin_ends(struct cipher_mirror *c)
{
    const struct software_cipher *sw = mirror_software(c);
    uint8_t none[MIRROR_TAG_MAX];
    size_t done, len = c->tag_len;
    OSSL_PARAM tag[2] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, none, len),
        OSSL_PARAM_construct_end(),
    };

    if (c->total == SIZE_MAX)
        return;
    ERR_set_mark();
    if (sw->encrypt_init(mirror_twin(c), NULL, 0, NULL, 0, NULL) &&
        sw->update(mirror_twin(c), NULL, &done, 0, NULL, 0) &&
        sw->update(mirror_twin(c), none, &done, sizeof(none), none, 0))
        for (len = 4; !sw->get_ctx_params(mirror_twin(c), tag) && len <= MIRROR_TAG_MAX; len += 2)
            tag[0].data_size = len;
    ERR_pop_to_mark();
    if (!c->base.encrypting)
        (void)sw->decrypt_init(mirror_twin(c), NULL, 0, NULL, 0, NULL);
}
