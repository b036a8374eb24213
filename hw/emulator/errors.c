/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/errors.h"

#include <openssl/err.h>
#include <stdbool.h>

static _Thread_local bool unread;

void errors_unread(void)
{
    unread = true;
}

void errors_mark(void)
{
    if (!unread)
        ERR_set_mark();
}

void errors_unmark(void)
{
    if (!unread)
        ERR_pop_to_mark();
}
