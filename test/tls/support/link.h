/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two TLS peers in one thread, and the wire between them.
 *
 *   peer   an SSL and the task it has. A peer whose job has paused is resumed
 *          when its descriptor is readable (or its callback was called), and
 *          now and then early, as an application that only polls would.
 *   wire   one direction. It carries whole records, counts them, and may have
 *          a hook that alters them on the way.
 *   link   both peers and both wires. link_run moves everything along until
 *          both tasks are done; only when nothing moves does it wait, and only
 *          for a paused job.
 */
#ifndef TEST_TLS_LINK_H
#define TEST_TLS_LINK_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "creds.h"
#include "world.h"

enum role { CLIENT, SERVER };

/* How a peer learns that its job can go on. */
enum wake { WAKE_NONE /* no async mode */, WAKE_FD, WAKE_CALLBACK, WAKE_COUNT };

/* A context for one role. What is zero or NULL is left at OpenSSL's choice. */
struct setup {
    const struct world *world;
    enum role role;
    int version;       /* the only one */
    const char *suite; /* the only one; of TLS 1.3, or older */
    unsigned creds;    /* bits of 1 << enum cred: own certificates */
    bool verify;       /* the other side must have a certificate, and it is checked */
    bool no_etm;
    bool no_tickets; /* they are encrypted, by the subject perhaps */
    bool psk;        /* TLS 1.2 and older */
    bool srp;
};
SSL_CTX *context_new(const struct setup *setup);

enum task {
    TASK_REST, /* reads what may come and is content */
    TASK_HANDSHAKE,
    TASK_TRANSFER,
    TASK_CLOSE, /* close_notify sent and received */
};

/* Data to send: writes of these sizes, again and again until total. */
struct stream {
    const size_t *sizes;
    size_t count;
    size_t total;
};

enum op { OP_NONE, OP_HANDSHAKE, OP_WRITE, OP_READ, OP_SHUTDOWN };

struct peer {
    SSL *ssl;
    BIO *net; /* the wire's end of the BIO pair */
    enum role role;
    enum wake wake;
    enum task task;
    bool done, failed, closed;

    enum op held; /* paused in this call, which must be repeated */
    int fd;       /* the wait descriptor, -1 until the first pause */
    int bell;     /* WAKE_CALLBACK: rung by the callback */
    unsigned pauses, early;
    _Atomic unsigned callbacks;

    struct stream out;
    size_t sent, next; /* bytes, and index of the next size */
    size_t received, expected;

    int alert_sent, alert_received; /* the last one but close_notify, -1: none */
    char why[256];                  /* of failed */
};

/* May change the record (header and body), up to cap bytes; the new length. */
typedef size_t (*wire_hook)(void *arg, uint8_t *record, size_t len, size_t cap);

#define RECORD_CAP (5 + 16384 + 2048 + 64)

struct wire {
    uint8_t record[RECORD_CAP];
    size_t len, out; /* bytes gathered, and bytes passed on once it is whole */
    bool whole;
    unsigned count[256]; /* records by content type */
    wire_hook hook;
    void *arg;
};

struct link {
    struct peer peer[2]; /* by role */
    struct wire wire[2]; /* by the role of the sender */
    unsigned patience_ms;
    unsigned stop_after; /* not 0: link_run ends in failure at this pause of either peer */
    char why[600];       /* of a failed link_run */
};

/* Links are large: the caller keeps them in static or heap memory. */
void link_open(struct link *l, SSL_CTX *client, SSL_CTX *server);
void link_wake(struct link *l, enum role role, enum wake wake);
void link_close(struct link *l);

/* Two peers at TASK_REST are done when nothing moves any more.
 * False, with l->why, when one side fails, nothing moves any more, or a paused
 * job is not woken within patience_ms (10 s if not set otherwise). When one
 * side fails the other still gets what was sent, an alert above all. */
bool link_run(struct link *l, enum task client, enum task server);
static inline bool link_handshake(struct link *l)
{
    return link_run(l, TASK_HANDSHAKE, TASK_HANDSHAKE);
}
/* Both directions at once; either may be NULL. */
bool link_transfer(struct link *l, const struct stream *to_server, const struct stream *to_client);

/* Records of all types that have passed since link_open, sent by role. */
unsigned link_records(const struct link *l, enum role role);

/* 1 byte to 16 KiB, each size in one record: 16 records, 48,212 bytes. */
extern const struct stream stream_sizes;
/* 1 MiB in records of all lengths; as many records of 16 KiB. */
extern const struct stream stream_large;

const char *wake_name(enum wake wake);
const char *role_name(enum role role);
const char *version_name(int version);

#endif
