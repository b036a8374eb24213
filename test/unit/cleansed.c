/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the emulated function that end in memory which the host refuses:
 * what had been copied of them by then is secret all the same, and is gone when
 * they have failed.
 */
#include <check.h>
#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_crypto.h>

#include "emulator/akcipher.h"
#include "emulator/crypto.h"
#include "emulator/device.h"
#include "support.h"

#define HALF 16u

static const uint8_t secret[HALF] = "half of a secret";

/* A request whose content is half there. */
static struct request {
    uint8_t head[72], tail[64];
    struct chain_seg seg[5];
    struct chain chain;
} req;

static void add(unsigned *n, uint8_t *ptr, size_t len)
{
    if (len != 0)
        req.seg[(*n)++] = (struct chain_seg){ptr, (uint32_t)len};
}

/* iv bytes of it come before the content, room bytes can be written. */
static void half_there(const void *head, size_t len, size_t iv, size_t room)
{
    unsigned n = 0;

    memcpy(req.head, head, len);
    add(&n, req.head, sizeof(req.head));
    add(&n, req.tail, iv);
    add(&n, (uint8_t *)(uintptr_t)secret, HALF);
    add(&n, NULL, HALF);
    req.chain = (struct chain){.seg = req.seg, .nin = n, .out_len = room};
    for (unsigned i = 0; i < n; i++)
        req.chain.in_len += req.seg[i].len;
    add(&n, req.tail, room);
    req.chain.nout = n - req.chain.nin;
}

static bool holds(const void *mem, size_t len)
{
    return memmem(mem, len, secret, HALF) != NULL;
}

/* The digest is what is missing, or the second half of the signature. */
START_TEST(asymmetric)
{
    static struct emulator e = {.threads = 1};
    struct worker w = {.e = &e};
    struct unit u = {.src_len = _i ? 2 * HALF : HALF, .aad_len = _i ? 0 : HALF};

    u.header.opcode = htole32(VIRTIO_CRYPTO_AKCIPHER_VERIFY);
    half_there(&u.header, sizeof(u.header), 0, 1);
    u.chain = req.chain;
    ck_assert(!akcipher_place(&w, &u, NULL));
    ck_assert_ptr_nonnull(w.ak);
    ck_assert(!holds(w.ak, sizeof(*w.ak)));
    worker_fini(&w);
}
END_TEST

START_TEST(symmetric)
{
    static struct emulator e = {.threads = 1};
    struct virtio_crypto_op_data_req head;
    struct virtio_crypto_cipher_para *para = &head.u.sym_req.u.cipher.para;
    struct session *s = calloc(1, sizeof(*s) + sizeof(s->states[0]));
    struct worker w = {.e = &e};
    struct unit u = {.strike.status = -1};

    ck_assert_ptr_nonnull(s);
    memset(&head, 0, sizeof(head));
    head.header.opcode = htole32(VIRTIO_CRYPTO_CIPHER_ENCRYPT);
    para->iv_len = htole32(16);
    para->src_data_len = para->dst_data_len = htole32(2 * HALF);
    head.u.sym_req.op_type = htole32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    half_there(&head, sizeof(head), 16, 2 * HALF + 1);
    u.chain = req.chain;
    crypto_read(&w, &u);
    ck_assert_int_eq(u.status, VIRTIO_CRYPTO_OK);
    s->key.alg = alg_find(VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_CIPHER_AES_CBC);
    s->key.encrypt = true;
    u.session = s;
    crypto_begin(&w, &u);
    ck_assert_int_eq(u.status, VIRTIO_CRYPTO_ERR);
    ck_assert_uint_ge(w.scratch_len, 2 * HALF);
    ck_assert(!holds(w.scratch, w.scratch_len));
    worker_fini(&w);
    free(s);
}
END_TEST

#define STACK (1u << 20)

static int control_status;

static void *control(void *arg)
{
    struct virtio_crypto_session_input *made = (void *)req.tail;
    uint32_t len;

    control_status = control_request(arg, &req.chain, 1, &len);
    if (control_status == 0)
        control_status = (int)le32toh(made->status);
    return NULL;
}

/* A session's key, on the stack of who serves the request. */
START_TEST(key)
{
    static struct emulator e = {.threads = 1};
    struct worker w = {.e = &e};
    struct virtio_crypto_op_ctrl_req head;
    struct virtio_crypto_cipher_session_para *para = &head.u.sym_create_session.u.cipher.para;
    pthread_attr_t attr;
    pthread_t thread;
    uint8_t *stack;

    memset(&head, 0, sizeof(head));
    head.header.opcode = htole32(VIRTIO_CRYPTO_CIPHER_CREATE_SESSION);
    head.u.sym_create_session.op_type = htole32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    para->algo = htole32(VIRTIO_CRYPTO_CIPHER_AES_CBC);
    para->keylen = htole32(2 * HALF);
    para->op = htole32(VIRTIO_CRYPTO_OP_ENCRYPT);
    half_there(&head, sizeof(head), 0, sizeof(struct virtio_crypto_session_input));
    stack = aligned_alloc(4096, STACK);
    ck_assert_ptr_nonnull(stack);
    memset(stack, 0, STACK);
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstack(&attr, stack, STACK), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, control, &w), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    ck_assert_int_eq(control_status, VIRTIO_CRYPTO_ERR);
    ck_assert(!holds(stack, STACK));
    free(stack);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cleansed");
    TCase *tc = tcase_create("half there");

    tcase_add_loop_test(tc, asymmetric, 0, 2);
    tcase_add_test(tc, symmetric);
    tcase_add_test(tc, key);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
