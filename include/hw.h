/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between provider/ and hw/.
 *
 * Concepts
 *   pool      the devices that one configuration names. Nothing above this
 *             header sees a device or a queue: the pool chooses them.
 *   key       key bytes with an algorithm, independent of any device. The
 *             driver makes device sessions for it at first use, per device
 *             and per way of use, and makes them again after a reset.
 *   request   one operation. It is owned by the driver, never by a job's
 *             stack: one reference belongs to whoever made it, one to the
 *             device while it has it.
 *
 * The way of a request
 *   hw_request_new -> fill in the caller's part -> hw_submit
 *   ... complete() is called once, on the completion thread ...
 *   hw_collect copies the result out -> reuse, or hw_request_unref
 *
 * Data is copied into the driver's DMA memory by hw_submit and out of it by
 * hw_collect; the caller's buffers are touched in these two calls only, both
 * made by the caller. The control block and the caller's pointers are ordinary
 * memory: after a timeout, or in a forked child, the same work can be done
 * again in software from them.
 *
 * Errors are negative errno values. No function raises OpenSSL errors, and
 * none waits for the device unless its comment says so.
 */
#ifndef VCRYPTO_HW_H
#define VCRYPTO_HW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* How completions are noticed. Adaptive: by interrupts, and by whoever rings a
 * doorbell, who looks what is done before he goes on. */
enum hw_completion { HW_COMPLETION_ADAPTIVE, HW_COMPLETION_INTERRUPT, HW_COMPLETION_POLL };

/* Configuration, already checked by provider/config.c. Strings are copied. */
struct hw_config {
    const char *device;           /* comma-separated list, see openssl.cnf */
    const char *emulator_fault;   /* NULL or "none": no faults */
    unsigned queue_size;          /* descriptors per virtqueue, a power of two */
    unsigned timeout_ms;          /* answer expected within this time */
    uint8_t completion;           /* enum hw_completion */
    unsigned emulator_threads;    /* 1 to 64 */
    unsigned emulator_latency_us; /* added to each emulated request */
    /* Told in a line what becomes of a device while it is in use. Any thread,
     * and quick about it. NULL: nobody wants to know. */
    void (*notice)(const char *text);
};

/* Why something failed, for people. Always terminated, may be empty. */
struct hw_error {
    char text[256];
};

enum hw_kind {
    HW_KIND_CIPHER,
    HW_KIND_AEAD,
    HW_KIND_HASH,
    HW_KIND_MAC,
    HW_KIND_CHAIN,
    HW_KIND_AKCIPHER,
    HW_KIND_CONTROL, /* made by drivers for themselves, never by callers */
};

enum hw_alg {
    HW_AES_ECB,
    HW_AES_CBC,
    HW_AES_CTR,
    HW_AES_XTS,
    HW_AES_GCM,
    HW_AES_CCM,
    HW_CHACHA20_POLY1305,
    HW_RSA,
    HW_ECDSA,
    HW_ALG_COUNT
};

enum hw_kind hw_alg_kind(enum hw_alg alg);

enum hw_op { HW_ENCRYPT, HW_DECRYPT, HW_SIGN, HW_VERIFY };

enum hw_rsa_padding { HW_RSA_RAW, HW_RSA_PKCS1 };

/* The digest whose DigestInfo a PKCS#1 signature session prepends. */
enum hw_digest {
    HW_DIGEST_NONE,
    HW_DIGEST_MD5,
    HW_DIGEST_SHA1,
    HW_DIGEST_SHA224,
    HW_DIGEST_SHA256,
    HW_DIGEST_SHA384,
    HW_DIGEST_SHA512,
};

enum hw_curve {
    HW_CURVE_NONE,
    HW_CURVE_P192,
    HW_CURVE_P224,
    HW_CURVE_P256,
    HW_CURVE_P384,
    HW_CURVE_P521
};

