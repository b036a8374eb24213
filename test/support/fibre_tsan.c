/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells ThreadSanitizer of OpenSSL's fibres; linked into SAN=thread test
 * programs only, and compiled without instrumentation itself.
 *
 * A job of OpenSSL starts on its own stack by setcontext and moves between
 * stacks by _setjmp and _longjmp after that. ThreadSanitizer knows nothing of
 * the last step: its record of the call stack then holds the frames of all
 * paused jobs, one above the other, so that reports show callers that never
 * called, and abandoned jobs fill the record until it overflows. (Its idea of
 * what happens before what is right even so, since all of it is one thread.)
 *
 * A program's symbols come before libc's when libcrypto is bound, so the two
 * functions below are what libcrypto calls. Which fibre a jmp_buf belongs to
 * follows from its address: OpenSSL keeps it in one structure with the
 * ucontext_t that setcontext was given, the context first. A jmp_buf that is in
 * no such structure belongs to the thread itself.
 *
 * Switching with flag 0 orders what one fibre did before what the next one on
 * this thread does, which is what a thread is.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);

/* Jobs are resumed on the thread that started them, so each thread has its own
 * table. The thread's end frees it: its jobs cannot be resumed after that. */
struct fibre {
    const ucontext_t *context;
    void *tsan;
    struct fibre *next;
};

#define BUCKETS 256

struct fibres {
    void *thread; /* the thread's own stack */
    struct fibre *bucket[BUCKETS];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int (*libc_setcontext)(const ucontext_t *);
static void (*libc_longjmp)(jmp_buf, int);

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "fibre_tsan: %s\n", what);
    abort();
}

static void free_all(void *arg)
{
    struct fibres *all = arg;

    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct fibre *f = all->bucket[i], *next; f != NULL; f = next) {
            next = f->next;
            __tsan_destroy_fiber(f->tsan);
            free(f);
        }
    }
    free(all);
}

static void set_up(void)
{
    *(void **)&libc_setcontext = dlsym(RTLD_NEXT, "setcontext");
    *(void **)&libc_longjmp = dlsym(RTLD_NEXT, "_longjmp");
    if (libc_setcontext == NULL || libc_longjmp == NULL || pthread_key_create(&key, free_all) != 0)
        die("no setcontext or _longjmp");
}

static struct fibres *mine(void)
{
    struct fibres *all;

    pthread_once(&once, set_up);
    all = pthread_getspecific(key);
    if (all == NULL) {
        all = calloc(1, sizeof(*all));
        if (all == NULL || pthread_setspecific(key, all) != 0)
            die("no memory");
        all->thread = __tsan_get_current_fiber();
    }
    return all;
}

/* Jobs are heap blocks of more than 1 KiB: their addresses differ in these bits. */
static struct fibre **place(struct fibres *all, uintptr_t address)
{
    return &all->bucket[(address >> 10) % BUCKETS];
}

/* The fibre whose context starts between the two addresses, both included. */
static struct fibre *find(struct fibres *all, uintptr_t from, uintptr_t to)
{
    for (uintptr_t a = from >> 10; a <= to >> 10; a++)
        for (struct fibre *f = *place(all, a << 10); f != NULL; f = f->next)
            if ((uintptr_t)f->context >= from && (uintptr_t)f->context <= to)
                return f;
    return NULL;
}

/* Starts a fibre. The memory of one that was freed may have come back: what is
 * known under this address is gone then. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): theirs is reserved */
int setcontext(const ucontext_t *context)
{
    struct fibres *all = mine();
    const uintptr_t at = (uintptr_t)context;
    struct fibre *f = find(all, at, at);

    if (f != NULL) {
        __tsan_destroy_fiber(f->tsan);
    } else {
        struct fibre **head = place(all, at);

        f = calloc(1, sizeof(*f));
        if (f == NULL)
            die("no memory");
        f->next = *head;
        *head = f;
    }
    f->context = context;
    f->tsan = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(f->tsan, 0);
    return libc_setcontext(context);
}

_Noreturn void _longjmp(jmp_buf env, int val)
{
    struct fibres *all = mine();
    const uintptr_t at = (uintptr_t)env;
    struct fibre *f = find(all, at - sizeof(ucontext_t) - sizeof(jmp_buf), at);
    void *from = __tsan_get_current_fiber();
    void *to = f != NULL ? f->tsan : all->thread;

    /* From the thread's own stack OpenSSL jumps only into a fibre. */
    if (from == to)
        die("a jmp_buf is not where OpenSSL used to keep it");
    __tsan_switch_to_fiber(to, 0);
    libc_longjmp(env, val);
    abort();
}
