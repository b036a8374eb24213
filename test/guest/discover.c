/* SPDX-License-Identifier: Apache-2.0 */
/* Lists the virtio-crypto functions as discover() finds them, one a line. */
#include <stdio.h>
#include <stdlib.h>

#include "discover.h"
#include "hw.h"

int main(void)
{
    struct hw_error err = {""};
    struct discovered *d;
    int n = discover(0x1af4, 0x1054, &d, &err);

    if (n < 0) {
        printf("error %d: %s\n", n, err.text);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        printf("%s driver=%s group=%d", d[i].host.address, d[i].host.driver, d[i].host.group);
        if (d[i].caps_known)
            printf(" vectors=%u express=%d flr=%d vendor=%u", d[i].vectors, d[i].express, d[i].flr,
                   d[i].vendor_caps);
        printf("\n");
    }
    printf("found %d\n", n);
    free(d);
    return 0;
}
