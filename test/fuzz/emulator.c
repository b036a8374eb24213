/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulator against a hostile driver. It has no threads here: who rings the
 * doorbell serves. It may reach the arena and nothing else, and whatever it is
 * told it has to come back.
 */
#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_crypto.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "emulator/device.h"
#include "hw.h"
#include "input.h"
#include "parts/keys.h"

#define ARENA  0x10000u
#define IOVA   0x7654000000ull
#define QUEUES 2u /* one for data, and the control queue */
#define SIZE   32u
#define STEPS  200

/* Where things lie in the arena. */
#define RINGS   0x0000u /* one KiB and more for each queue */
#define RING    0x1000u
#define TABLE   0x3000u /* indirect */
#define MESSAGE 0x4000u

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            abort();                                                                               \
    } while (0)

static struct input in;
static struct emulator *e;
static uint8_t *arena;
static uint32_t reach; /* how much of the arena is mapped now */
static uint16_t avail_idx[QUEUES];

static void *dma(void *host, uint64_t iova, size_t len, bool write)
{
    uint64_t off = iova - IOVA;

    (void)host, (void)write;
    return off <= reach && len <= reach - off ? arena + off : NULL;
}

static void msi(void *host, uint64_t address, uint32_t data)
{
    (void)host, (void)address, (void)data;
}

static void common(unsigned off, unsigned width, uint32_t val)
{
    emulator_bar_write(e, DEVICE_BAR_MEM, DEVICE_COMMON + off, width, val);
}

static void address(unsigned off, uint64_t val)
{
    common(off, 4, (uint32_t)val);
    common(off + 4, 4, (uint32_t)(val >> 32));
}

