/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <check.h>
#include <errno.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static const size_t all_sizes[] = {1,   2,   15,   16,   17,   31,   32,    33,
                                   255, 256, 1000, 1500, 4096, 8191, 16383, 16384};
const struct stream stream_sizes = {all_sizes, 16, 48212};
static const size_t large_sizes[] = {16384, 16384, 16384, 1, 16384, 5000};
const struct stream stream_large = {large_sizes, 6, 1 << 20};

/* What is sent: the same bytes again and again, with a period that no record
 * size divides, so that a lost, repeated or exchanged record shows. */
#define PERIOD 16381
static uint8_t pattern[2][PERIOD + 16384];

static void fill_patterns(void)
{
    static bool filled;
    uint32_t x = 1;

    if (filled) {
        return;
    }
    filled = true;
    for (size_t role = 0; role < 2; role++) {
        for (size_t i = 0; i < sizeof(pattern[role]); i++) {
            x = x * 1664525 + 1013904223;
            pattern[role][i] = i < PERIOD ? (uint8_t)(x >> 24) : pattern[role][i - PERIOD];
        }
    }
}

const char *wake_name(enum wake wake)
{
    static const char *const names[] = {"no async", "async by fd", "async by callback"};

    return names[wake];
}

const char *role_name(enum role role)
{
    return role == CLIENT ? "client" : "server";
}

const char *version_name(int version)
{
    static const char *const names[] = {"TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"};

    return names[version - TLS1_VERSION];
}

static void peer_fail(struct peer *p, const char *why)
{
    p->failed = true;
    snprintf(p->why, sizeof(p->why), "%s: %s", role_name(p->role), why);
}

static void peer_fail_openssl(struct peer *p, const char *what)
{
    char reason[200];
    unsigned long e = ERR_peek_last_error();

    /* SSL_get_error tells of an error that was in the queue before the pause,
     * and the application never resumes the job. */
    snprintf(reason, sizeof(reason), "%s: %s%s", what,
             e == 0 ? "failed without an error" : ERR_reason_error_string(e),
             SSL_want(p->ssl) == SSL_ASYNC_PAUSED ? ", told while the job is paused" : "");
    peer_fail(p, reason);
}

/* ---- async ---- */

static int on_wake(SSL *ssl, void *arg)
{
    struct peer *p = arg;
    uint64_t one = 1;

    (void)ssl;
    atomic_fetch_add(&p->callbacks, 1);
    return write(p->bell, &one, sizeof(one)) == sizeof(one);
}

/* An application learns of a descriptor at the pause that told it as added, and
 * HAProxy dies of one that it finds at the end and has not learned of. */
static bool descriptor_was_told(struct peer *p)
{
    size_t added = 0, deleted = 0;

    if (SSL_get_changed_async_fds(p->ssl, NULL, &added, NULL, &deleted) != 1) {
        return false;
    }
    return added == (p->fd == -1) && deleted == 0;
}

static void check_descriptors(struct peer *p)
{
    size_t n = 0;

    if (p->wake == WAKE_FD && !p->failed && p->fd == -1 &&
        SSL_get_all_async_fds(p->ssl, NULL, &n) == 1 && n != 0) {
        peer_fail(p, "a descriptor that no pause has told");
    }
}

static void note_pause(struct peer *p, enum op op)
{
    OSSL_ASYNC_FD fds[4];
    size_t n = 0;

    p->held = op;
    p->pauses++;
    if (p->wake == WAKE_CALLBACK) {
        return;
    }
    if (p->wake == WAKE_NONE) {
        peer_fail(p, "paused without async mode");
    } else if (SSL_get_all_async_fds(p->ssl, NULL, &n) != 1 || n != 1) {
        peer_fail(p, "not one descriptor to wait for");
    } else if (SSL_get_all_async_fds(p->ssl, fds, &n) != 1) {
        peer_fail(p, "no descriptors told");
    } else if (p->fd != -1 && p->fd != fds[0]) {
        peer_fail(p, "another descriptor than before");
    } else if (!descriptor_was_told(p)) {
        peer_fail(p, "the descriptor is not told as added, once");
    } else {
        p->fd = fds[0];
    }
}

