/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's list of devices, entry by entry. */
#ifndef VCRYPTO_DEVICE_LIST_H
#define VCRYPTO_DEVICE_LIST_H

#include "hw.h"

#define DEVICE_LIST_MAX 64

struct device_list {
    unsigned n;
    struct {
        char spec[32];  /* "emulator", "pci:0000:00:05.0" */
        unsigned index; /* among equal entries */
        char name[32];  /* for people */
    } entry[DEVICE_LIST_MAX];
};

/*
 * text is the configuration's value. "auto" becomes one entry for each
 * virtio-crypto function that is bound to vfio-pci; none is no error, but err
 * says so. -E2BIG, -EINVAL (an entry too long), -ENOMEM.
 */
int device_list_parse(const char *text, struct device_list *out, struct hw_error *err);

#endif
