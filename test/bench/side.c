/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "jobs.h"
#include "work.h"

const char *const side_names[SIDE_KINDS] = {
    [SIDE_VCRYPTO] = "vcrypto",
    [SIDE_DEFAULT] = "default",
    [SIDE_FLOOR] = "floor",
    [SIDE_FLOOR_SELF] = "floor-self",
};

struct side {
    struct jobs *jobs;
    struct floor *floor; /* NULL: work */
    struct work_context context;
    EVP_PKEY *key;
    void **works;
    unsigned count;
};

static bool open_context(struct side *s, const struct bench *b, const struct point *p,
                         enum side_kind kind)
{
    char settings[1024];

    if (kind == SIDE_DEFAULT)
        return work_open_default(&s->context);
    /* The last of equal keys counts. */
    snprintf(settings, sizeof(settings), "%s\n%s", b->settings,
             p->offload_all ? "min_bytes = 0" : "");
    return work_open_vcrypto(&s->context, b->module, settings);
}

static bool open_work(struct side *s, const struct bench *b, const struct point *p,
                      enum side_kind kind)
{
    if (!open_context(s, b, p, kind))
        return false;
    if (work_is_signature(p->alg)) {
        s->key = work_key(&s->context, p->alg);
        if (s->key == NULL)
            return false;
    }
    for (unsigned i = 0; i < s->count; i++) {
        s->works[i] = work_new(&s->context, p->alg, !p->decrypts, p->len, s->key);
        if (s->works[i] == NULL)
            return false;
    }
    return true;
}

struct side *side_new(const struct bench *b, const struct point *p, enum side_kind kind)
{
    struct side *s = calloc(1, sizeof(*s));
    bool ok;

    if (s == NULL)
        return NULL;
    s->count = p->jobs != 0 ? p->jobs : 1;
    s->works = calloc(s->count, sizeof(*s->works));
    s->jobs =
        p->jobs == 0 || kind == SIDE_DEFAULT ? jobs_new_plain() : jobs_new(p->jobs, p->callback);
    ok = s->works != NULL && s->jobs != NULL;
    if (ok && (kind == SIDE_FLOOR || kind == SIDE_FLOOR_SELF)) {
        s->floor = floor_new(s->jobs, s->count, kind == SIDE_FLOOR_SELF);
        ok = s->floor != NULL;
    } else if (ok) {
        ok = open_work(s, b, p, kind);
    }
    if (!ok) {
        side_free(s);
        s = NULL;
    }
    return s;
}

void side_free(struct side *s)
{
    /* Wait contexts last as long as their descriptors do, and longer than what
     * may still wake them. */
    for (unsigned i = 0; s->works != NULL && i < s->count; i++)
        work_free(s->works[i]);
    if (s->jobs != NULL)
        jobs_free(s->jobs);
    if (s->floor != NULL)
        floor_free(s->floor);
    EVP_PKEY_free(s->key);
    if (s->context.libctx != NULL)
        work_close(&s->context);
    free(s->works);
    free(s);
}

bool side_run(struct side *s, double seconds, struct sample *out)
{
    struct jobs_run run;
    bool ok = s->floor != NULL
                  ? jobs_run(s->jobs, seconds, floor_operation, floor_args(s->floor), &run)
                  : jobs_run(s->jobs, seconds, work_do, s->works, &run);

    *out = (struct sample){run.operations, run.wall, run.thread, run.process};
    return ok;
}

void side_counts(const struct side *s, uint64_t *requests, uint64_t *software)
{
    *requests = work_figure(&s->context, "vcrypto-requests");
    *software = work_figure(&s->context, "vcrypto-software-total");
}
