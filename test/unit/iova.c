/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses for DMA mappings: inside the valid ranges, never overlapping. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "iova.h"
#include "support.h"

#define PAGE     ((uint64_t)4096)
#define LARGE    ((uint64_t)2 << 20)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* As behind an Intel IOMMU, with the window of interrupts left out. */
static const struct iova_range machine[] = {{0, 0xfedfffff}, {0xfef00000, 0x7fffffffff}};

START_TEST(test_first)
{
    struct iova_space s;
    uint64_t a, b;

    ck_assert_int_eq(iova_init(&s, machine, COUNT(machine), PAGE), 0);
    ck_assert_int_eq(iova_alloc(&s, PAGE, &a), 0);
    ck_assert_uint_ne(a, 0);
    ck_assert_int_eq(iova_alloc(&s, 3 * PAGE, &b), 0);
    ck_assert_uint_ge(b, a + 2 * PAGE);
    ck_assert_int_eq(iova_alloc(&s, LARGE, &a), 0);
    ck_assert_uint_eq(a % LARGE, 0);
    iova_fini(&s);
}
END_TEST

START_TEST(test_bad)
{
    struct iova_space s;
    uint64_t a;

    ck_assert_int_eq(iova_init(&s, machine, COUNT(machine), PAGE), 0);
    ck_assert_int_eq(iova_alloc(&s, 0, &a), -ENOSPC);
    ck_assert_int_eq(iova_alloc(&s, PAGE + 1, &a), -ENOSPC);
    ck_assert_int_eq(iova_alloc(&s, -PAGE, &a), -ENOSPC);
    ck_assert_int_eq(iova_alloc(&s, (uint64_t)1 << 40, &a), -ENOSPC);
    ck_assert_int_eq(iova_free(&s, PAGE, PAGE), -ENOENT);
    ck_assert_int_eq(iova_alloc(&s, PAGE, &a), 0);
    ck_assert_int_eq(iova_free(&s, a + PAGE, PAGE), -ENOENT);
    ck_assert_int_eq(iova_free(&s, a, PAGE), 0);
    ck_assert_int_eq(iova_free(&s, a, PAGE), -ENOENT);
    iova_fini(&s);
}
END_TEST

/* The second range serves what the first has no room for. */
START_TEST(test_ranges)
{
    static const struct iova_range small[] = {{0, 4 * PAGE - 1}, {16 * PAGE, 20 * PAGE - 1}};
    struct iova_space s;
    uint64_t a, b, c;

    ck_assert_int_eq(iova_init(&s, small, COUNT(small), PAGE), 0);
    ck_assert_int_eq(iova_alloc(&s, 4 * PAGE, &b), 0);
    ck_assert_uint_eq(b, 16 * PAGE);
    ck_assert_int_eq(iova_alloc(&s, 3 * PAGE, &a), 0);
    ck_assert_uint_eq(a, PAGE);
    ck_assert_int_eq(iova_alloc(&s, PAGE, &c), -ENOSPC);
    ck_assert_int_eq(iova_free(&s, b, 4 * PAGE), 0);
    ck_assert_int_eq(iova_alloc(&s, PAGE, &c), 0);
    ck_assert_uint_eq(c, 16 * PAGE);
    iova_fini(&s);
}
END_TEST

/* At the end of 64 bits nothing wraps around. */
START_TEST(test_end)
{
    static const struct iova_range top[] = {{UINT64_MAX - 4 * PAGE + 1, UINT64_MAX}};
    struct iova_space s;
    uint64_t a, b;

    ck_assert_int_eq(iova_init(&s, top, 1, PAGE), 0);
    ck_assert_int_eq(iova_alloc(&s, LARGE, &a), -ENOSPC);
    ck_assert_int_eq(iova_alloc(&s, PAGE, &a), 0);
    ck_assert_uint_eq(a, top[0].first);
    ck_assert_int_eq(iova_alloc(&s, 2 * PAGE, &b), 0);
    ck_assert_uint_eq(b, a + 2 * PAGE);
    ck_assert_int_eq(iova_alloc(&s, PAGE, &a), -ENOSPC);
    ck_assert_int_eq(iova_free(&s, b, 2 * PAGE), 0);
    ck_assert_int_eq(iova_alloc(&s, 2 * PAGE, &a), 0);
    ck_assert_uint_eq(a, b);
    iova_fini(&s);
}
END_TEST

/* Thousands of steps against a plain list of what is out. */
START_TEST(test_random)
{
    static const struct iova_range tight[] = {{PAGE, 600 * PAGE - 1},
                                              {1024 * PAGE, 3000 * PAGE - 1}};
    struct support_random r = {.state = (uint64_t)_i + 1};
    struct iova_range out[200];
    size_t n = 0, refused = 0;
    struct iova_space s;

    ck_assert_int_eq(iova_init(&s, tight, COUNT(tight), PAGE), 0);
    for (unsigned step = 0; step < 5000; step++) {
        uint64_t len = PAGE * (1 + support_below(&r, support_below(&r, 8) == 0 ? 600 : 16)), a;

        if (n > 0 && (n == COUNT(out) || support_below(&r, 2) == 0)) {
            size_t i = support_below(&r, (uint32_t)n);

            ck_assert_int_eq(iova_free(&s, out[i].first, out[i].last - out[i].first + 1), 0);
            out[i] = out[--n];
            continue;
        }
        if (iova_alloc(&s, len, &a) != 0) {
            refused++;
            continue;
        }
        ck_assert(a % (len >= LARGE ? LARGE : PAGE) == 0);
        ck_assert((a >= tight[0].first && a + len - 1 <= tight[0].last) ||
                  (a >= tight[1].first && a + len - 1 <= tight[1].last));
        for (size_t i = 0; i < n; i++)
            ck_assert(a > out[i].last + PAGE || a + len + PAGE <= out[i].first);
        out[n++] = (struct iova_range){a, a + len - 1};
    }
    ck_assert_uint_gt(refused, 0);
    while (n-- > 0)
        ck_assert_int_eq(iova_free(&s, out[n].first, out[n].last - out[n].first + 1), 0);
    ck_assert_uint_eq(s.nused, 0);
    iova_fini(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("iova");
    TCase *tc = tcase_create("addresses");

    tcase_add_test(tc, test_first);
    tcase_add_test(tc, test_bad);
    tcase_add_test(tc, test_ranges);
    tcase_add_test(tc, test_end);
    tcase_add_loop_test(tc, test_random, 0, 8);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
