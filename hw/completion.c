/* SPDX-License-Identifier: Apache-2.0 */
#include "completion.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "device.h"
#include "queue.h"
#include "selftest.h"
#include "transport.h"

/* Pauses between attempts to bring a failed device back. */
#define BACKOFF_FIRST_NS 50000000u
#define BACKOFF_MAX_NS   10000000000u

static bool clear(int fd)
{
    uint64_t count;

    return read(fd, &count, sizeof(count)) == sizeof(count);
}

static bool failed(const struct device *dev)
{
    return atomic_load_explicit(&dev->state, memory_order_acquire) == DEVICE_FAILED;
}

static void back_off(struct device *dev)
{
    dev->backoff = dev->backoff == 0 ? BACKOFF_FIRST_NS : dev->backoff * 2;
    if (dev->backoff > BACKOFF_MAX_NS)
        dev->backoff = BACKOFF_MAX_NS;
    dev->retry_at = device_now() + dev->backoff;
}

/* What was in flight goes back to its owners; then the device may rest. */
static void give_up(struct device *dev)
{
    device_drain(dev, -EIO);
    back_off(dev);
    atomic_fetch_add_explicit(&dev->resets, 1, memory_order_relaxed);
}

static void absent(struct device *dev)
{
    atomic_store(&dev->state, DEVICE_FAILED);
    back_off(dev);
}

/* Someone wants the function, and waits for us to let it go. */
static void let_go(struct device *dev)
{
    device_fail(dev);
    device_drain(dev, -EIO);
    device_hardware_down(dev);
    back_off(dev);
    atomic_fetch_add_explicit(&dev->removals, 1, memory_order_relaxed);
    device_notice(dev, "taken away; its work goes elsewhere until it is back");
}

/* Where the hardware has gone: whether it is back, and is what it was. */
static int come_back(struct device *dev)
{
    struct device_caps caps;
    struct hw_error err;
    int rc = selftest_open(dev->spec, dev->index, &dev->cfg, &caps, &err);

    if (rc == 0 && !selftest_covers(&caps, &dev->caps))
        rc = -EIO;
    if (rc == 0)
        rc = device_hardware_up(dev, &err);
    if (rc != 0)
        return rc;
    atomic_fetch_add_explicit(&dev->returns, 1, memory_order_relaxed);
    device_notice(dev, "back in service");
    return 0;
}

