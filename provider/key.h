/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asymmetric keys. A key of ours is the default provider's key, its twin,
 * which everything is delegated to, and beside it what the device needs: made
 * when the device is first asked to use the key, never for one that is only
 * read, written, or used in software.
 */
#ifndef VCRYPTO_KEY_H
#define VCRYPTO_KEY_H

#include <openssl/bn.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "hw.h"
#include "twin_asym.h"

struct provctx;

/* A key as the device has it. Read-only once made. */
struct key_device {
    struct key_device *older; /* of the same key, see key_changes */
    struct hw_key *hw;
    bool is_private;
    size_t size; /* bytes: RSA of the modulus, ECDSA of the order */
    /* RSA: to check the device's results. */
    BIGNUM *n, *e;
    BN_MONT_CTX *mont;
};

struct key {
    atomic_uint refs;
    struct provctx *prov;
    enum key_type type;
    void *twin;
    atomic_int bits; /* 0: not asked yet */
    /* Stored (release) once made, loaded (acquire) without a lock. */
    _Atomic(struct key_device *) device;
    struct key_device *outdated;
};

/* Takes the twin over, also where it fails. NULL: no memory, or no twin. */
struct key *key_new(struct provctx *prov, enum key_type type, void *twin);
struct key *key_ref(struct key *key);
void key_unref(struct key *key);
/* Its numbers are about to change: what the device knew of it is void. Not
 * while other threads use the key, as always with keys; but a job of this one may
 * be paused in the middle of using it, so what it has stays until the key goes. */
void key_changes(struct key *key);

/* Bits of the modulus, or of the field; 0: it has none yet. */
size_t key_bits(struct key *key);

/* The key for the device, as long as the key lives; NULL where it has no form that
 * a device takes (more than two primes, no primes at all, a curve that has no
 * number), or there is no memory for it now. */
const struct key_device *key_device(struct key *key);

enum key_form {
    KEY_FORM_FAILED, /* for want of memory: another time, perhaps */
    KEY_FORM_NONE,   /* never */
    KEY_FORM_MADE,
};

/* key_rsa.c, key_ec.c: fill in out from the twin's numbers. What was filled in is
 * freed by the caller in any case. */
enum key_form key_rsa_device(const struct key *key, const OSSL_PARAM params[],
                             struct key_device *out);
enum key_form key_ec_device(const struct key *key, const OSSL_PARAM params[],
                            struct key_device *out);

/* keymgmt.c */
extern const OSSL_DISPATCH keymgmt_rsa[], keymgmt_rsa_pss[], keymgmt_ec[];

#endif
