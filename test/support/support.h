/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What test programs share that reach the provider as applications do: by
 * loading the module from VCRYPTO_MODULE_DIR. Everything here fails the test
 * that calls it when it cannot do its work, unless it says otherwise.
 */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <check.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdbool.h>
#include <stdint.h>

/* A library context with the default provider and ours, which is not asked
 * unless a property query says so. */
struct support {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *vcrypto;
};

/* settings: lines "key = value" for the provider's section, or NULL. */
void support_load(struct support *s, const char *settings);
/* The same, false where loading was refused; the error queue says why. */
bool support_try_load(struct support *s, const char *settings);
void support_unload(struct support *s);

/* Every call goes to the device, and what the device cannot do is an error. */
#define SUPPORT_ALL_OFFLOAD "sync = offload\nmin_bytes = 0\nfallback = no\n"

/* A figure by the name of its provider parameter. */
uint64_t support_stat(const struct support *s, const char *name);

/* Waits for it, two seconds at most: what is freed may live on a little in the
 * background. */
void support_settle(const struct support *s, const char *name, uint64_t val);

EVP_CIPHER *support_cipher(const struct support *s, const char *name);  /* ours */
EVP_CIPHER *support_default(const struct support *s, const char *name); /* the default provider's */

/* Runs fn(arg) as a job and resumes it whenever one of its fds is readable, for
 * ten seconds at most. Returns what fn returned, and how often it paused. */
int support_in_job(int (*fn)(void *arg), void *arg, unsigned *pauses);

/* Bytes from hexadecimal; returns how many. */
size_t support_hex(const char *hex, uint8_t *out, size_t room);

/* Numbers that look random and are the same in each run. */
struct support_random {
    uint64_t state;
};
uint32_t support_random(struct support_random *r);
uint32_t support_below(struct support_random *r, uint32_t n); /* 0 to n - 1 */
void support_fill(struct support_random *r, void *buf, size_t len);

/* main's work: runs the suite, returns the exit status. */
int support_run(Suite *suite);
/* The same for a program that has nothing to test here: says why. */
int support_skip(const char *what, const char *why);

#endif
