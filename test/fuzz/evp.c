/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The EVP state machine: the walks of test/evp/random.c, whose every decision
 * is the fuzzer's here. Ours and the default provider's contexts must agree
 * after each call. Linked so that the walks' random numbers and failed
 * assertions end here.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "input.h"

int random_main(void);
#define main random_main
#include "../evp/random.c" /* NOLINT(bugprone-suspicious-include) */
#undef main

static struct input in;
static struct support loaded;

/* The linker's names for what stands in for support_below and check's end of a
 * failed assertion. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
uint32_t __wrap_support_below(struct support_random *r, uint32_t n);
void __wrap__ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...);
void __wrap__mark_point(const char *file, int line);

/* Assertions that hold leave a mark for a runner of tests, which is not here. */
void __wrap__mark_point(const char *file, int line)
{
    (void)file, (void)line;
}

uint32_t __wrap_support_below(struct support_random *r, uint32_t n)
{
    (void)r;
    return (n > 256 ? input_u16(&in) : input_u8(&in)) % n;
}

void __wrap__ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    va_list ap;

    printf("%s:%d: %s: ", file, line, expr);
    va_start(ap, msg);
    if (msg != NULL)
        vprintf(msg, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
    abort();
}
/* NOLINTEND(bugprone-reserved-identifier) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const live[] = {"vcrypto-live-contexts", "vcrypto-live-requests",
                                       "vcrypto-live-dma-bytes", "vcrypto-live-keys"};
    static unsigned runs;
    const struct mode *mode;
    uint64_t seed;

    if (loaded.libctx == NULL)
        support_load(&loaded, SUPPORT_ALL_OFFLOAD "queue_size = 8\n");
    in = (struct input){data, size};
    mode = &modes[input_below(&in, MODES)];
    seed = input_u8(&in);
    walk(&loaded, mode, false, seed, size < 240 ? (int)size / 4 + 1 : 60);
    for (size_t i = 0; runs % 64 == 0 && i < sizeof(live) / sizeof(live[0]); i++)
        support_settle(&loaded, live[i], 0);
    runs++;
    return 0;
}