/* Keys. Thread-safe; the bytes are cleansed with the last reference. */
struct hw_key_spec {
    enum hw_alg alg;
    const void *bytes; /* symmetric: the key (XTS: both halves);
                          RSA: PKCS#1 DER RSAPrivateKey or RSAPublicKey;
                          ECDSA: RFC 5915 ECPrivateKey, or an uncompressed point */
    size_t len;
    bool is_private;     /* asymmetric keys only */
    enum hw_curve curve; /* ECDSA only */
    unsigned bits;       /* asymmetric keys only: modulus or field size */
};
struct hw_key;
struct hw_key *hw_key_new(const struct hw_key_spec *spec); /* NULL: no memory */
struct hw_key *hw_key_ref(struct hw_key *key);
void hw_key_unref(struct hw_key *key); /* destroys its sessions, in the background */
bool hw_key_equals(const struct hw_key *key, const void *bytes, size_t len); /* constant time */
const void *hw_key_bytes(const struct hw_key *key);
size_t hw_key_len(const struct hw_key *key);

/*
 * A request: the caller's part. All of it may be changed only while the
 * request is not in flight (new, or after complete() was seen).
 */
#define HW_IV_MAX  16
#define HW_TAG_MAX 16
#define HW_IOV_MAX 4

struct hw_request {
    struct hw_key *key; /* kept alive by the caller until hw_request_unref */
    enum hw_op op;

    uint8_t iv[HW_IV_MAX];
    uint8_t iv_len;          /* GCM: 12, or 16 where iv is J0; CCM: 7 to 13 */
    uint8_t tag_len;         /* AEAD only */
    uint8_t tag[HW_TAG_MAX]; /* AEAD: in for HW_DECRYPT, out of hw_collect for HW_ENCRYPT */
    uint8_t rsa_padding;     /* enum hw_rsa_padding */
    uint8_t digest;          /* enum hw_digest */

    const void *aad; /* AEAD only */
    size_t aad_len;

    struct iovec src[HW_IOV_MAX]; /* caller's memory; HW_VERIFY: signature, then digest */
    struct iovec dst[HW_IOV_MAX]; /* caller's memory; may be the same as src */
    unsigned nsrc, ndst;          /* cipher and AEAD: the same total length in both */

    /*
     * Called exactly once for each hw_submit that returned 0 or -EAGAIN with
     * wait_for_room. Runs on the completion thread, or on any thread inside
     * hw_submit, hw_poll or hw_pool_free; no lock of hw/ is held. It must be
     * short, must not wait, and may touch only the request: by then the one
     * who made it may have dropped his reference.
     */
    void (*complete)(struct hw_request *req);
    bool wait_for_room; /* see hw_submit */
    /* complete() may want a lock that the caller of hw_submit or hw_poll holds,
     * whosever request that was: it runs on the completion thread. -EAGAIN is
     * told wherever it is found. */
    bool apart;

    /* Result, valid from complete() on. See hw_submit for status. */
    int status;
    size_t result_len; /* bytes the device wrote, tag excluded */

    void *owner; /* owner_size bytes of hw_request_new, zeroed at first */
};

/*
 * A request with owner_size bytes of the caller's own behind it. fini, which
 * may be NULL, is called before the memory is released, on whatever thread
 * drops the last reference. NULL: no memory.
 */
struct hw_request *hw_request_new(size_t owner_size, void (*fini)(struct hw_request *req));
void hw_request_ref(struct hw_request *req);
/* Dropping the last reference while the device has the request abandons it:
 * its memory is reclaimed when the device returns it or is reset. */
void hw_request_unref(struct hw_request *req);
/* Whether the device is through with it, so that it can be filled in again. */
bool hw_request_reusable(const struct hw_request *req);

struct hw_pool;

/*
 * Copies the data in and hands the request to a device, or to its bounded
 * backlog when the ring is full. complete() may have run before this returns.
 *    0          accepted; complete() follows, with req->status
 *                   0           done, hw_collect gives the result
 *                  -EBADMSG     authentication failed: an answer, not a fault
 *                  -EKEYREJECTED signature wrong: likewise
 *                  -ENOTSUP     the device does not do this after all
 *                  -EIO         the device failed, or answered nonsense
 *                  -ETIMEDOUT   no answer within timeout_ms
 *                  -ECANCELED   the pool was freed
 *   -EAGAIN     ring and backlog are full, or no DMA memory. With
 *               wait_for_room set, complete() follows with status -EAGAIN as
 *               soon as trying again has a chance; nothing was copied.
 *   -EMSGSIZE   longer than hw_limits allows
 *   -ENOSPC     the device has no session left for this key and way of use;
 *               also a status, where it said so later
 *   -ENOTSUP    no device of the pool does this
 *   -ENODEV     no device is in service
 *   -EIO        the chosen device went out of service meanwhile
 *   -EINVAL     more pieces, or a longer IV or tag, than a request has room for
 *   -ENOMEM
 * The doorbell is rung by this call unless more is true; then hw_flush rings
 * it for all requests submitted by this thread so far.
 */
