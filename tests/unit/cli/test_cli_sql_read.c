/* Files and pipes as runs of records. */
#include "tests/support/unit.h"

#include "core/base/mem.h"
#include "tools/cli/cli_sql_read.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORDS_MAX 64

static const struct sql_framing lines = {.end = '\n'};
static const struct sql_framing csv = {.end = '\n', .is_csv = true, .delimiter = ',', .quote = '"', .escape = '\\'};

static char path[] = "/tmp/millrace-read-XXXXXX";

static void write_file(const void *bytes, size_t len)
{
    FILE *to = fopen(path, "we");

    assert_non_null(to);
    assert_int_equal(fwrite(bytes, 1, len, to), len);
    assert_int_equal(fclose(to), 0);
}

static struct sql_reader *open_file(struct sql_framing framing)
{
    char               message[SQL_READ_MESSAGE] = "";
    bool               missing = false;
    struct sql_reader *reader = sql_reader_open(path, framing, message, &missing);

    assert_string_equal(message, "");
    assert_non_null(reader);
    return reader;
}

/* Reads all, `max` at a time, and checks the records against the wanted ones. */
static void check_records(const char *text, struct sql_framing framing, size_t max, const char *const *wanted,
                          size_t count)
{
    struct view        records[RECORDS_MAX];
    char               message[SQL_READ_MESSAGE] = "";
    struct sql_reader *reader;
    size_t             got = 1, at = 0;

    write_file(text, strlen(text));
    reader = open_file(framing);
    while (!sql_reader_ended(reader)) {
        assert_true(sql_reader_next(reader, records, max, &got, message));
        assert_true(got <= max);
        assert_true(at + got <= count);
        assert_int_equal(sql_reader_offset(reader), at);
        for (size_t i = 0; i < got; i++) {
            assert_true(view_equal(records[i], view_text(wanted[at + i])));
        }
        at += got;
    }
    assert_int_equal(at, count);
    assert_true(sql_reader_next(reader, records, max, &got, message));
    assert_int_equal(got, 0);
    assert_int_equal(sql_reader_size(reader), strlen(text));
    assert_int_equal(sql_reader_bytes(reader), strlen(text));
    sql_reader_close(reader);
}

static void test_lines_lose_their_ends_and_nothing_else(void **state)
{
    const char *const wanted[] = {"one", "", "  two", "three\r", "four"};

    (void)state;
    for (size_t max = 1; max <= 6; max++) {
        check_records("one\n\n  two\r\nthree\r\r\nfour", lines, max, wanted, COUNT_OF(wanted));
        check_records("one\n\n  two\r\nthree\r\r\nfour\n", lines, max, wanted, COUNT_OF(wanted));
        check_records("", lines, max, wanted, 0);
    }
}

static void test_nul_may_end_records(void **state)
{
    static const struct sql_framing nul = {.end = '\0', .is_csv = true, .delimiter = ',', .quote = '"'};
    static const char               bytes[] = "one\r\n\0\"two\0\nthree\r";
    struct view                     records[RECORDS_MAX];
    char                            message[SQL_READ_MESSAGE];
    size_t                          got = 0;
    struct sql_reader              *reader;

    (void)state;
    write_file(bytes, sizeof(bytes) - 1);
    reader = open_file(nul);
    assert_true(sql_reader_next(reader, records, RECORDS_MAX, &got, message));
    assert_int_equal(got, 3);
    assert_true(view_equal(records[0], view_text("one\r\n")));
    assert_true(view_equal(records[1], view_text("\"two")));
    assert_true(view_equal(records[2], view_text("\nthree\r")));
    sql_reader_close(reader);
}

