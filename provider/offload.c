/* SPDX-License-Identifier: Apache-2.0 */
#include "offload.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "async.h"
#include "provider.h"

struct offload {
    struct provctx *prov;
    struct hw_request *req; /* reused from one operation to the next */
    bool kept;
    ASYNC_JOB *job; /* that this operation runs in, or NULL */
};

static struct flight *flight(const struct offload *off)
{
    return off->req->owner;
}

static void fini(struct hw_request *req)
{
    async_fini(req->owner);
}

static void drop_request(struct offload *off)
{
    if (off->req == NULL)
        return;
    async_abandon(flight(off));
    hw_request_unref(off->req);
    off->req = NULL;
}

/* The wait context was freed while the job was paused. libssl keeps some cipher
 * contexts in the job's frames, which nobody unwinds: the request goes now. */
static void forsaken(void *arg)
{
    drop_request(arg);
}

/* A request to fill in: the last one, unless the device still has it or is just
 * about to say that it has not. */
static struct hw_request *fresh_request(struct offload *off)
{
    struct hw_request *req = off->req;

    off->kept = false;
    if (req != NULL && (!hw_request_reusable(req) || !async_over(req->owner))) {
        drop_request(off);
        req = NULL;
    }
    /* The waiter of a job that never came back for it. */
    if (req != NULL)
        async_end(req->owner);
    if (req == NULL) {
        req = hw_request_new(sizeof(struct flight), fini);
        if (req == NULL)
            return NULL;
        req->complete = async_complete;
        off->req = req;
    }
    hw_release(req);
    req->iv_len = req->tag_len = req->rsa_padding = req->digest = 0;
    req->aad = NULL;
    req->aad_len = 0;
    req->nsrc = req->ndst = 0;
    return req;
}

static struct offload *offload_new(struct provctx *prov)
{
    struct offload *off;

    /* Without memory for it software does it: no error. */
    ERR_set_mark();
    off = OPENSSL_zalloc(sizeof(*off));
    ERR_pop_to_mark();
    if (off != NULL)
        off->prov = prov;
    return off;
}

/*
 * libssl takes a paused job for a failed one when it finds an error in the
 * queue (SSL_get_error). An alert about an error that libssl has just raised is
 * such a case: it would never be sent.
 */
static bool may_pause(void)
{
    return ERR_peek_error() == 0;
}

/* Why not, or SW_CAUSES: it is wanted. The job is asked for once: that is a
 * notable part of what a request costs. */
static enum software_cause unwanted(const struct provctx *prov, const struct offload_want *want,
                                    ASYNC_JOB **job)
{
    if (want->len < want->min_bytes)
        return SW_SMALL;
    *job = async_job();
    if (*job == NULL && !prov->config.sync_offload)
        return SW_NO_JOB;
    if (*job != NULL && !may_pause())
        return SW_ERRORS;
    if (!hw_pool_supports(prov->pool, want->alg, want->key_len, NULL))
        return prov->warning[0] != '\0' ? SW_NO_DEVICE : SW_UNSUPPORTED;
    return SW_CAUSES;
}

struct hw_request *offload_begin(struct offload **slot, struct provctx *prov,
                                 const struct offload_want *want)
{
    struct hw_request *req = NULL;
    ASYNC_JOB *job = NULL;
    enum software_cause cause = unwanted(prov, want, &job);

    if (cause == SW_CAUSES) {
        if (*slot == NULL)
            *slot = offload_new(prov);
        if (*slot != NULL) {
            (*slot)->job = job;
            req = fresh_request(*slot);
        }
        cause = SW_NO_MEMORY;
    }
    if (req == NULL)
        stats_count(&prov->stats, cause);
    return req;
}

/* What a request that gave no result means. */
struct meaning {
    int status;
    enum software_cause cause;
    enum errors_reason reason;
    bool failure; /* of the device: an error with fallback = no */
    const char *text;
};

