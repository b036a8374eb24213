/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw_info.h"
#include "probe.h"

static const char usage[] =
    "usage: vcrypto-probe                       lists virtio-crypto functions\n"
    "       vcrypto-probe [-q] DEVICE...        describes devices: emulator, auto,\n"
    "                                           pci:0000:00:05.0; -q: without rates\n"
    "       vcrypto-probe --check-config FILE   looks for mistakes in an openssl.cnf\n"
    "       vcrypto-probe --calibrate [-q] [DEVICE]\n"
    "                                           measures min_bytes for an openssl.cnf\n";

static int worst(int a, int b)
{
    return a > b ? a : b;
}

/* Each function that is ready; what is wrong with the others the list tells. */
static int probe_auto(bool quick)
{
    struct hw_function *f = NULL;
    struct hw_error err = {""};
    int n = hw_functions(&f, &err), ready = 0, status = PROBE_GOOD;

    for (int i = 0; i < n; i++) {
        char spec[32];

        if (!f[i].ready)
            continue;
        snprintf(spec, sizeof(spec), "pci:%s", f[i].address);
        if (ready++ != 0)
            printf("\n");
        status = worst(status, probe_device(spec, quick));
    }
    free(f);
    if (ready == 0) {
        (void)probe_list();
        return PROBE_BAD;
    }
    return status;
}

static int probe_devices(char **specs, bool quick)
{
    int status = PROBE_GOOD;

    for (unsigned i = 0; specs[i] != NULL; i++) {
        if (i != 0)
            printf("\n");
        status = worst(status, strcmp(specs[i], "auto") == 0 ? probe_auto(quick)
                                                             : probe_device(specs[i], quick));
    }
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"quick", no_argument, NULL, 'q'},
        {"check-config", required_argument, NULL, 'c'},
        {"calibrate", no_argument, NULL, 'C'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *config = NULL;
    bool quick = false, calibrate = false;
    int c, devices;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
    while ((c = getopt_long(argc, argv, "qc:Ch", options, NULL)) != -1) {
        switch (c) {
        case 'q': quick = true; break;
        case 'c': config = optarg; break;
        case 'C': calibrate = true; break;
        case 'h': fputs(usage, stdout); return PROBE_GOOD;
        default: fputs(usage, stderr); return PROBE_USAGE;
        }
    }
    devices = argc - optind;
    if ((config != NULL && (devices != 0 || calibrate)) || (calibrate && devices > 1)) {
        fputs(usage, stderr);
        return PROBE_USAGE;
    }
    if (calibrate)
        return probe_calibrate(devices != 0 ? argv[optind] : "emulator", quick);
    if (config != NULL)
        return probe_config(config);
    return argv[optind] == NULL ? probe_list() : probe_devices(argv + optind, quick);
}