static void test_csv_fields_in_quotes_hold_line_ends(void **state)
{
    const char *const wanted[] = {"a,\"x\ny\",b", "c,d\"e", "\"f\"\"\n\",\\\"g", "\"\",h", " \"i\nj\"", "k"};

    (void)state;
    for (size_t max = 1; max <= 7; max++) {
        check_records("a,\"x\ny\",b\r\nc,d\"e\n\"f\"\"\n\",\\\"g\n\"\",h\n \"i\nj\"\nk", csv, max, wanted,
                      COUNT_OF(wanted));
    }
}

static void test_a_quote_that_stays_open_takes_the_rest(void **state)
{
    const char *const wanted[] = {"a", "\"b\nc\n"};

    (void)state;
    check_records("a\n\"b\nc\n", csv, 8, wanted, COUNT_OF(wanted));
}

static void test_places_are_lines_of_the_file(void **state)
{
    struct view        records[RECORDS_MAX];
    char               message[SQL_READ_MESSAGE];
    size_t             got = 0;
    const char        *text = "a\n\"b\nc\"\nd\n\"e\n\n\"\nf\n";
    struct sql_reader *reader;

    (void)state;
    write_file(text, strlen(text));
    reader = open_file(csv);
    assert_true(sql_reader_next(reader, records, 3, &got, message));
    assert_int_equal(got, 3);
    assert_int_equal(sql_reader_line(reader, 0), 1);
    assert_int_equal(sql_reader_line(reader, 1), 2);
    assert_int_equal(sql_reader_line(reader, 2), 4);
    assert_true(sql_reader_next(reader, records, 3, &got, message));
    assert_int_equal(got, 2);
    assert_int_equal(sql_reader_offset(reader), 3);
    assert_int_equal(sql_reader_line(reader, 0), 5);
    assert_int_equal(sql_reader_line(reader, 1), 8);
    sql_reader_close(reader);
}

/* Records of every length around the size of the buffers, and one of a MiB. */
static void test_records_stay_whole_over_the_ends_of_buffers(void **state)
{
    struct view        records[RECORDS_MAX];
    char               message[SQL_READ_MESSAGE];
    size_t             lengths[40], count = 0, total = 0, at = 0, got = 0;
    uint8_t           *bytes;
    struct sql_reader *reader;

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        lengths[count++] = SQL_READ_BUFFER_BYTES / 4 - 10 + i;
    }
    lengths[count++] = SQL_READ_BUFFER_BYTES - 1;
    lengths[count++] = SQL_READ_BUFFER_BYTES;
    lengths[count++] = 0;
    lengths[count++] = MIB;
    lengths[count++] = 3;
    lengths[count++] = MIB + 1;
    for (size_t i = 0; i < count; i++) {
        total += lengths[i] + 1;
    }
    bytes = mem_alloc(MEM_TEST, total);
    for (size_t i = 0, to = 0; i < count; to += lengths[i] + 1, i++) {
        memset(bytes + to, 'a' + (int)(i % 26), lengths[i]);
        bytes[to + lengths[i]] = '\n';
    }
    write_file(bytes, total);
    reader = open_file(lines);
    while (!sql_reader_ended(reader)) {
        assert_true(sql_reader_next(reader, records, 7, &got, message));
        for (size_t i = 0; i < got; i++, at++) {
            assert_int_equal(records[i].len, lengths[at]);
            for (size_t k = 0; k < records[i].len; k++) {
                assert_int_equal(records[i].base[k], 'a' + (int)(at % 26));
            }
        }
    }
    assert_int_equal(at, count);
    sql_reader_close(reader);
    mem_free(MEM_TEST, bytes);
}

