/* SPDX-License-Identifier: Apache-2.0 */
/* Published vectors, all done by the device, outside a job and in one. */
#include <check.h>
#include <string.h>

#include "support.h"

#define PT                                                                                         \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"                             \
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"

static const struct vector {
    const char *cipher, *key, *iv, *plain, *crypted;
    const char *aad, *tag; /* AEAD only */
} vectors[] = {
    /* NIST SP 800-38A, appendix F */
    {"AES-128-ECB", "2b7e151628aed2a6abf7158809cf4f3c", "", PT,
     "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
     "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
     NULL, NULL},
    {"AES-128-CBC", "2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f", PT,
     "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
     "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
     NULL, NULL},
    {"AES-128-CTR", "2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", PT,
     "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
     "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
     NULL, NULL},
    {"AES-192-ECB", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "", PT,
     "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef"
     "ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
     NULL, NULL},
    {"AES-192-CBC", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
     "000102030405060708090a0b0c0d0e0f", PT,
     "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
     "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
     NULL, NULL},
    {"AES-192-CTR", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
     "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", PT,
     "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
     "1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
     NULL, NULL},
    {"AES-256-ECB", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "", PT,
     "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
     "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
     NULL, NULL},
    {"AES-256-CBC", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
     "000102030405060708090a0b0c0d0e0f", PT,
     "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
     "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
     NULL, NULL},
    {"AES-256-CTR", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
     "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", PT,
     "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
     "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
     NULL, NULL},
    /* IEEE Std 1619-2007, annex B: vectors 2, 15, 16, 10 */
    {"AES-128-XTS", "1111111111111111111111111111111122222222222222222222222222222222",
     "33333333330000000000000000000000",
     "4444444444444444444444444444444444444444444444444444444444444444",
     "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0", NULL, NULL},
    {"AES-128-XTS", "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0",
     "9a785634120000000000000000000000", "000102030405060708090a0b0c0d0e0f10",
     "6c1625db4671522d3d7599601de7ca09ed", NULL, NULL},
    {"AES-128-XTS", "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0",
     "9a785634120000000000000000000000", "000102030405060708090a0b0c0d0e0f1011",
     "d069444b7a7e0cab09e24447d24deb1fedbf", NULL, NULL},
    {"AES-256-XTS",
     "2718281828459045235360287471352662497757247093699959574966967627"
     "3141592653589793238462643383279502884197169399375105820974944592",
     "ff000000000000000000000000000000",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
     "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
     "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
     "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
     "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
     "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
     "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
     "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
     "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
     "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
     "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b"
     "5d31e276f8fe4a8d66b317f9ac683f44680a86ac35adfc3345befecb4bb188fd"
     "5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0"
     "c5cd4d5fff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca"
     "2a3e7a7d7df7b10355165c8b9a6d0a7de8b062c4500dc4cd120c0f7418dae3d0"
     "b5781c34803fa75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f"
     "93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec"
     "583e9645e07b8d9670655ba5bbcfecc6dc3966380ad8fecb17b6ba02469a020a"
     "84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a02b140f1"
     "505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae"
     "9be69a2ffeceb1bec9de244fbe15992b11b77c040f12bd8f6a975a44a0f90c29"
     "a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac"
     "6e333b93eb4aff0479da9a410e4450e0dd7ae4c6e2910900575da401fc07059f"
     "645e8b7e9bfdef33943054ff84011493c27b3429eaedb4ed5376441a77ed4385"
     "1ad77f16f541dfd269d50d6a5f14fb0aab1cbb4c1550be97f7ab4066193c4caa"
     "773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151",
     NULL, NULL},
    /* McGrew and Viega, The Galois/Counter Mode of Operation: cases 1, 2, 4, 10, 14, 16 */
    {"AES-128-GCM", "00000000000000000000000000000000", "000000000000000000000000", "", "", "",
     "58e2fccefa7e3061367f1d57a4e7455a"},
    {"AES-128-GCM", "00000000000000000000000000000000", "000000000000000000000000",
     "00000000000000000000000000000000", "0388dace60b6a392f328c2b971b2fe78", "",
     "ab6e47d42cec13bdf53a67b21257bddf"},
    {"AES-128-GCM", "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2", "5bc94fbc3221a5db94fae95ae7121a47"},
    {"AES-192-GCM", "feffe9928665731c6d6a8f9467308308feffe9928665731c", "cafebabefacedbaddecaf888",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c"
     "7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2", "2519498e80f1478f37ba55bd6d27618c"},
    {"AES-256-GCM", "0000000000000000000000000000000000000000000000000000000000000000",
     "000000000000000000000000", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "", "d0d1c8a799996bf0265b98b5d48ab919"},
    {"AES-256-GCM", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2", "76fc6ece0f4e1768cddf8853bb2d551b"},
};

#define ROOM 1024

/* One direction of a vector, which a job may run. */
struct run {
    const struct vector *v;
    EVP_CIPHER *cipher;
    bool encrypt;
    size_t len;
    uint8_t out[ROOM], tag[16];
};

static int run(void *arg)
{
    struct run *r = arg;
    uint8_t key[64], iv[16], in[ROOM], aad[64];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0, end = 0;

    support_hex(r->v->key, key, sizeof(key));
    support_hex(r->v->iv, iv, sizeof(iv));
    r->len = support_hex(r->encrypt ? r->v->plain : r->v->crypted, in, sizeof(in));
    ck_assert_int_eq(EVP_CipherInit_ex(ctx, r->cipher, NULL, key, iv, r->encrypt), 1);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    if (r->v->aad != NULL) {
        int n = (int)support_hex(r->v->aad, aad, sizeof(aad));

        ck_assert_int_eq(EVP_CipherUpdate(ctx, NULL, &len, aad, n), 1);
        if (!r->encrypt) {
            support_hex(r->v->tag, r->tag, sizeof(r->tag));
            ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, r->tag), 1);
        }
        len = 0;
    }
    ck_assert_int_eq(EVP_CipherUpdate(ctx, r->out, &len, in, (int)r->len), 1);
    ck_assert_int_eq(EVP_CipherFinal_ex(ctx, r->out + len, &end), 1);
    ck_assert_int_eq(len + end, (int)r->len);
    if (r->v->aad != NULL && r->encrypt)
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, r->tag), 1);
    EVP_CIPHER_CTX_free(ctx);
    return 1;
}

