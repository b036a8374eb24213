/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Within the engine by IPsec-MB: what a worker and a key hold, and how each
 * mode is done by them (engine_ipsec_mb_modes.c).
 *
 * A manager holds the lanes in which operations wait for each other. It is a
 * worker's own and empty between two calls of run, so that a mode finds what
 * it submitted and nothing else.
 */
#ifndef VCRYPTO_EMULATOR_ENGINE_IPSEC_MB_H
#define VCRYPTO_EMULATOR_ENGINE_IPSEC_MB_H

/* The old names of its API are words like CBC and DES. */
#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#include "emulator/engine.h"

#define IPSEC_MB_TAG 16

struct ipsec_mb_worker {
    IMB_MGR *mgr; /* NULL until first used */
    IMB_JOB jobs[ENGINE_BATCH];
    uint32_t done[ENGINE_BATCH]; /* bytes of each that are */
    uint8_t tags[ENGINE_BATCH][IPSEC_MB_TAG];
    struct gcm_context_data gcm;
};

struct ipsec_mb_mode;

struct ipsec_mb_state {
    /* What the library wants aligned. */
    union {
        struct {
            uint8_t enc[15 * 16], dec[15 * 16];
        } aes;
        struct gcm_key_data gcm;
        uint8_t chacha[32];
    } keys;
    aes_gcm_enc_dec_t gcm_run;
    const struct ipsec_mb_mode *mode;
    struct engine_ipsec_mb *engine;
    struct engine_key key; /* as given */
    void *other;           /* libcrypto's, NULL until first used */
};

/* One algorithm in one direction: expand is told of keys of a length that it
 * takes only; one of the other two is NULL. */
struct ipsec_mb_mode {
    void (*expand)(IMB_MGR *mgr, struct ipsec_mb_state *st);
    /* Operations that gain nothing from each other. Answers VIRTIO_CRYPTO_*. */
    int (*one)(struct ipsec_mb_worker *w, const struct ipsec_mb_state *st,
               const struct engine_op *op);
    /* Those that do, all of this mode and key length; sets each status. */
    void (*many)(struct ipsec_mb_worker *w, struct engine_task *const *tasks, unsigned n);
    /* Whether an operation is within the library's limits. NULL: any. */
    bool (*can)(const struct engine_op *op);
};

extern const struct ipsec_mb_mode ipsec_mb_ecb, ipsec_mb_cbc_encrypt, ipsec_mb_cbc_decrypt,
    ipsec_mb_ctr, ipsec_mb_gcm, ipsec_mb_ccm, ipsec_mb_chacha20_poly1305;

#endif
