/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include "selftest_ak.h"

const char *keys_rsa(void)
{
    return selftest_rsa[0].key;
}