/* Both directions, each of them one request. */
static void check_vector(const struct support *s, const struct vector *v, bool in_job)
{
    struct run r = {.v = v, .cipher = support_cipher(s, v->cipher)};
    uint8_t want[ROOM], tag[16];

    for (int encrypt = 0; encrypt <= 1; encrypt++) {
        uint64_t before = support_stat(s, "vcrypto-requests");
        unsigned pauses = 0;

        r.encrypt = encrypt != 0;
        support_hex(r.encrypt ? v->crypted : v->plain, want, sizeof(want));
        memset(r.out, 0, sizeof(r.out));
        ck_assert_int_eq(in_job ? support_in_job(run, &r, &pauses) : run(&r), 1);
        ck_assert_msg(memcmp(r.out, want, r.len) == 0, "%s", v->cipher);
        if (v->tag != NULL) {
            support_hex(v->tag, tag, sizeof(tag));
            ck_assert_msg(memcmp(r.tag, tag, sizeof(tag)) == 0, "%s: tag", v->cipher);
        }
        ck_assert_uint_eq(support_stat(s, "vcrypto-requests") - before, 1);
        ck_assert_uint_eq(support_stat(s, "vcrypto-completions"),
                          support_stat(s, "vcrypto-requests"));
        ck_assert(!in_job || pauses > 0);
    }
    EVP_CIPHER_free(r.cipher);
}

START_TEST(test_outside_a_job)
{
    struct support s;

    support_load(&s, SUPPORT_ALL_OFFLOAD);
    check_vector(&s, &vectors[_i], false);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total"), 0);
    support_unload(&s);
}
END_TEST

/* With latency, so that the job has to pause. */
START_TEST(test_in_a_job)
{
    struct support s;

    support_load(&s, "min_bytes = 0\nfallback = no\nemulator_latency_us = 10000\n");
    check_vector(&s, &vectors[_i], true);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total"), 0);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vectors");
    TCase *tc = tcase_create("vectors");
    int count = (int)(sizeof(vectors) / sizeof(vectors[0]));

    tcase_add_loop_test(tc, test_outside_a_job, 0, count);
    tcase_add_loop_test(tc, test_in_a_job, 0, count);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