int hw_submit(struct hw_pool *pool, struct hw_request *req, bool more);
void hw_flush(struct hw_pool *pool);

/* Reaps what the devices have completed, on the caller's thread. Returns how
 * many requests. Never waits. */
unsigned hw_poll(struct hw_pool *pool);

/*
 * Copies the result of a request with status 0 to its dst, and the tag. The
 * DMA memory is kept until hw_release or the request's next use, so that
 * hw_result can still read it. May be called more than once.
 */
void hw_collect(struct hw_request *req);
/* The result in DMA memory, contiguous; NULL after hw_release. */
const void *hw_result(const struct hw_request *req);
/* Cleanses the DMA memory, and gives it back where others may need it. */
void hw_release(struct hw_request *req);

/*
 * Pools. Loading is light: hw_pool_new opens each device, reads what it
 * offers, runs the self tests and closes it again. No thread runs and no
 * device is claimed until the first hw_submit. Pools with equal configuration
 * share their devices, process-wide.
 *    0          err may still say why one of several devices is not usable
 *    -ENODEV    no device of the list is usable; err says why, and *out is
 *               still a pool (of no devices) that can be asked and freed
 *    -EINVAL    emulator_fault or the list is malformed; *out is NULL
 *    -ENOMEM    *out is NULL
 */
int hw_pool_new(const struct hw_config *cfg, struct hw_pool **out, struct hw_error *err);

/*
 * Cancels what is in flight where this was the last user of a device: every
 * complete() has returned when this returns. Waits for the device's reset.
 * Results not yet collected can still be.
 */
void hw_pool_free(struct hw_pool *pool);

/* What the devices of the pool advertise and their self tests confirmed. */
struct hw_limits {
    size_t max_len;     /* longest src or dst of one request */
    size_t max_aad;     /* longest AAD, AEAD only */
    size_t granularity; /* src length must be a multiple: 1 or 16 */
    bool rsa_raw;       /* RSA: HW_RSA_RAW answers */
    bool rsa_pkcs1;     /* RSA: HW_RSA_PKCS1 signs */
};
/* False where no device does alg with keys of key_len bytes (RSA, ECDSA:
 * key_len is the number of bits). out may be NULL. */
bool hw_pool_supports(const struct hw_pool *pool, enum hw_alg alg, size_t key_len,
                      struct hw_limits *out);

/* Figures. Counters are monotonic and exact once nothing is in flight. */
struct hw_stats {
    char name[32]; /* "emulator0", "0000:00:05.0" */
    uint64_t requests, completions, interrupts, polls, errors, timeouts;
    uint64_t kicks;      /* doorbells rung */
    uint64_t backlogged; /* requests that found the ring full */
    uint64_t resets;     /* times the device was reset after a failure */
    uint64_t removals;   /* times it was asked back and let go */
    uint64_t returns;    /* times it came back, and passed its tests */
    uint64_t sessions_created, sessions_evicted;
};
unsigned hw_pool_devices(const struct hw_pool *pool);
void hw_pool_stats(const struct hw_pool *pool, unsigned device, struct hw_stats *out);

/* What is alive in the whole process; all return to zero when all is freed. */
struct hw_live {
    uint64_t requests;  /* not yet released */
    uint64_t in_flight; /* handed to a device, or in its backlog */
    uint64_t dma_bytes; /* DMA memory in use by requests */
    uint64_t sessions;
    uint64_t keys;
    uint64_t devices; /* open */
};
void hw_live(struct hw_live *out);

/*
 * Fork. The generation grows by one in each child; a request whose generation
 * differs will never complete in this process and must be redone in software.
 * hw_submit in a child opens the child's own devices.
 */
unsigned hw_generation(void);
unsigned hw_request_generation(const struct hw_request *req);

#endif