static int wait_descriptor(const struct peer *p)
{
    return p->wake == WAKE_CALLBACK ? p->bell : p->fd;
}

/* Whether a paused peer is to be resumed now. An early resume is allowed, and
 * each few pauses there is one: the job then has to pause again. */
static bool peer_awake(struct peer *p)
{
    struct pollfd pfd = {.fd = wait_descriptor(p), .events = POLLIN};
    uint64_t count;

    if (p->pauses % 7 == 3) {
        p->early++;
        return true;
    }
    if (poll(&pfd, 1, 0) != 1) {
        return false;
    }
    if (p->wake == WAKE_CALLBACK) {
        return read(p->bell, &count, sizeof(count)) == sizeof(count);
    }
    return true;
}

/* ---- one peer ---- */

static void after_write(struct peer *p, int r)
{
    p->sent += (size_t)r;
    p->next++;
}

static void after_read(struct peer *p, const uint8_t *buf, int r)
{
    const uint8_t *want = pattern[1 - p->role] + p->received % PERIOD;

    if (p->received + (size_t)r > p->expected) {
        peer_fail(p, "more data than was sent");
    } else if (memcmp(buf, want, (size_t)r) != 0) {
        peer_fail(p, "other data than was sent");
    }
    p->received += (size_t)r;
}

static size_t write_length(const struct peer *p)
{
    size_t len = p->out.sizes[p->next % p->out.count], left = p->out.total - p->sent;

    return len < left ? len : left;
}

/* Into static memory: a paused read goes on writing there. */
static int call_ssl(struct peer *p, enum op op, const uint8_t **data)
{
    static uint8_t in[2][16384];

    *data = in[p->role];
    switch (op) {
    case OP_HANDSHAKE: return SSL_do_handshake(p->ssl);
    case OP_WRITE:
        return SSL_write(p->ssl, pattern[p->role] + p->sent % PERIOD, (int)write_length(p));
    case OP_READ: return SSL_read(p->ssl, in[p->role], sizeof(in[0]));
    default: return SSL_shutdown(p->ssl);
    }
}

static const char *const op_names[] = {"nothing", "SSL_do_handshake", "SSL_write", "SSL_read",
                                       "SSL_shutdown"};

/* Whether anything was done. */
static bool peer_call(struct peer *p, enum op op)
{
    const uint8_t *data;
    int r;

    ERR_clear_error();
    p->held = OP_NONE;
    r = call_ssl(p, op, &data);
    if (op == OP_SHUTDOWN && r == 0) {
        return false;
    }
    switch (SSL_get_error(p->ssl, r)) {
    case SSL_ERROR_NONE: break;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return false;
    case SSL_ERROR_WANT_ASYNC: note_pause(p, op); return true;
    case SSL_ERROR_WANT_ASYNC_JOB: return true;
    case SSL_ERROR_ZERO_RETURN: p->closed = true; return true;
    default: peer_fail_openssl(p, op_names[op]); return true;
    }
    if (op == OP_WRITE) {
        after_write(p, r);
    } else if (op == OP_READ) {
        after_read(p, data, r);
    } else {
        p->done = true;
    }
    return true;
}

/* Reads even where no data is due: an alert may come, or a key update. */
static bool peer_transfer(struct peer *p)
{
    bool moved = false;

    if (p->sent < p->out.total) {
        moved = peer_call(p, OP_WRITE);
    }
    if (p->held == OP_NONE && !p->failed && !p->closed) {
        moved |= peer_call(p, OP_READ);
    }
    return moved;
}

static void check_transfer_done(struct peer *p)
{
    if (p->task != TASK_TRANSFER || p->held != OP_NONE || p->failed) {
        return;
    }
    p->done = p->sent == p->out.total && p->received == p->expected;
    if (p->closed && !p->done) {
        peer_fail(p, "closed before all data came");
    }
}

static bool peer_step(struct peer *p)
{
    bool moved;

    if (p->failed) {
        return false;
    }
    if (p->held != OP_NONE) {
        moved = peer_awake(p) && peer_call(p, p->held);
    } else if (p->task == TASK_TRANSFER && !p->done) {
        moved = peer_transfer(p);
    } else if (p->done || p->task == TASK_REST) {
        /* Also for a peer that is done: the other may still have to be read. */
        moved = !p->closed && p->task != TASK_CLOSE && peer_call(p, OP_READ);
    } else {
        moved = peer_call(p, p->task == TASK_CLOSE ? OP_SHUTDOWN : OP_HANDSHAKE);
    }
    check_transfer_done(p);
    return moved;
}

