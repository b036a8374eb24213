/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of PCI functions, and functions that are not there. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "hw.h"
#include "pci_host.h"
#include "support.h"

static const struct {
    const char *text, *address; /* NULL: refused */
} addresses[] = {
    {"0000:00:05.0", "0000:00:05.0"},
    {"00:05.0", "0000:00:05.0"},
    {"0:1f.7", "0000:00:1f.7"},
    {"FF:0A.1", "0000:ff:0a.1"},
    {"10001:e1:00.0", "10001:e1:00.0"},
    {"", NULL},
    {"00:05", NULL},
    {"0000:00:05", NULL},
    {"00:05.8", NULL},
    {"00:20.0", NULL},
    {"100:05.0", NULL},
    {"00:05.0 ", NULL},
    {"00:05.0,", NULL},
    {"0000:00:05.0.0", NULL},
    {"0000:00:05.0/../x", NULL},
    {"emulator", NULL},
};

START_TEST(test_address)
{
    char address[PCI_ADDRESS_SIZE];

    if (addresses[_i].address == NULL) {
        ck_assert(!pci_host_address(addresses[_i].text, address));
        return;
    }
    ck_assert(pci_host_address(addresses[_i].text, address));
    ck_assert_str_eq(address, addresses[_i].address);
}
END_TEST

START_TEST(test_absent)
{
    struct hw_error err = {""};
    struct pci_host h;

    ck_assert_int_eq(pci_host_read("fffe:ff:1f.7", &h), -ENODEV);
    ck_assert_int_eq(pci_host_check("fffe:ff:1f.7", &h, &err), -ENODEV);
    ck_assert_ptr_nonnull(strstr(err.text, "fffe:ff:1f.7"));
    ck_assert_ptr_null(strchr(err.text, '\n'));
    ck_assert(!pci_host_intruder(1000000, &h));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pci_host");
    TCase *tc = tcase_create("functions");

    tcase_add_loop_test(tc, test_address, 0, (int)(sizeof(addresses) / sizeof(addresses[0])));
    tcase_add_test(tc, test_absent);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
