/* SPDX-License-Identifier: Apache-2.0 */
/* SRP is deprecated, but its suites carry records like all others. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <check.h>
#include <openssl/bn.h>
#include <openssl/srp.h>
#include <string.h>

#include "link.h"

/* ---- PSK ---- */

static const uint8_t psk[32] = "a key that both sides know";

static unsigned psk_client(SSL *ssl, const char *hint, char *identity, unsigned max_identity,
                           unsigned char *key, unsigned max_key)
{
    (void)ssl;
    (void)hint;
    if (max_identity < 5 || max_key < sizeof(psk)) {
        return 0;
    }
    memcpy(identity, "peer", 5);
    memcpy(key, psk, sizeof(psk));
    return sizeof(psk);
}

static unsigned psk_server(SSL *ssl, const char *identity, unsigned char *key, unsigned max_key)
{
    (void)ssl;
    if (strcmp(identity, "peer") != 0 || max_key < sizeof(psk)) {
        return 0;
    }
    memcpy(key, psk, sizeof(psk));
    return sizeof(psk);
}

/* ---- SRP ---- */

static char srp_user[] = "user", srp_password[] = "password";

static char *srp_client_password(SSL *ssl, void *arg)
{
    (void)ssl;
    (void)arg;
    return OPENSSL_strdup(srp_password);
}

static int srp_server_user(SSL *ssl, int *alert, void *arg)
{
    SRP_gN *group = SRP_get_default_gN("1024");
    BIGNUM *salt = NULL, *verifier = NULL;
    int ok;

    (void)arg;
    ok = SRP_create_verifier_BN(srp_user, srp_password, &salt, &verifier, group->N, group->g) &&
         SSL_set_srp_server_param(ssl, group->N, group->g, salt, verifier, NULL) == 1;
    BN_free(salt);
    BN_clear_free(verifier);
    *alert = SSL_AD_INTERNAL_ERROR;
    return ok ? SSL_ERROR_NONE : SSL3_AL_FATAL;
}

static void use_srp(SSL_CTX *ctx, enum role role)
{
    if (role == SERVER) {
        ck_assert_int_eq(SSL_CTX_set_srp_username_callback(ctx, srp_server_user), 1);
    } else {
        ck_assert_int_eq(SSL_CTX_set_srp_username(ctx, srp_user), 1);
        ck_assert_int_eq(SSL_CTX_set_srp_client_pwd_callback(ctx, srp_client_password), 1);
        ck_assert_int_eq(SSL_CTX_set_srp_strength(ctx, 1024), 1);
    }
}

/* ---- */

static void use_suite(SSL_CTX *ctx, int version, const char *suite)
{
    if (version == TLS1_3_VERSION) {
        ck_assert_int_eq(SSL_CTX_set_ciphersuites(ctx, suite), 1);
    } else {
        ck_assert_int_eq(SSL_CTX_set_cipher_list(ctx, suite), 1);
    }
}

SSL_CTX *context_new(const struct setup *s)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(s->world->libctx, NULL,
                                  s->role == SERVER ? TLS_server_method() : TLS_client_method());

    ck_assert_ptr_nonnull(ctx);
    /* TLS 1.0 and 1.1 sign with SHA-1, and anonymous suites count as broken. */
    SSL_CTX_set_security_level(ctx, 0);
    ck_assert_int_eq(SSL_CTX_set_min_proto_version(ctx, s->version), 1);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(ctx, s->version), 1);
    ck_assert_int_eq(SSL_CTX_set_dh_auto(ctx, 1), 1);
    if (s->suite != NULL) {
        use_suite(ctx, s->version, s->suite);
    }
    if (s->no_etm) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_ENCRYPT_THEN_MAC);
    }
    if (s->no_tickets) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
    }
    for (int i = 0; i < CRED_COUNT; i++) {
        if ((s->creds & 1u << i) != 0) {
            cred_use(ctx, s->world->libctx, (enum cred)i);
        }
    }
    if (s->verify) {
        creds_trust(ctx, s->world->libctx);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (s->psk) {
        SSL_CTX_set_psk_client_callback(ctx, s->role == CLIENT ? psk_client : NULL);
        SSL_CTX_set_psk_server_callback(ctx, s->role == SERVER ? psk_server : NULL);
    }
    if (s->srp) {
        use_srp(ctx, s->role);
    }
    return ctx;
}
