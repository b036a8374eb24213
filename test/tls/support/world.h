/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two library contexts of a TLS test: a plain one, with OpenSSL's default
 * provider and nothing else, and the subject.
 *
 * The subject is vcrypto from VCRYPTO_MODULE_DIR, preferred wherever it has an
 * algorithm, offloading everything (sync = offload, min_bytes = 0,
 * fallback = no). With VCRYPTO_TLS_SUBJECT=default it is a second plain
 * context: that tests the tests, and nothing is asked of a device then.
 */
#ifndef TEST_TLS_WORLD_H
#define TEST_TLS_WORLD_H

#include <openssl/provider.h>
#include <stdbool.h>
#include <stdint.h>

struct world {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *vcrypto; /* NULL where there is none */
};

bool subject_is_vcrypto(void);

/* Each of these ends the test when it fails. extra: more lines for the
 * provider's section, overriding those above, or NULL. */
void world_open_plain(struct world *w);
void world_open_subject(struct world *w, const char *extra);
void world_close(struct world *w);

/* Sums over all devices, and what is alive; all zero without vcrypto. */
struct figures {
    uint64_t requests, completions, errors, timeouts;
    uint64_t software;  /* operations that software did, whatever the cause */
    uint64_t fallbacks; /* those of them that a device had been asked for in vain */
    uint64_t live_requests, live_waiters, live_contexts, live_dma_bytes;
};
struct figures world_figures(const struct world *w);

/* Ends the test unless requests, waiters and DMA memory have gone within a
 * second: those of an abandoned job go when the device gives them back. The
 * operation contexts of such a job stay: libcrypto never unwinds its stack. */
void world_settled(const struct world *w, const char *label);
/* And unless all operation contexts have been freed. */
void world_idle(const struct world *w, const char *label);

/* How many descriptors this process has open. */
unsigned open_descriptors(void);

#endif
