/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcrypto-probe: what there is, what it can do and how fast; and what is wrong
 * with a configuration file. A client of include/, like the provider; to calibrate
 * it is an application that has the provider in it.
 */
#ifndef VCRYPTO_PROBE_H
#define VCRYPTO_PROBE_H

#include <stdbool.h>

#include "hw.h"

/* Exit status. */
enum { PROBE_GOOD, PROBE_BAD, PROBE_USAGE };

/* Lists all functions. PROBE_BAD: none is ready. */
int probe_list(void);

/* Describes what spec (an entry of a device list) names, with its rates unless
 * quick. PROBE_BAD: it cannot be used, or no algorithm works. */
int probe_device(const char *spec, bool quick);

/* PROBE_BAD: FILE has faults, which have been told; notes are none. */
int probe_config(const char *file);

/* Measures from how many bytes on requests are worth a trip to the device, and
 * prints lines for openssl.cnf. quick: without a claim to be exact. PROBE_BAD:
 * it cannot be used. */
int probe_calibrate(const char *device, bool quick);

/* Requests a second with len bytes each, many at a time, on the pool's device;
 * negative: it failed. key_len as for hw_pool_supports. */
double probe_rate(struct hw_pool *pool, enum hw_alg alg, size_t key_len, size_t len);

#endif