/* Brings the function back, by a reset where it is still there. */
static void try_again(struct device *dev)
{
    struct hw_error err;
    int rc;

    if (device_now() < dev->retry_at)
        return;
    rc = dev->transport != NULL ? dev->ops->start(dev, &err) : come_back(dev);
    if (rc != 0) {
        back_off(dev);
        return;
    }
    dev->retry_at = 0;
    /* Release: pairs with the loads in hw_submit and queue_enqueue. */
    atomic_store_explicit(&dev->state, DEVICE_RUNNING, memory_order_release);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* One round of work. Returns when the next must come, 0: on an interrupt. */
static uint64_t work(struct device *dev, bool changed)
{
    uint64_t next, now;
    unsigned done = 0;

    if (failed(dev)) {
        if (dev->retry_at == 0)
            give_up(dev);
        try_again(dev);
        return dev->retry_at;
    }
    if (dev->ops->service(dev, changed) != 0)
        device_fail(dev);
    for (unsigned i = 0; i < dev->nqueues; i++)
        done += queue_reap(&dev->queues[i], QUEUE_THREAD);
    if (done != 0)
        dev->backoff = 0;
    now = device_now();
    next = dev->ops->deadline(dev);
    for (unsigned i = 0; i < dev->nqueues; i++) {
        queue_feed(&dev->queues[i]);
        next = earliest(next, queue_deadlines(&dev->queues[i], now));
    }
    return failed(dev) ? now : next;
}

/* Between looks at the rings, where there are no interrupts. */
#define POLL_NS 50000u
#define FOREVER UINT64_MAX

/* How long to sleep, ns. Without a deadline there is nothing in flight, or it
 * came just now: see device.h at idle. */
static uint64_t sleep_ns(struct device *dev, uint64_t next)
{
    bool polls = dev->cfg.completion == HW_COMPLETION_POLL && !failed(dev);
    uint64_t now;

    if (next == 0) {
        atomic_store(&dev->idle, true);
        if (atomic_load(&dev->in_flight) == 0)
            return FOREVER;
        /* In flight without a deadline: between hw_submit and its queue. */
        atomic_store(&dev->idle, false);
        return polls ? POLL_NS : 1000000;
    }
    if (polls)
        return POLL_NS;
    now = device_now();
    /* A clock as coarse as that is not to be waited for by a hair's breadth. */
    return next <= now ? 0 : next - now + 1000000;
}

/* What the bus says of the function itself. */
static void bus_events(struct device *dev)
{
    unsigned events = dev->transport->ops->events(dev->transport);

    if (events & TRANSPORT_EVENT_RELEASE)
        let_go(dev);
    else if (events & TRANSPORT_EVENT_ERROR)
        device_fail(dev);
}

/* Waits for something to do. Returns whether a configuration interrupt came. */
static bool wait_for_work(struct device *dev, uint64_t ns)
{
    struct pollfd fds[DEVICE_IRQS_MAX + 2];
    nfds_t n = 0, first_irq;
    bool changed = false, bus = dev->transport != NULL && dev->transport->ops->events != NULL;
    struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000u),
                          .tv_nsec = (long)(ns % 1000000000u)};
    int rc;

    fds[n++] = (struct pollfd){.fd = dev->wake_fd, .events = POLLIN};
    if (bus)
        fds[n++] =
            (struct pollfd){.fd = dev->transport->ops->event_fd(dev->transport), .events = POLLIN};
    first_irq = n;
    for (unsigned i = 0; dev->transport != NULL && i < dev->nirqs; i++)
        fds[n++] = (struct pollfd){.fd = dev->irq_fds[i], .events = POLLIN};
    rc = ppoll(fds, n, ns == FOREVER ? NULL : &ts, NULL);
    atomic_store(&dev->idle, false);
    if (rc <= 0)
        return false;
    if (fds[0].revents != 0)
        clear(dev->wake_fd);
    for (nfds_t i = first_irq; i < n; i++) {
        if (fds[i].revents == 0 || !clear(fds[i].fd))
            continue;
        atomic_fetch_add_explicit(&dev->interrupts, 1, memory_order_relaxed);
        /* One vector for all means any change may be behind it. */
        changed = changed || i == first_irq;
    }
    if (bus && fds[1].revents != 0)
        bus_events(dev);
    return changed;
}

static void *run(void *arg)
{
    struct device *dev = arg;
    bool changed = false;

    prctl(PR_SET_NAME, "vcrypto-done");
    while (!atomic_load(&dev->stopping)) {
        uint64_t ns = sleep_ns(dev, work(dev, changed));

        if (!atomic_load(&dev->stopping))
            changed = wait_for_work(dev, ns);
    }
    if (dev->self_close) {
        pthread_detach(pthread_self());
        device_free(dev);
    }
    return NULL;
}

static int start(struct device *dev)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&dev->thread, NULL, run, dev);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -rc;
}

int completion_open(const char *spec, unsigned index, const struct hw_config *cfg,
                    const struct device_caps *caps, struct device **out, struct hw_error *err)
{
    struct device *dev = NULL;
    int rc = device_new(spec, index, cfg, &dev);

    if (rc != 0)
        return rc;
    rc = device_hardware_up(dev, err);
    dev->caps = *caps;
    if (rc == -EBUSY) {
        absent(dev);
        rc = 0;
    }
    if (rc == 0)
        rc = start(dev);
    if (rc != 0) {
        device_free(dev);
        return rc;
    }
    *out = dev;
    return 0;
}

void completion_close(struct device *dev)
{
    atomic_store(&dev->stopping, true);
    /* A complete() has dropped the last pool: the thread that runs it cannot
     * wait for itself, it cleans up when it gets back. */
    if (pthread_equal(dev->thread, pthread_self())) {
        dev->self_close = true;
        return;
    }
    device_wake(dev);
    pthread_join(dev->thread, NULL);
    device_free(dev);
}
