/* SPDX-License-Identifier: Apache-2.0 */
/* A fuzzer's input, taken piece by piece. Past its end there are zeros. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
    const uint8_t *at;
    size_t left;
};

static inline void input_bytes(struct input *in, void *buf, size_t n)
{
    size_t have = n < in->left ? n : in->left;

    memset(buf, 0, n);
    if (have != 0)
        memcpy(buf, in->at, have);
    in->at += have;
    in->left -= have;
}

static inline uint8_t input_u8(struct input *in)
{
    uint8_t v;

    input_bytes(in, &v, sizeof(v));
    return v;
}

/* Host order, which is the wire's where fuzzers run. */
static inline uint16_t input_u16(struct input *in)
{
    uint16_t v;

    input_bytes(in, &v, sizeof(v));
    return v;
}

static inline uint32_t input_u32(struct input *in)
{
    uint32_t v;

    input_bytes(in, &v, sizeof(v));
    return v;
}

/* Below n, which is not 0. */
static inline unsigned input_below(struct input *in, unsigned n)
{
    return (n > 256 ? input_u16(in) : input_u8(in)) % n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#endif
