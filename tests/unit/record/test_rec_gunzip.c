/* gzip files in memory, whole, in pieces, of several members, damaged. */
#include "tests/support/unit.h"

#include "core/base/prng.h"
#include "core/record/rec_codec.h"

#define PLAIN_BYTES 100000
#define FILE_BYTES  (4 * (size_t)PLAIN_BYTES)

static uint8_t plain[PLAIN_BYTES], file[FILE_BYTES], out[2 * PLAIN_BYTES];

/* `count` members of the same text, one after the other. */
static size_t make_file(size_t count)
{
    struct arena arena;
    size_t       len = 0;

    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (uint8_t)("spinning wheels "[i % 16] + (int)(i / 1000 % 7));
    }
    arena_init(&arena, MEM_TEST, 64 * KIB, 64 * MIB);
    for (size_t i = 0; i < count; i++) {
        struct span member;

        assert_int_equal(rec__deflate(REC_GZIP, 0, view_of(plain, sizeof(plain)), 0, &arena, &member), ERR_OK);
        assert_true(len + member.len <= sizeof(file));
        memcpy(file + len, member.base, member.len);
        len += member.len;
    }
    arena_deinit(&arena);
    return len;
}

/* Everything of the file, `piece` bytes at a time; the last result. */
static int pull_all(size_t file_len, size_t piece, size_t *out_len)
{
    struct rec_gunzip *gunzip = rec_gunzip_create(view_of(file, file_len));
    int                rc = ERR_OK;
    size_t             got = 1;

    *out_len = 0;
    assert_non_null(gunzip);
    while (rc == ERR_OK && got > 0) {
        rc = rec_gunzip_pull(gunzip, span_of(out + *out_len, MIN(piece, sizeof(out) - *out_len)), &got);
        *out_len += got;
    }
    if (rc == ERR_OK) {
        assert_int_equal(rec_gunzip_left(gunzip), 0);
    }
    rec_gunzip_destroy(gunzip);
    return rc;
}

static void test_members_follow_one_another(void **state)
{
    static const size_t pieces[] = {1, 7, 4096, 99999, 100000, 100001, sizeof(out)};

    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        size_t file_len = make_file(count);

        for (size_t i = 0; i < COUNT_OF(pieces); i++) {
            size_t len = 0;

            assert_int_equal(pull_all(file_len, pieces[i], &len), ERR_OK);
            assert_int_equal(len, count * sizeof(plain));
            assert_memory_equal(out, plain, sizeof(plain));
            assert_memory_equal(out + len - sizeof(plain), plain, sizeof(plain));
        }
    }
}

static void test_a_file_that_is_cut_is_damaged(void **state)
{
    size_t file_len = make_file(1), len = 0;

    (void)state;
    for (size_t cut = 1; cut < file_len; cut += file_len / 50 + 1) {
        assert_int_equal(pull_all(file_len - cut, 4096, &len), ERR_CORRUPT);
        assert_true(len <= sizeof(plain));
    }
}

static void test_changed_bytes_never_pass_for_the_text(void **state)
{
    size_t      file_len = make_file(1);
    struct prng prng;

    (void)state;
    prng_init(&prng, 20);
    for (int i = 0; i < 300; i++) {
        size_t  at = 10 + (size_t)prng_below(&prng, file_len - 10), len = 0;
        uint8_t old = file[at];

        file[at] ^= (uint8_t)(1 << prng_below(&prng, 8));
        if (pull_all(file_len, 4096, &len) == ERR_OK) {
            assert_int_equal(len, sizeof(plain));
            assert_memory_equal(out, plain, sizeof(plain));
        }
        file[at] = old;
    }
}

static void test_what_follows_must_be_a_member(void **state)
{
    size_t file_len = make_file(1), len = 0;

    (void)state;
    memcpy(file + file_len, "garbage behind the end", 22);
    assert_int_equal(pull_all(file_len + 22, 4096, &len), ERR_CORRUPT);
    assert_int_equal(len, sizeof(plain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_follow_one_another),
        cmocka_unit_test(test_a_file_that_is_cut_is_damaged),
        cmocka_unit_test(test_changed_bytes_never_pass_for_the_text),
        cmocka_unit_test(test_what_follows_must_be_a_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
