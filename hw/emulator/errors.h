/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of libcrypto within an engine are not those of whoever lends his
 * thread: they are taken back out of its queue, between these two.
 *
 * A service thread's queue is read by nobody. It needs no marks, and is better
 * without: the first of a thread takes one of the library's global locks, which a
 * thread of the application may have held when it was another's turn to fork.
 * (With asymmetric keys the library itself sets marks.)
 */
#ifndef VCRYPTO_EMULATOR_ERRORS_H
#define VCRYPTO_EMULATOR_ERRORS_H

void errors_mark(void);
void errors_unmark(void);

/* The calling thread is a service thread: once, before all else. */
void errors_unread(void);

#endif
