/* Decoders as such: chunks, positions of errors, columns that nobody reads, memory. */
#include "tests/unit/format/format_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "compute/format/format_internal.h"

#define MANY 5000

static void test_errors_name_their_record(void **state)
{
    static const char *const texts[] = {"{\"i\":1}", "{\"i\":2}", "{\"i\":\"x\"}", "{\"i\":4}"};
    struct rig              *rig = rig_open("json", "", "i INT");
    struct view              records[COUNT_OF(texts)];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        records[i] = view_text(texts[i]);
    }
    assert_false(rig_decode(rig, records, COUNT_OF(texts)));
    assert_int_equal(rig->failure.record, 2);
    assert_string_equal(rig->failure.message, "field i: 'x' does not fit INT");
    rig_close(rig);
    rig = rig_open("json", "ignore-parse-errors=true", "i INT");
    assert_true(rig_decode(rig, records, COUNT_OF(texts)));
    assert_int_equal(rig->row_count, 4);
    assert_int_equal(rig->skipped, 1);
    rig_close(rig);
}

static void test_tombstones_and_empty_records(void **state)
{
    struct rig *rig = rig_open("json", "", "i INT");
    struct view records[] = {view_of(NULL, 0), view_text(""), view_text("{\"i\":3}")};

    (void)state;
    assert_true(rig_decode(rig, records, COUNT_OF(records)));
    assert_string_equal(rig->out, "{\"i\":3}\n");
    rig_close(rig);
}

/* Rows of a chunk say which record they are of, and a chunk is full with 2,048. */
static void test_chunks(void **state)
{
    struct rig            *rig = rig_open("json", "", "i INT");
    struct format_decoder *decoder = format_decoder_create(&rig->schema);
    struct view           *records = calloc(MANY, sizeof(*records));
    struct format_rows     rows;
    size_t                 done = 0;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        records[i] = i % 2 == 0 ? view_text("{\"i\":7}") : view_of(NULL, 0);
    }
    while (done < MANY) {
        assert_true(format_decode(decoder, records + done, MANY - done, &rows));
        assert_true(rows.chunk.row_count <= VEC_ROWS_MAX && rows.record_count > 0);
        for (uint32_t i = 0; i < rows.chunk.row_count; i++) {
            assert_int_equal((done + rows.record[i]) % 2, 0);
        }
        done += rows.record_count;
    }
    assert_int_equal(done, MANY);
    free(records);
    format_decoder_destroy(decoder);
    rig_close(rig);
}

/* One record, an array of more rows than a chunk holds. */
static void test_rows_of_one_record(void **state)
{
    struct rig *rig = rig_open("json", "", "i INT, s STRING");
    char       *text = malloc(MANY * 40);
    size_t      len = 0;
    struct view records[2];
    char        last[64];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        len += (size_t)sprintf(text + len, "%c{\"i\":%d}", i == 0 ? '[' : ',', i);
    }
    text[len++] = ']';
    records[0] = view_of(text, len);
    records[1] = view_text("{\"i\":-1}");
    assert_true(rig_decode(rig, records, 2));
    assert_int_equal(rig->row_count, MANY + 1);
    (void)sprintf(last, "{\"i\":%d,\"s\":null}\n{\"i\":-1,\"s\":null}\n", MANY - 1);
    assert_string_equal(rig->out + rig->out_len - strlen(last), last);
    free(text);
    rig_close(rig);
}

/* Flink converts the whole table: what does not fit in an unread column fails. */
static void test_columns_nobody_reads(void **state)
{
    struct rig *rig = rig_open("json", "", "i INT, ts TIMESTAMP(3), r ROW<x INT, y STRING>, a ARRAY<INT>");

    (void)state;
    rig_read(rig, "i INT");
    rig_expect(rig, "{\"i\":1,\"ts\":\"2026-01-01 00:00:00\",\"r\":{\"x\":1},\"a\":[1]}", "{\"i\":1}");
    rig_expect_failure(rig, "{\"i\":1,\"ts\":\"yesterday\"}", "field ts: 'yesterday' does not fit TIMESTAMP(3)");
    rig_expect_failure(rig, "{\"i\":1,\"r\":{\"x\":\"one\"}}", "field x: 'one' does not fit INT");
    rig_expect_failure(rig, "{\"i\":1,\"r\":[]}", "field r: an object was expected, found an array");
    rig_expect_failure(rig, "{\"i\":1,\"a\":[1,\"x\"]}", "'x' does not fit INT");
    rig_expect_failure(rig, "{\"i\":1,\"z\":\"\\q\"}", "no such escape");
    rig_expect_failure(rig, "{\"i\":1,\"z\":[1,2}", "a bracket closes that did not open");
    rig_read(rig, "r ROW<y STRING>");
    rig_expect(rig, "{\"i\":1,\"r\":{\"x\":1,\"y\":\"z\"}}", "{\"r\":{\"y\":\"z\"}}");
    rig_close(rig);
}