static void test_a_pipe_gives_what_is_there(void **state)
{
    struct view        records[RECORDS_MAX];
    char               message[SQL_READ_MESSAGE], name[64];
    size_t             got = 0;
    bool               missing;
    int                ends[2];
    struct sql_reader *reader;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[0]);
    reader = sql_reader_open(name, lines, message, &missing);
    assert_non_null(reader);
    assert_true(sql_reader_next(reader, records, 8, &got, message));
    assert_int_equal(got, 0);
    assert_false(sql_reader_ended(reader));
    assert_int_equal(write(ends[1], "one\ntwo\nthr", 11), 11);
    assert_true(sql_reader_next(reader, records, 8, &got, message));
    assert_int_equal(got, 2);
    assert_int_equal(write(ends[1], "ee\n", 3), 3);
    assert_int_equal(close(ends[1]), 0);
    assert_true(sql_reader_next(reader, records, 8, &got, message));
    assert_int_equal(got, 1);
    assert_true(view_equal(records[0], view_text("three")));
    while (!sql_reader_ended(reader)) {
        assert_true(sql_reader_next(reader, records, 8, &got, message));
        assert_int_equal(got, 0);
    }
    assert_int_equal(sql_reader_size(reader), 0);
    sql_reader_close(reader);
    assert_int_equal(close(ends[0]), 0);
}

/* Two members, made by gzip of "one\n" and "two\nthree\n". */
static const uint8_t gzip_bytes[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xcb, 0xcf, 0x4b, 0xe5,
                                     0x02, 0x00, 0x9f, 0xa8, 0x17, 0xf8, 0x04, 0x00, 0x00, 0x00, 0x1f, 0x8b, 0x08, 0x00,
                                     0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x2b, 0x29, 0xcf, 0xe7, 0x2a, 0xc9, 0x28, 0x4a,
                                     0x4d, 0xe5, 0x02, 0x00, 0xaa, 0x6a, 0xd5, 0x6b, 0x0a, 0x00, 0x00, 0x00};

static void test_gzip_files_are_inflated(void **state)
{
    static const char *const wanted[] = {"one", "two", "three"};
    struct view              records[RECORDS_MAX];
    char                     message[SQL_READ_MESSAGE] = "";
    size_t                   got = 0, at = 0;
    struct sql_reader       *reader;

    (void)state;
    write_file(gzip_bytes, sizeof(gzip_bytes));
    reader = open_file(lines);
    while (!sql_reader_ended(reader)) {
        assert_true(sql_reader_next(reader, records, 2, &got, message));
        for (size_t i = 0; i < got; i++) {
            assert_true(view_equal(records[i], view_text(wanted[at++])));
        }
    }
    assert_int_equal(at, COUNT_OF(wanted));
    assert_int_equal(sql_reader_bytes(reader), sizeof(gzip_bytes));
    sql_reader_close(reader);

    write_file(gzip_bytes, sizeof(gzip_bytes) - 9);
    reader = open_file(lines);
    for (got = 1; got > 0;) {
        if (!sql_reader_next(reader, records, 2, &got, message)) {
            break;
        }
    }
    assert_non_null(strstr(message, "damaged or cut short"));
    sql_reader_close(reader);
}

static void test_what_cannot_be_opened_is_named(void **state)
{
    char message[SQL_READ_MESSAGE];
    bool missing = false;

    (void)state;
    assert_null(sql_reader_open("/tmp/no-such-file-here", lines, message, &missing));
    assert_true(missing);
    assert_non_null(strstr(message, "/tmp/no-such-file-here: "));
    assert_null(sql_reader_open("/tmp", lines, message, &missing));
    assert_false(missing);
    assert_non_null(strstr(message, "is a directory"));
}

static int make_path(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_lose_their_ends_and_nothing_else),
        cmocka_unit_test(test_nul_may_end_records),
        cmocka_unit_test(test_csv_fields_in_quotes_hold_line_ends),
        cmocka_unit_test(test_a_quote_that_stays_open_takes_the_rest),
        cmocka_unit_test(test_places_are_lines_of_the_file),
        cmocka_unit_test(test_records_stay_whole_over_the_ends_of_buffers),
        cmocka_unit_test(test_a_pipe_gives_what_is_there),
        cmocka_unit_test(test_gzip_files_are_inflated),
        cmocka_unit_test(test_what_cannot_be_opened_is_named),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}
