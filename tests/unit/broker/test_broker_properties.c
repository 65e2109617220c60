/* Java's properties format, and what is done with settings. */
#include "tests/support/unit.h"

#include "net/broker/broker_config.h"
#include "net/broker/broker_properties.h"

#include <stdio.h>

#define MANY_LINES 20000

struct seen {
    char     text[512];
    uint32_t count;
    uint32_t stop_at;
};

static bool note(void *context, uint32_t line, struct view key, struct view value)
{
    struct seen *seen = context;
    size_t       len = strlen(seen->text);

    (void)snprintf(seen->text + len, sizeof(seen->text) - len, "%u:%.*s=%.*s|", line, (int)key.len,
                   (const char *)key.base, (int)value.len, (const char *)value.base);
    seen->count++;
    return seen->count != seen->stop_at;
}

static int parse(const char *text, struct seen *seen, uint32_t *out_line)
{
    struct arena arena;
    int          result;

    arena_init(&arena, MEM_TEST, 4096, 16 * MIB);
    result = broker_properties_parse(view_text(text), &arena, note, seen, out_line);
    arena_deinit(&arena);
    return result;
}

static void reads(const char *text, const char *expected)
{
    struct seen seen = {.text = ""};
    uint32_t    line = 0;

    assert_int_equal(parse(text, &seen, &line), ERR_OK);
    assert_string_equal(seen.text, expected);
}

static void test_entries(void **state)
{
    (void)state;
    reads("", "");
    reads("\n\n  \t\n", "");
    reads("a=b", "1:a=b|");
    reads("a=b\nc=d\n", "1:a=b|2:c=d|");
    reads("a=b\r\nc=d\re=f", "1:a=b|2:c=d|3:e=f|");
    reads("# comment = x\n! another\na=b", "3:a=b|");
    reads("  a  =  b  \n", "1:a=b  |"); /* blanks behind a value count */
    reads("a:b\nc d\ne\n", "1:a=b|2:c=d|3:e=|");
    reads("a = = b", "1:a== b|");
    reads("a\\=b\\:c\\ d = e", "1:a=b:c d=e|");
    reads("a=b\\\n   c\nd=e", "1:a=bc|3:d=e|"); /* continued */
    reads("a=b\\\r\n\tc", "1:a=bc|");
    reads("a=\\t\\n\\r\\f\\q\\\\", "1:a=\t\n\r\fq\\|");
    reads("a=\\u0041\\u00e9\\u20AC", "1:a=A\xc3\xa9\xe2\x82\xac|");
    reads("a=b\\", "1:a=b|");
}

static void test_damaged_escapes_name_their_line(void **state)
{
    struct seen seen = {.text = ""};
    uint32_t    line = 0;

    (void)state;
    assert_int_equal(parse("a=b\n\nc=\\u12g4", &seen, &line), ERR_INVALID);
    assert_int_equal(line, 3);
    assert_int_equal(parse("k\\u1", &seen, &line), ERR_INVALID);
    assert_int_equal(line, 1);
}

static void test_the_caller_may_stop(void **state)
{
    struct seen seen = {.text = "", .stop_at = 2};
    uint32_t    line = 0;

    (void)state;
    assert_int_equal(parse("a=1\nb=2\nc=3", &seen, &line), ERR_CANCELED);
    assert_int_equal(seen.count, 2);
}

/* Memory does not grow with the number of entries. */
static void test_many_entries(void **state)
{
    struct seen seen = {.text = ""};
    uint32_t    line = 0;
    char       *text = mem_alloc(MEM_TEST, MANY_LINES * 8 + 1);

    (void)state;
    for (size_t i = 0; i < MANY_LINES; i++) {
        memcpy(text + i * 8, "key=val\n", 8);
    }
    assert_int_equal(parse(text, &seen, &line), ERR_OK);
    assert_int_equal(seen.count, MANY_LINES);
    mem_free(MEM_TEST, text);
}

/* --- settings ----------------------------------------------------------------------------------------------------- */

static char said[4096];

static bool set(struct broker_config *config, const char *assignment)
{
    FILE  *errors = tmpfile();
    bool   good;
    size_t len;

    assert_non_null(errors);
    good = broker_config_set(config, assignment, errors);
    rewind(errors);
    len = fread(said, 1, sizeof(said) - 1, errors);
    said[len] = '\0';
    (void)fclose(errors);
    return good;
}

static void test_settings_are_checked(void **state)
{
    struct broker_config config;

    (void)state;
    broker_config_init(&config);
    assert_true(set(&config, "num.partitions=7"));
    assert_string_equal(said, "");
    assert_int_equal(broker_config_int(&config, "num.partitions"), 7);
    assert_true(set(&config, "log.dirs=/a=b")); /* only the first = counts */
    assert_string_equal(broker_config_get(&config, "log.dirs"), "/a=b");
    assert_false(set(&config, "num.partitons=7")); /* unknown: the nearest is named */
    assert_non_null(strstr(said, "num.partitions"));
    assert_false(set(&config, "num.partitions=many"));
    assert_false(set(&config, "num.partitions=0"));
    assert_false(set(&config, "num.partitions"));
    assert_false(set(&config, "=7"));
    assert_int_equal(broker_config_int(&config, "num.partitions"), 7);
    assert_int_equal(config.errors, 5);
    assert_true(set(&config, "ssl.protocol=TLSv1.3")); /* Kafka's, without meaning here: a notice, no error */
    assert_non_null(strstr(said, "notice"));
    assert_int_equal(config.notices, 1);
    broker_config_deinit(&config);
}

static void test_the_command_line_is_stronger_than_the_file(void **state)
{
    struct broker_config config;
    char                 path[] = "test_broker_properties.tmp";
    FILE                *file = fopen(path, "wb");

    (void)state;
    assert_non_null(file);
    (void)fputs("num.partitions=3\nlog.segment.bytes=2000000\n", file);
    (void)fclose(file);
    broker_config_init(&config);
    assert_true(set(&config, "num.partitions=5"));
    assert_true(broker_config_load(&config, path, stderr));
    assert_int_equal(broker_config_int(&config, "num.partitions"), 5);
    assert_int_equal(broker_config_int(&config, "log.segment.bytes"), 2000000);
    assert_int_equal(remove(path), 0);
    file = tmpfile();
    assert_false(broker_config_load(&config, path, file)); /* it is gone */
    (void)fclose(file);
    broker_config_deinit(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_damaged_escapes_name_their_line),
        cmocka_unit_test(test_the_caller_may_stop),
        cmocka_unit_test(test_many_entries),
        cmocka_unit_test(test_settings_are_checked),
        cmocka_unit_test(test_the_command_line_is_stronger_than_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
