/* SPDX-License-Identifier: Apache-2.0 */
#include "crew.h"

#include <openssl/err.h>
#include <poll.h>
#include <string.h>

void crew_init(struct crew *crew, const char *label, unsigned n, const struct shop *shop,
               unsigned kinds, uint64_t seed)
{
    memset(crew, 0, sizeof(*crew));
    crew->label = label;
    crew->n = n;
    ck_assert_uint_le(n, CREW_MAX);
    for (unsigned i = 0; i < n; i++) {
        struct crew_job *j = &crew->jobs[i];

        j->crew = crew;
        work_init(&j->work, shop, kinds, seed + i);
        j->wait = ASYNC_WAIT_CTX_new();
        ck_assert_ptr_nonnull(j->wait);
    }
}

void crew_fini(struct crew *crew)
{
    for (unsigned i = 0; i < crew->n; i++) {
        work_fini(&crew->jobs[i].work);
        ASYNC_WAIT_CTX_free(crew->jobs[i].wait);
    }
}

static int one(void *arg)
{
    struct crew_job *j = *(struct crew_job **)arg;
    enum work_result result = work_do(&j->work);
    struct tally *t = &j->crew->tally;

    t->done++;
    t->failed += result == WORK_FAILED;
    t->wrong += result == WORK_WRONG;
    t->refused += result == WORK_REFUSED;
    return 1;
}

static void run(struct crew_job *j)
{
    size_t n = 1;
    int ret = 0, status = ASYNC_start_job(&j->job, j->wait, &ret, one, &j, sizeof(j));

    j->paused = status == ASYNC_PAUSE;
    if (j->paused)
        ck_assert(ASYNC_WAIT_CTX_get_all_fds(j->wait, &j->fd, &n) == 1 && n == 1);
    else
        ck_assert_int_eq(status, ASYNC_FINISH);
}

static void wait_for_some(struct crew *crew)
{
    struct pollfd fds[CREW_MAX];
    bool any = false;

    for (unsigned i = 0; i < crew->n; i++) {
        bool paused = crew->jobs[i].paused;

        fds[i] = (struct pollfd){.fd = paused ? crew->jobs[i].fd : -1, .events = POLLIN};
        any = any || paused;
    }
    if (!any)
        return;
    ck_assert_msg(poll(fds, crew->n, CREW_HANG_MS) > 0, "%s: paused jobs are not woken",
                  crew->label);
    for (unsigned i = 0; i < crew->n; i++)
        if (fds[i].revents != 0)
            run(&crew->jobs[i]);
}

void crew_round(struct crew *crew)
{
    for (unsigned i = 0; i < crew->n; i++)
        if (!crew->jobs[i].paused)
            run(&crew->jobs[i]);
    wait_for_some(crew);
}

static bool busy(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->n; i++)
        if (crew->jobs[i].paused)
            return true;
    return false;
}

void crew_rest(struct crew *crew)
{
    while (busy(crew))
        wait_for_some(crew);
}