static void start_queue(unsigned i)
{
    uint64_t at = IOVA + RINGS + i * RING;

    common(VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
    common(VIRTIO_PCI_COMMON_Q_SIZE, 2, SIZE);
    address(VIRTIO_PCI_COMMON_Q_DESCLO, at);
    address(VIRTIO_PCI_COMMON_Q_AVAILLO, at + 0x400);
    address(VIRTIO_PCI_COMMON_Q_USEDLO, at + 0x800);
    common(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
    common(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    avail_idx[i] = 0;
}

/* From reset to DRIVER_OK, with the features that the input asks for. */
static void step_start(void)
{
    uint8_t bits = input_u8(&in);
    uint32_t low = (bits & 1) | (bits & 2 ? 1u << VIRTIO_RING_F_EVENT_IDX : 0) |
                   (bits & 4 ? 1u << VIRTIO_RING_F_INDIRECT_DESC : 0);

    emulator_config_write(e, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    common(VIRTIO_PCI_COMMON_STATUS, 1, 0);
    common(VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    common(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
    common(VIRTIO_PCI_COMMON_GF, 4, low);
    common(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
    common(VIRTIO_PCI_COMMON_GF, 4,
           1u << (VIRTIO_F_VERSION_1 - 32) | 1u << (VIRTIO_F_ACCESS_PLATFORM - 32));
    common(VIRTIO_PCI_COMMON_STATUS, 1, 0xb);
    memset(arena, 0, QUEUES * RING);
    for (unsigned i = 0; i < QUEUES; i++)
        start_queue(i);
    common(VIRTIO_PCI_COMMON_STATUS, 1, 0xf);
}

static void ring(unsigned queue)
{
    emulator_bar_write(e, DEVICE_BAR_MEM, DEVICE_NOTIFY + queue * DEVICE_NOTIFY_MULT, 2, queue);
}

static void publish(unsigned queue, uint16_t head)
{
    struct vring_avail *avail = (void *)(arena + RINGS + queue * RING + 0x400);

    avail->ring[avail_idx[queue]++ % SIZE] = htole16(head);
    avail->idx = htole16(avail_idx[queue]);
    ring(queue);
}

static struct vring_desc *desc(unsigned queue, unsigned i)
{
    return (struct vring_desc *)(void *)(arena + RINGS + queue * RING) + i;
}

/* A message of len bytes at MESSAGE and room for an answer behind it, the
 * first in as many pieces as the input wants. */
static void send(unsigned queue, uint32_t len, uint32_t room)
{
    uint32_t cut = input_u8(&in) & 1 ? 1 + input_u8(&in) : len, done = 0;
    unsigned i = 0;

    for (; done < len && i < SIZE - 2; i++) {
        uint32_t n = len - done < cut || i == SIZE - 3 ? len - done : cut;

        *desc(queue, i) = (struct vring_desc){htole64(IOVA + MESSAGE + done), htole32(n),
                                              htole16(VRING_DESC_F_NEXT), htole16(i + 1)};
        done += n;
    }
    *desc(queue, i) = (struct vring_desc){htole64(IOVA + MESSAGE + len), htole32(room),
                                          htole16(VRING_DESC_F_WRITE), 0};
    publish(queue, 0);
}

/* Any descriptors. */
static void step_chain(void)
{
    unsigned queue = input_below(&in, QUEUES), n = 1 + input_below(&in, 6);

    for (unsigned i = 0; i < n; i++) {
        uint8_t how = input_u8(&in);
        struct vring_desc *d =
            how & 16 ? (struct vring_desc *)(void *)(arena + TABLE) + i : desc(queue, i);

        d->addr = htole64(how & 32 ? input_u32(&in) : IOVA + input_u16(&in));
        d->len = htole32(how & 64 ? input_u32(&in) : input_u8(&in));
        d->flags = htole16(how & 7);
        d->next = htole16(how & 8 ? input_u16(&in) : (uint16_t)(i + 1));
    }
    publish(queue, input_u8(&in) % 4 == 0 ? input_u16(&in) : 0);
}

static uint32_t put(uint32_t at, const void *bytes, size_t n)
{
    memcpy(arena + MESSAGE + at, bytes, n);
    return at + (uint32_t)n;
}

/* A key whose form is right. */
static uint32_t put_rsa_key(uint32_t at)
{
    const char *hex = keys_rsa();

    for (; hex[0] != '\0'; hex += 2) {
        char byte[3] = {hex[0], hex[1], 0};

        arena[MESSAGE + at++] = (uint8_t)strtoul(byte, NULL, 16);
    }
    return at;
}

static const uint32_t creations[] = {VIRTIO_CRYPTO_CIPHER_CREATE_SESSION,
                                     VIRTIO_CRYPTO_AEAD_CREATE_SESSION,
                                     VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION};

/* Six words of input make the fixed part of a session's creation. */
static void step_session(void)
{
    struct virtio_crypto_ctrl_header h = {.opcode = htole32(creations[input_below(&in, 3)])};
    uint8_t how = input_u8(&in);
    uint32_t flf[14] = {0}, at, key_len = input_u8(&in);

    for (unsigned i = 0; i < 6; i++)
        flf[i] = htole32(input_u8(&in));
    if (how & 1)
        flf[input_below(&in, 14)] = htole32(input_u32(&in));
    if (h.opcode == htole32(VIRTIO_CRYPTO_CIPHER_CREATE_SESSION))
        flf[12] = htole32(how & 2 ? input_u8(&in) : VIRTIO_CRYPTO_SYM_OP_CIPHER);
    at = put(0, &h, sizeof(h));
    if (h.opcode == htole32(VIRTIO_CRYPTO_AEAD_CREATE_SESSION) && (how & 4))
        at = put(at, flf, sizeof(struct virtio_crypto_aead_session_para));
    else
        at = put(at, flf, sizeof(flf));
    if (how & 8) {
        uint32_t before = at;

        at = put_rsa_key(at);
        flf[2] = htole32(at - before);
        memcpy(arena + MESSAGE + sizeof(h), flf, sizeof(flf));
    } else {
        input_bytes(&in, arena + MESSAGE + at, key_len);
        at += key_len;
    }
    send(QUEUES - 1, at, how & 16 ? input_u8(&in) : sizeof(struct virtio_crypto_session_input));
}

static void step_destroy(void)
{
    uint32_t opcode = htole32(creations[input_below(&in, 3)] + 1);
    struct virtio_crypto_ctrl_header h = {.opcode = opcode};
    uint64_t id = htole64(input_u8(&in));
    uint32_t at = put(0, &h, sizeof(h));

    at = put(at, &id, sizeof(id));
    memset(arena + MESSAGE + at, 0, 48);
    send(QUEUES - 1, input_u8(&in) & 1 ? at : at + 48, 1);
}

/* A data request whose lengths may contradict each other. */
static void step_data(void)
{
    struct virtio_crypto_op_header h = {
        .opcode = htole32(VIRTIO_CRYPTO_OPCODE(input_u8(&in) % 5, input_u8(&in) % 4)),
        .session_id = htole64(input_u8(&in)),
        .flag = htole32(1),
    };
    uint8_t how = input_u8(&in);
    uint32_t flf[12] = {0}, at = put(0, &h, sizeof(h)), payload, room;

    for (unsigned i = 0; i < 6; i++)
        flf[i] = htole32(how & 1 ? input_u16(&in) : input_u8(&in));
    flf[10] = htole32(how & 2 ? input_u8(&in) : VIRTIO_CRYPTO_SYM_OP_CIPHER);
    at = put(at, flf, how & 4 ? 24 : how & 8 ? 8 : sizeof(flf));
    /* What a well-formed request would have, or what the input says. */
    payload = le32toh(flf[0]) + le32toh(flf[1]);
    room = le32toh(flf[2]) + 1;
    if (how & 16)
        payload = input_u16(&in);
    if (how & 32)
        payload = 16 + le32toh(flf[1]) + le32toh(flf[2]);
    if (how & 64)
        room = input_u16(&in);
    if (how & 32)
        room = le32toh(flf[3]) + 1;
    if (payload > 0x4000)
        payload = 0x4000;
    send(0, at + payload, room);
}

static void step_poke(void)
{
    uint32_t at = input_u16(&in);
    uint8_t n = input_u8(&in) % 33;

    if (at + n <= ARENA)
        input_bytes(&in, arena + at, n);
}

static void step_register(void)
{
    uint8_t how = input_u8(&in);
    unsigned width = 1u << how % 4, bar = how & 4 ? DEVICE_BAR_MEM : input_u8(&in);
    uint64_t off = input_u16(&in);

    if (how & 8)
        off %= QUEUE_REGS;
    if (how & 16)
        emulator_bar_write(e, bar, off, width, input_u32(&in));
    else
        (void)emulator_bar_read(e, bar, off, width);
}

static void step_config(void)
{
    uint8_t how = input_u8(&in);
    unsigned width = 1u << how % 4, off = input_u8(&in) + (how & 32 ? 256u : 0);

    if (how & 16)
        emulator_config_write(e, off, width, input_u32(&in));
    else
        (void)emulator_config_read(e, off, width);
}

static void step_ring(void)
{
    ring(input_below(&in, QUEUES + 1));
}

/* Part of the memory goes, or comes back. */
static void step_map(void)
{
    reach = input_u8(&in) & 1 ? ARENA : input_u16(&in);
    emulator_invalidate(e);
}

static void (*const steps[])(void) = {
    step_start,   step_chain, step_session,  step_session, step_data, step_data, step_data,
    step_destroy, step_poke,  step_register, step_config,  step_ring, step_map,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct emulator_host host = {.dma = dma, .msi = msi};
    struct emulator_config cfg = {.data_queues = QUEUES - 1, .queue_max = 64};
    struct emulator_counts counts;
    struct hw_error err;

    /* Of its own each time, so that its ends are watched. */
    arena = calloc(1, ARENA);
    MUST(arena != NULL);
    reach = ARENA;
    in = (struct input){data, size};
    MUST(emulator_new(&cfg, &host, NULL, &e, &err) == 0);
    step_start();
    for (unsigned i = 0; i < STEPS && in.left != 0; i++)
        steps[input_below(&in, sizeof(steps) / sizeof(steps[0]))]();
    /* Whatever was done to it, a reset makes it whole. */
    reach = ARENA;
    step_start();
    MUST((emulator_bar_read(e, DEVICE_BAR_MEM, VIRTIO_PCI_COMMON_STATUS, 1) & 0xf) == 0xf);
    emulator_counts(e, &counts);
    MUST(counts.sessions == 0);
    emulator_free(e);
    free(arena);
    return 0;
}