/* ---- the wire ---- */

static size_t body_length(const uint8_t *header)
{
    return (size_t)header[3] << 8 | header[4];
}

/* Reads at most up to the end of one record. */
static bool wire_gather(struct wire *w, BIO *from)
{
    size_t want = w->len < 5 ? 5 : 5 + body_length(w->record);
    int n;

    ck_assert_uint_le(want, RECORD_CAP);
    n = want > w->len ? BIO_read(from, w->record + w->len, (int)(want - w->len)) : 0;
    if (n > 0) {
        w->len += (size_t)n;
    }
    if (w->len >= 5 && w->len == 5 + body_length(w->record)) {
        w->whole = true;
        w->out = 0;
        w->count[w->record[0]]++;
        if (w->hook != NULL) {
            w->len = w->hook(w->arg, w->record, w->len, RECORD_CAP);
        }
    }
    return n > 0;
}

static bool wire_pump(struct wire *w, BIO *from, BIO *to)
{
    bool moved = false;

    for (;;) {
        if (!w->whole) {
            if (!wire_gather(w, from)) {
                return moved;
            }
        } else {
            int n = w->out < w->len ? BIO_write(to, w->record + w->out, (int)(w->len - w->out)) : 0;
            w->out += n > 0 ? (size_t)n : 0;
            if (w->out == w->len) {
                w->len = 0;
                w->whole = false;
            } else if (n <= 0) {
                return moved;
            }
        }
        moved = true;
    }
}

unsigned link_records(const struct link *l, enum role role)
{
    unsigned sum = 0;

    for (size_t i = 0; i < 256; i++) {
        sum += l->wire[role].count[i];
    }
    return sum;
}

/* ---- both ---- */

static void on_info(const SSL *ssl, int where, int ret)
{
    struct peer *p = SSL_get_app_data(ssl);
    int alert = ret & 0xff;

    if ((where & SSL_CB_ALERT) == 0 || alert == SSL_AD_CLOSE_NOTIFY) {
        return;
    }
    if ((where & SSL_CB_READ) != 0) {
        p->alert_received = alert;
    } else {
        p->alert_sent = alert;
    }
}

static void peer_open(struct peer *p, enum role role, SSL_CTX *ctx)
{
    BIO *internal;

    p->role = role;
    p->fd = p->bell = -1;
    p->alert_sent = p->alert_received = -1;
    p->ssl = SSL_new(ctx);
    ck_assert_ptr_nonnull(p->ssl);
    ck_assert_int_eq(BIO_new_bio_pair(&internal, 0, &p->net, 0), 1);
    SSL_set_bio(p->ssl, internal, internal);
    SSL_set_app_data(p->ssl, (void *)p);
    SSL_set_info_callback(p->ssl, on_info);
    if (role == CLIENT) {
        SSL_set_connect_state(p->ssl);
    } else {
        SSL_set_accept_state(p->ssl);
    }
}

void link_open(struct link *l, SSL_CTX *client, SSL_CTX *server)
{
    fill_patterns();
    memset(l, 0, sizeof(*l));
    l->patience_ms = 10000;
    peer_open(&l->peer[CLIENT], CLIENT, client);
    peer_open(&l->peer[SERVER], SERVER, server);
}

void link_wake(struct link *l, enum role role, enum wake wake)
{
    struct peer *p = &l->peer[role];

    p->wake = wake;
    if (wake == WAKE_NONE) {
        return;
    }
    SSL_set_mode(p->ssl, SSL_MODE_ASYNC);
    if (wake == WAKE_CALLBACK) {
        p->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        ck_assert_int_ge(p->bell, 0);
        SSL_set_async_callback(p->ssl, on_wake);
        SSL_set_async_callback_arg(p->ssl, p);
    }
}