static const struct meaning meanings[] = {
    {-ETIMEDOUT, SW_TIMEOUT, ERRORS_TIMEOUT, true, "the device did not answer in time"},
    {-ENODEV, SW_NO_DEVICE, ERRORS_NO_DEVICE, true, "no device is in service"},
    {-EAGAIN, SW_BACKLOG, ERRORS_BUSY, true, "ring and backlog are full"},
    {-ENOSPC, SW_BACKLOG, ERRORS_BUSY, true, "the device has no session left"},
    {-ENOMEM, SW_NO_MEMORY, ERRORS_BUSY, true, "no memory for the request"},
    {-ENOTSUP, SW_UNSUPPORTED, ERRORS_UNSUPPORTED, false, "the device does not do this"},
    {-EMSGSIZE, SW_UNSUPPORTED, ERRORS_UNSUPPORTED, false, "too long for the device"},
    {-EOWNERDEAD, SW_FORK, ERRORS_DEVICE_FAILED, false, "submitted before a fork"},
    {0, SW_DEVICE_ERROR, ERRORS_DEVICE_FAILED, true, "the device failed"},
};

static const struct meaning *meaning_of(int status)
{
    const struct meaning *m = meanings;

    while (m->status != 0 && m->status != status)
        m++;
    return m;
}

/* One attempt. -EAGAIN with wait_for_room: room has come, try again. */
static int attempt(struct offload *off, bool *again)
{
    struct flight *f = flight(off);
    int rc;

    *again = false;
    f->fallback = off->prov->config.fallback;
    if (!async_begin(f, off->job))
        return -ENOMEM;
    async_on_forsaken(f, forsaken, off);
    /* With software behind it nobody waits for room. */
    off->req->wait_for_room = !f->fallback;
    off->req->apart = async_calls_back(f);
    rc = hw_submit(off->prov->pool, off->req, false);
    if (rc == -EAGAIN && off->req->wait_for_room) {
        async_no_room(f);
        *again = true;
        rc = 0;
    }
    if (rc != 0)
        return rc;
    if (!async_wait(f, off->prov->pool)) {
        *again = false;
        return -EOWNERDEAD;
    }
    *again = *again && off->req->status == -EAGAIN;
    return off->req->status;
}

static enum offload_result settle(struct offload *off, int status)
{
    const struct meaning *m = meaning_of(status);

    if (m->failure && !off->prov->config.fallback) {
        async_failed(flight(off));
        errors_raise(off->prov, m->reason, "%s", m->text);
        return OFFLOAD_FAILED;
    }
    stats_software(off->prov, m->cause);
    return OFFLOAD_SOFTWARE;
}

enum offload_result offload_run(struct offload *off, bool keep)
{
    enum offload_result result;
    bool again;
    int status;

    do {
        status = attempt(off, &again);
        if (again)
            async_end(flight(off));
    } while (again);
    switch (status) {
    case 0:
        hw_collect(off->req);
        result = OFFLOAD_DONE;
        break;
    case -EBADMSG:
    case -EKEYREJECTED: result = OFFLOAD_REJECTED; break;
    default: result = settle(off, status); break;
    }
    async_end(flight(off));
    off->kept = keep && result == OFFLOAD_DONE;
    if (!off->kept)
        hw_release(off->req);
    return result;
}

enum offload_result offload_wrong(struct offload *off)
{
    off->kept = false;
    hw_release(off->req);
    return settle(off, -EIO);
}

const void *offload_kept(const struct offload *off, size_t *len)
{
    if (off == NULL || !off->kept)
        return NULL;
    *len = off->req->result_len;
    return hw_result(off->req);
}

void offload_drop(struct offload *off)
{
    if (off == NULL || !off->kept)
        return;
    off->kept = false;
    hw_release(off->req);
}

void offload_free(struct offload *off)
{
    if (off == NULL)
        return;
    drop_request(off);
    OPENSSL_free(off);
}
