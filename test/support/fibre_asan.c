/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes AddressSanitizer and LeakSanitizer bear OpenSSL's fibres; linked into
 * SAN=address test programs only. A program's symbols come before libc's when
 * libcrypto is bound, so these are the functions that libcrypto calls.
 *
 * _longjmp: the sanitizer takes each one for the end of the frames in between
 * and clears the marks of the whole stack below, up to its top. Between fibres
 * no frame ends, and the top of a fibre's stack is not known to it.
 *
 * setcontext: OpenSSL never frees a paused job that is abandoned, nor its
 * stack. Both are its own, so they are no finding. Memory that only they point
 * to is not found either: the live counts of the provider's parameters are
 * there for that.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sanitizer/lsan_interface.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int (*libc_setcontext)(const ucontext_t *);
static void (*libc_longjmp)(jmp_buf, int);

static void set_up(void)
{
    /* Past the sanitizer's own _longjmp. */
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

    if (libc != NULL) {
        *(void **)&libc_setcontext = dlsym(libc, "setcontext");
        *(void **)&libc_longjmp = dlsym(libc, "_longjmp");
        dlclose(libc);
    }
    if (libc_setcontext == NULL || libc_longjmp == NULL) {
        fputs("fibre_asan: no setcontext or _longjmp in libc\n", stderr);
        abort();
    }
}

/* The context is the first member of OpenSSL's job: its address is the job's. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): theirs is reserved */
int setcontext(const ucontext_t *context)
{
    pthread_once(&once, set_up);
    __lsan_ignore_object(context);
    __lsan_ignore_object(context->uc_stack.ss_sp);
    return libc_setcontext(context);
}

_Noreturn void _longjmp(jmp_buf env, int val)
{
    pthread_once(&once, set_up);
    libc_longjmp(env, val);
    abort();
}