void link_close(struct link *l)
{
    for (int role = 0; role < 2; role++) {
        SSL_free(l->peer[role].ssl);
        BIO_free(l->peer[role].net);
        if (l->peer[role].bell != -1) {
            close(l->peer[role].bell);
        }
        l->peer[role].ssl = NULL;
    }
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

enum waited { WOKEN, NOBODY_PAUSED, NOT_WOKEN };

static enum waited wait_for_paused(struct link *l, uint64_t deadline)
{
    struct pollfd pfds[2];
    nfds_t n = 0;
    uint64_t now = now_ms();
    int r;

    for (int role = 0; role < 2; role++) {
        if (l->peer[role].held != OP_NONE && !l->peer[role].failed) {
            pfds[n++] = (struct pollfd){.fd = wait_descriptor(&l->peer[role]), .events = POLLIN};
        }
    }
    if (n == 0) {
        return NOBODY_PAUSED;
    }
    do {
        r = poll(pfds, n, now < deadline ? (int)(deadline - now) : 0);
    } while (r < 0 && errno == EINTR);
    return r > 0 ? WOKEN : NOT_WOKEN;
}

static bool link_step(struct link *l)
{
    bool moved = peer_step(&l->peer[CLIENT]);

    moved |= wire_pump(&l->wire[CLIENT], l->peer[CLIENT].net, l->peer[SERVER].net);
    moved |= peer_step(&l->peer[SERVER]);
    moved |= wire_pump(&l->wire[SERVER], l->peer[SERVER].net, l->peer[CLIENT].net);
    return moved;
}

/* A peer that is done is not left in a paused read. */
static bool link_finished(const struct link *l)
{
    for (int role = 0; role < 2; role++) {
        if (!l->peer[role].done || l->peer[role].held != OP_NONE) {
            return false;
        }
    }
    return true;
}

static bool link_result(struct link *l, const char *stuck)
{
    const struct peer *c = &l->peer[CLIENT], *s = &l->peer[SERVER];

    if (!c->failed && !s->failed && stuck == NULL) {
        return true;
    }
    snprintf(l->why, sizeof(l->why), "%s%s%s (alerts to server %d, to client %d; pauses %u, %u)",
             c->failed ? c->why : "", s->failed ? s->why : "", c->failed || s->failed ? "" : stuck,
             c->alert_sent, s->alert_sent, c->pauses, s->pauses);
    return false;
}

static unsigned link_pauses(const struct link *l)
{
    return l->peer[CLIENT].pauses + l->peer[SERVER].pauses;
}

bool link_run(struct link *l, enum task client, enum task server)
{
    uint64_t deadline = now_ms() + l->patience_ms;
    enum task tasks[] = {client, server};
    bool resting = client == TASK_REST && server == TASK_REST;

    for (int role = 0; role < 2; role++) {
        l->peer[role].task = tasks[role];
        l->peer[role].done = tasks[role] == TASK_REST;
        check_transfer_done(&l->peer[role]);
    }
    for (;;) {
        bool failed, moved = link_step(l);

        failed = l->peer[CLIENT].failed || l->peer[SERVER].failed;
        if (!failed && link_finished(l) && !(resting && moved)) {
            check_descriptors(&l->peer[CLIENT]);
            check_descriptors(&l->peer[SERVER]);
            return link_result(l, NULL);
        }
        if (l->stop_after != 0 && link_pauses(l) >= l->stop_after) {
            return link_result(l, "stopped");
        }
        if (!moved) {
            switch (wait_for_paused(l, deadline)) {
            case WOKEN: break;
            case NOBODY_PAUSED: return link_result(l, failed ? NULL : "nothing moves any more");
            case NOT_WOKEN: return link_result(l, "a paused job was not woken");
            }
        }
    }
}

static void peer_load(struct peer *p, const struct stream *out, const struct stream *in)
{
    static const struct stream nothing;

    p->out = out == NULL ? nothing : *out;
    p->sent = p->next = p->received = 0;
    p->expected = in == NULL ? 0 : in->total;
}

bool link_transfer(struct link *l, const struct stream *to_server, const struct stream *to_client)
{
    peer_load(&l->peer[CLIENT], to_server, to_client);
    peer_load(&l->peer[SERVER], to_client, to_server);
    return link_run(l, TASK_TRANSFER, TASK_TRANSFER);
}
