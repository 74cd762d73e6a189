/* The examples of FIPS 180-4 and of NIST's test vectors, whole and in pieces. */
#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void known(void **state)
{
    static const struct {
        const char *text, *hash;
    } row[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
         "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char text[SHA256_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct sha256 s;
        sha256_init(&s);
        sha256_add(&s, row[i].text, strlen(row[i].text));
        assert_string_equal(sha256_text(&s, text), row[i].hash);
    }
}

static void a_million(void **state)
{
    struct sha256 s;
    char piece[1000], text[SHA256_TEXT];
    (void)state;
    memset(piece, 'a', sizeof(piece));
    sha256_init(&s);
    for (int i = 0; i < 1000; i++)
        sha256_add(&s, piece, sizeof(piece));
    assert_string_equal(sha256_text(&s, text),
                        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Cut anywhere, and asked for on the way, it is the same. */
static void in_pieces(void **state)
{
    char data[200], whole[SHA256_TEXT], text[SHA256_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(7 * i + 1);
    for (size_t n = 0; n <= sizeof(data); n++) {
        struct sha256 s;
        sha256_init(&s);
        sha256_add(&s, data, n);
        sha256_text(&s, whole);
        for (size_t cut = 0; cut <= n; cut++) {
            sha256_init(&s);
            sha256_add(&s, data, cut);
            sha256_text(&s, text);
            sha256_add(&s, data + cut, n - cut);
            assert_string_equal(sha256_text(&s, text), whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known),
        cmocka_unit_test(a_million),
        cmocka_unit_test(in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
