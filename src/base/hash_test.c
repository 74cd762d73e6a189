#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* RFC 3720, B.4, and the check value of the catalogue of parametrised CRCs. */
static void crc_known_answers(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], up[32];
    memset(ones, 0xff, sizeof(ones));
    for (int i = 0; i < 32; i++)
        up[i] = (uint8_t)i;
    uint32_t (*const crc[])(uint32_t, const void *, size_t) = {crc32c, crc32c_plain};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(crc[i](0, "123456789", 9), 0xE3069283);
        assert_int_equal(crc[i](0, zeros, 32), 0x8A9136AA);
        assert_int_equal(crc[i](0, ones, 32), 0x62A8AB43);
        assert_int_equal(crc[i](0, up, 32), 0x46DD794E);
        assert_int_equal(crc[i](0, "", 0), 0);
        assert_int_equal(crc[i](crc[i](0, "1234", 4), "56789", 5), 0xE3069283);
    }
}

/* From zlib's crc32(). */
static void zip_known_answers(void **state)
{
    (void)state;
    uint8_t up[256];
    for (int i = 0; i < 256; i++)
        up[i] = (uint8_t)i;
    uint32_t (*const crc[])(uint32_t, const void *, size_t) = {crc32_zip, crc32_zip_plain};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(crc[i](0, "123456789", 9), 0xCBF43926);
        assert_int_equal(crc[i](0, up, 256), 0x29058C73);
        assert_int_equal(crc[i](crc[i](0, up, 100), up + 100, 156), 0x29058C73);
    }
}

static void crc_agrees_with_plain(void **state)
{
    (void)state;
    uint8_t byte[300];
    for (int i = 0; i < 300; i++)
        byte[i] = (uint8_t)(i * 37 + 11);
    for (size_t from = 0; from < 9; from++)
        for (size_t n = 0; from + n <= 300; n++) {
            assert_int_equal(crc32c(7, byte + from, n), crc32c_plain(7, byte + from, n));
            assert_int_equal(crc32_zip(7, byte + from, n), crc32_zip_plain(7, byte + from, n));
        }
}

/* From the reference implementation (python-xxhash 3, xxh64_intdigest). */
static void hash_known_answers(void **state)
{
    (void)state;
    assert_true(hash64("", 0, 0) == 0xEF46DB3751D8E999u);
    assert_true(hash64("a", 1, 0) == 0xD24EC4F1A98C6E5Bu);
    assert_true(hash64("abc", 3, 0) == 0x44BC2CF5AD770999u);
    const char *text = "Nobody inspects the spammish repetition";
    assert_true(hash64(text, strlen(text), 0) == 0xFBCEA83C8A378BF1u);
    assert_true(hash64("xxhash", 6, 20141025) == 0xB559B98D844E0635u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_known_answers),
        cmocka_unit_test(zip_known_answers),
        cmocka_unit_test(crc_agrees_with_plain),
        cmocka_unit_test(hash_known_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
