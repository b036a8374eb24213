/* SPDX-License-Identifier: Apache-2.0 */
#include "device_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "discover.h"
#include "drivers.h"

static int add(struct device_list *list, const char *spec)
{
    unsigned n = list->n;

    if (n == DEVICE_LIST_MAX)
        return -E2BIG;
    if (strlen(spec) >= sizeof(list->entry[n].spec))
        return -EINVAL;
    memset(&list->entry[n], 0, sizeof(list->entry[n]));
    memcpy(list->entry[n].spec, spec, strlen(spec) + 1);
    for (unsigned i = 0; i < n; i++)
        list->entry[n].index += strcmp(list->entry[i].spec, spec) == 0;
    device_name(spec, list->entry[n].index, list->entry[n].name, sizeof(list->entry[n].name));
    list->n++;
    return 0;
}

static int add_discovered(struct device_list *list, struct hw_error *err)
{
    char spec[sizeof(list->entry[0].spec)];
    int found = 0, bound = 0, rc = 0;

    for (unsigned d = 0; drivers[d] != NULL && rc == 0; d++) {
        struct discovered *fs = NULL;
        int n = discover(drivers[d]->vendor, drivers[d]->device, &fs, err);

        for (int i = 0; i < n && rc == 0; i++) {
            found++;
            if (strstr(fs[i].host.driver, "vfio") == NULL)
                continue;
            bound++;
            snprintf(spec, sizeof(spec), "pci:%s", fs[i].host.address);
            rc = add(list, spec);
        }
        if (n >= 0)
            free(fs);
    }
    if (bound == 0 && err->text[0] == '\0')
        snprintf(err->text, sizeof(err->text),
                 "no function is bound to vfio-pci (%d found; write vfio-pci to its "
                 "driver_override, its address to drivers_probe)",
                 found);
    return rc;
}

int device_list_parse(const char *text, struct device_list *out, struct hw_error *err)
{
    char *copy = strdup(text), *save = NULL;
    int rc = copy == NULL ? -ENOMEM : 0;

    out->n = 0;
    for (char *s = strtok_r(copy, ", \t", &save); s != NULL && rc == 0;
         s = strtok_r(NULL, ", \t", &save))
        rc = strcmp(s, "auto") == 0 ? add_discovered(out, err) : add(out, s);
    free(copy);
    return rc;
}
