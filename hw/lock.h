/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes of the hot path: held for less than a system call takes. */
#ifndef VCRYPTO_LOCK_H
#define VCRYPTO_LOCK_H

#include <pthread.h>

/* Spins a little before it sleeps. 0 or negative errno. */
static inline int lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);

    if (rc != 0)
        return -rc;
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    rc = pthread_mutex_init(lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return -rc;
}

#endif
