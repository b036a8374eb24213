/* SPDX-License-Identifier: Apache-2.0 */
#include "functions.h"

#include <string.h>

void functions_take(const struct support *s, const char *name, struct functions *f)
{
    int no_cache = 0;
    const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(s->vcrypto, OSSL_OP_CIPHER, &no_cache);

    memset(f, 0, sizeof(*f));
    while (strncmp(a->algorithm_names, name, strlen(name)) != 0)
        a++;
    for (const OSSL_DISPATCH *d = a->implementation; d->function_id != 0; d++) {
        switch (d->function_id) {
        case OSSL_FUNC_CIPHER_NEWCTX: f->newctx = OSSL_FUNC_cipher_newctx(d); break;
        case OSSL_FUNC_CIPHER_FREECTX: f->freectx = OSSL_FUNC_cipher_freectx(d); break;
        case OSSL_FUNC_CIPHER_DUPCTX: f->dupctx = OSSL_FUNC_cipher_dupctx(d); break;
        case OSSL_FUNC_CIPHER_ENCRYPT_INIT: f->einit = OSSL_FUNC_cipher_encrypt_init(d); break;
        case OSSL_FUNC_CIPHER_UPDATE: f->update = OSSL_FUNC_cipher_update(d); break;
        case OSSL_FUNC_CIPHER_FINAL: f->final = OSSL_FUNC_cipher_final(d); break;
        case OSSL_FUNC_CIPHER_CIPHER: f->cipher = OSSL_FUNC_cipher_cipher(d); break;
        case OSSL_FUNC_CIPHER_GET_CTX_PARAMS: f->get = OSSL_FUNC_cipher_get_ctx_params(d); break;
        default: break;
        }
    }
    ck_assert(f->newctx != NULL && f->freectx != NULL && f->dupctx != NULL && f->einit != NULL);
    ck_assert(f->update != NULL && f->final != NULL && f->cipher != NULL && f->get != NULL);
}