/* Fields are counted, not names: with all found, or as many found twice, the rest is not looked at. */
static void test_fields_are_counted(void **state)
{
    struct rig *rig = rig_open("json", "", "a INT, b INT");

    (void)state;
    rig_expect(rig, "{\"a\":1,\"a\":2,\"b\":3}", "{\"a\":2,\"b\":null}");
    rig_expect(rig, "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":1,\"b\":2}");
    rig_expect(rig, "{\"a\":1,\"b\":2,\"b\":\"x\"}", "{\"a\":1,\"b\":2}");
    rig_close(rig);
}

static void test_large_and_deep(void **state)
{
    struct rig *rig = rig_open("json", "", "i INT, s STRING");
    size_t      len = MIB;
    char       *text = malloc(len + 64);
    struct view record;

    (void)state;
    memcpy(text, "{\"s\":\"", 6);
    memset(text + 6, 'x', len);
    memcpy(text + 6 + len, "\",\"i\":5}", 8);
    record = view_of(text, len + 14);
    assert_true(rig_decode(rig, &record, 1));
    assert_int_equal(rig->out_len, len + strlen("{\"i\":5,\"s\":\"\"}\n"));
    for (size_t depth = 998; depth <= 1001; depth++) {
        size_t at = (size_t)sprintf(text, "{\"i\":1,\"z\":");

        memset(text + at, '[', depth);
        memset(text + at + depth, ']', depth);
        text[at + 2 * depth] = '}';
        record = view_of(text, at + 2 * depth + 1);
        assert_int_equal(rig_decode(rig, &record, 1), depth < 1000);
    }
    assert_non_null(strstr(rig->failure.message, "nested deeper than 1000"));
    free(text);
    rig_close(rig);
}

/* Null rows have null fields, whatever an earlier chunk left there. */
static void test_fields_of_null_rows(void **state)
{
    struct rig            *rig = rig_open("json", "ignore-parse-errors=true", "r ROW<x BIGINT, y STRING>");
    struct format_decoder *decoder = format_decoder_create(&rig->schema);
    struct view            full = view_text("{\"r\":{\"x\":1,\"y\":\"a text that is not short\"}}");
    struct view            records[] = {view_text("{\"r\":{\"x\":1,\"y\":\"a text that is not short\"},\"q\":01}"),
                                        view_text("{\"r\":null}"), view_text("{}")};
    struct format_rows     rows;

    (void)state;
    assert_true(format_decode(decoder, &full, 1, &rows));
    assert_null(rows.chunk.columns[0].validity);
    assert_true(format_decode(decoder, records, COUNT_OF(records), &rows));
    assert_int_equal(rows.chunk.row_count, 2);
    for (size_t row = 0; row < 2; row++) {
        assert_true(vec_is_null(&rows.chunk.columns[0], row));
        assert_true(vec_is_null(&rows.chunk.columns[0].children[0], row));
        assert_true(vec_is_null(&rows.chunk.columns[0].children[1], row));
        assert_int_equal(((struct vec_string *)rows.chunk.columns[0].children[1].data)[row].len, 0);
    }
    format_decoder_destroy(decoder);
    rig_close(rig);
}

static void test_finer_than_microseconds(void **state)
{
    struct rig *rig = rig_open("json", "ignore-parse-errors=true", "ts TIMESTAMP(3)");

    (void)state;
    rig_expect(rig, "{\"ts\":\"2026-01-01 00:00:00.123456000\"}", "{\"ts\":\"2026-01-01 00:00:00.123456\"}");
    rig_expect_failure(rig, "{\"ts\":\"2026-01-01 00:00:00.123456789\"}", "finer than microseconds");
    rig_close(rig);
    rig = rig_open("json", "", "ts TIMESTAMP(9)");
    rig_expect(rig, "{\"ts\":\"2026-01-01 00:00:00.123456789\"}", "{\"ts\":\"2026-01-01 00:00:00.123456789\"}");
    rig_close(rig);
}

static void test_encoder_says_which_row(void **state)
{
    struct rig *rig = rig_open("json", "", "s STRING");
    struct view records[] = {view_text("{\"s\":\"fine\"}"), view_text("{\"s\":\"\\ud83d\"}")};

    (void)state;
    rig_write(rig, "csv", "");
    assert_false(rig_decode(rig, records, 2));
    assert_int_equal(rig->failure.record, 1);
    assert_non_null(strstr(rig->failure.message, "surrogate"));
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_name_their_record),
        cmocka_unit_test(test_tombstones_and_empty_records),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_rows_of_one_record),
        cmocka_unit_test(test_columns_nobody_reads),
        cmocka_unit_test(test_fields_are_counted),
        cmocka_unit_test(test_large_and_deep),
        cmocka_unit_test(test_fields_of_null_rows),
        cmocka_unit_test(test_finer_than_microseconds),
        cmocka_unit_test(test_encoder_says_which_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
