/* SPDX-License-Identifier: Apache-2.0 */
#include "answers.h"

/* The last row of CTR ends within a block, as the second one of XTS. */
const struct answer known_answers[] = {
    {
        .source = "SP 800-38A, F.1",
        .alg = HW_AES_ECB,
        .key = "2b7e151628aed2a6abf7158809cf4f3c",
        .plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                 "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        .cipher = "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
                  "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    },
    {
        .source = "SP 800-38A, F.1",
        .alg = HW_AES_ECB,
        .key = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        .plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                 "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        .cipher = "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef"
                  "ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
    },
    {
        .source = "SP 800-38A, F.1",
        .alg = HW_AES_ECB,
        .key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        .plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                 "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        .cipher = "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
                  "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
    },
    {
        .source = "SP 800-38A, F.2",
        .alg = HW_AES_CBC,
        .key = "2b7e151628aed2a6abf7158809cf4f3c",
        .iv = "000102030405060708090a0b0c0d0e0f",
        .plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                 "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        .cipher = "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
                  "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    },
    {
        .source = "SP 800-38A, F.2",
        .alg = HW_AES_CBC,
        .key = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        .iv = "000102030405060708090a0b0c0d0e0f",
        .plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                 "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        .cipher = "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
                  "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    },
    {
        .source = "SP 800-38A, F.2",
        .alg = HW_AES_CBC,
        .key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        .iv = "000102030405060708090a0b0c0d0e0f",
        .plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                 "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        .cipher = "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
                  "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    },
    {
        .source = "SP 800-38A, F.5",
        .alg = HW_AES_CTR,
        .key = "2b7e151628aed2a6abf7158809cf4f3c",
        .iv = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        .plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                 "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        .cipher = "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
                  "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    },
    {
        .source = "SP 800-38A, F.5",
        .alg = HW_AES_CTR,
        .key = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        .iv = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        .plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                 "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        .cipher = "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
                  "1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
    },
    {
        .source = "SP 800-38A, F.5",
        .alg = HW_AES_CTR,
        .key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        .iv = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        .plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                 "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        .cipher = "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
                  "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
    },
    {
        .source = "RFC 3686, vector 3",
        .alg = HW_AES_CTR,
        .key = "7691be035e5020a8ac6e618529f9a0dc",
        .iv = "00e0017b27777f3f4a1786f000000001",
        .plain = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                 "20212223",
        .cipher = "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef31053"
                  "25b2072f",
    },
    {
        .source = "IEEE 1619, vector 2",
        .alg = HW_AES_XTS,
        .key = "1111111111111111111111111111111122222222222222222222222222222222",
        .iv = "33333333330000000000000000000000",
        .plain = "4444444444444444444444444444444444444444444444444444444444444444",
        .cipher = "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
    },
    {
        .source = "IEEE 1619, vector 15",
        .alg = HW_AES_XTS,
        .key = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0",
        .iv = "9a785634120000000000000000000000",
        .plain = "000102030405060708090a0b0c0d0e0f10",
        .cipher = "6c1625db4671522d3d7599601de7ca09ed",
    },
    {
        .source = "IEEE 1619, vector 10",
        .alg = HW_AES_XTS,
        .key = "2718281828459045235360287471352662497757247093699959574966967627"
               "3141592653589793238462643383279502884197169399375105820974944592",
        .iv = "ff000000000000000000000000000000",
        .plain = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
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
        .cipher = "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b"
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
    },
    {
        .source = "GCM, test case 4",
        .alg = HW_AES_GCM,
        .key = "feffe9928665731c6d6a8f9467308308",
        .iv = "cafebabefacedbaddecaf888",
        .aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        .plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        .cipher = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
                  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        .tag = "5bc94fbc3221a5db94fae95ae7121a47",
    },
    {
        .source = "GCM, test case 10",
        .alg = HW_AES_GCM,
        .key = "feffe9928665731c6d6a8f9467308308feffe9928665731c",
        .iv = "cafebabefacedbaddecaf888",
        .aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        .plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        .cipher = "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c"
                  "7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
        .tag = "2519498e80f1478f37ba55bd6d27618c",
    },
    {
        .source = "GCM, test case 16",
        .alg = HW_AES_GCM,
        .key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        .iv = "cafebabefacedbaddecaf888",
        .aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        .plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        .cipher = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        .tag = "76fc6ece0f4e1768cddf8853bb2d551b",
    },
    {
        .source = "GCM, test case 1",
        .alg = HW_AES_GCM,
        .key = "00000000000000000000000000000000",
        .iv = "000000000000000000000000",
        .tag = "58e2fccefa7e3061367f1d57a4e7455a",
    },
    {
        .source = "CAVS, CCM-VADT",
        .alg = HW_AES_CCM,
        .key = "f9fdca4ac64fe7f014de0f43039c7571",
        .iv = "5a8aa485c316e9",
        .aad = "3796cf51b8726652a4204733b8fbb047cf00fb91a9837e22ec22b1a268f88e2c",
        .plain = "a265480ca88d5f536db0dc6abc40faf0d05be7a966977768",
        .cipher = "6be31860ca271ef448de8f8d8b39346daf4b81d7e92d65b3",
        .tag = "38f125fa",
    },
    {
        .source = "CAVS, CCM-VADT",
        .alg = HW_AES_CCM,
        .key = "f9fdca4ac64fe7f014de0f43039c757194d544ce5d15eed4",
        .iv = "5a8aa485c316e9",
        .aad = "3796cf51b8726652a4204733b8fbb047cf00fb91a9837e22ec22b1a268f88e2c",
        .plain = "a265480ca88d5f536db0dc6abc40faf0d05be7a966977768",
        .cipher = "9f6ca4af9b159148c889a6584d1183ea26e2614874b05045",
        .tag = "75dea8d1",
    },
    {
        .source = "CAVS, CCM-VADT",
        .alg = HW_AES_CCM,
        .key = "8c5cf3457ff22228c39c051c4e05ed4093657eb303f859a9d4b0f8be0127d88a",
        .iv = "a544218dadd3c1",
        .aad = "d3d5424e20fbec43ae495353ed830271515ab104f8860c988d15b6d36c038eab",
        .plain = "78c46e3249ca28e1ef0531d80fd37c124d9aecb7be6668e3",
        .cipher = "c2fe12658139f5d0dd22cadf2e901695b579302a72fc5608",
        .tag = "3ebc7720",
    },
    {
        .source = "RFC 8439, 2.8.2",
        .alg = HW_CHACHA20_POLY1305,
        .key = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        .iv = "070000004041424344454647",
        .aad = "50515253c0c1c2c3c4c5c6c7",
        .plain = "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
                 "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
                 "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
                 "637265656e20776f756c642062652069742e",
        .cipher = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
                  "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
                  "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
                  "3ff4def08e4b7a9de576d26586cec64b6116",
        .tag = "1ae10b594f09e26a7e902ecbd0600691",
    },
};

const unsigned known_answers_count = sizeof(known_answers) / sizeof(known_answers[0]);
