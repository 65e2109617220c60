/* listeners, advertised.listeners and listener.security.protocol.map. */
#include "tests/support/unit.h"

#include "net/broker/broker_listeners.h"

#include <stdio.h>

static struct broker_listeners got;
static struct arena            arena;
static char                    why[512];

static bool resolve(struct view host, uint16_t port, struct io_address *out_address)
{
    return view_equal(host, view_text("db1")) && io_address_parse(view_text("10.1.2.3"), port, out_address);
}

static int parse(const char *listeners, const char *advertised, const char *map, uint32_t shards)
{
    arena_deinit(&arena);
    arena_init(&arena, MEM_TEST, 4096, 1 * MIB);
    why[0] = '\0';
    return broker_listeners_parse(listeners, advertised, map, shards, resolve, &arena, &got, span_of(why, sizeof(why)));
}

static void refused(const char *listeners, const char *advertised, const char *map, uint32_t shards, const char *part)
{
    assert_int_equal(parse(listeners, advertised, map, shards), ERR_INVALID);
    if (strstr(why, part) == NULL) {
        fail_msg("'%s' does not say '%s'", why, part);
    }
}

static void address_is(uint32_t listener, const char *expected)
{
    char text[IO_ADDRESS_TEXT_BYTES];

    io_address_format(&got.items[listener].address, text);
    assert_string_equal(text, expected);
}

static void test_addresses(void **state)
{
    (void)state;
    assert_int_equal(parse("PLAINTEXT://127.0.0.1:9092", NULL, NULL, 1), ERR_OK);
    assert_int_equal(got.count, 1);
    address_is(0, "127.0.0.1:9092");
    assert_true(view_equal(got.items[0].advertised_host, view_text("127.0.0.1")));
    assert_int_equal(got.items[0].advertised_port, 0);
    assert_int_equal(parse("PLAINTEXT://[::1]:9092", NULL, NULL, 2), ERR_OK);
    address_is(0, "[::1]:9092");
    assert_true(view_equal(got.items[0].advertised_host, view_text("::1")));
    assert_int_equal(parse(" PLAINTEXT://db1:9092 , IN://127.0.0.1:9094,", NULL, "IN:PLAINTEXT", 2), ERR_OK);
    assert_int_equal(got.count, 2);
    address_is(0, "10.1.2.3:9092");
    address_is(1, "127.0.0.1:9094");
    assert_int_equal(parse("PLAINTEXT://:9092", "PLAINTEXT://db1:19092", NULL, 4), ERR_OK);
    assert_true(view_equal(got.items[0].advertised_host, view_text("db1")));
    assert_int_equal(got.items[0].advertised_port, 19092);
    assert_int_equal(got.items[0].advertised_count, 0); /* a range */
    assert_int_equal(parse("PLAINTEXT://0.0.0.0:9092", "PLAINTEXT://db1:1", NULL, 1), ERR_OK);
    address_is(0, "0.0.0.0:9092");
    assert_int_equal(parse("PLAINTEXT://127.0.0.1:0,B://127.0.0.1:0", NULL, "B:PLAINTEXT", 3), ERR_OK);
}

static void test_explicit_list_per_shard(void **state)
{
    (void)state;
    assert_int_equal(parse("PLAINTEXT://:9092", "PLAINTEXT://a:1,PLAINTEXT://b:7", NULL, 2), ERR_OK);
    assert_int_equal(got.items[0].advertised_count, 2);
    assert_true(view_equal(got.items[0].advertised_hosts[1], view_text("b")));
    assert_int_equal(got.items[0].advertised_ports[1], 7);
    refused("PLAINTEXT://:9092", "PLAINTEXT://a:1,PLAINTEXT://b:7", NULL, 3, "one per shard");
}

static void test_refusals(void **state)
{
    (void)state;
    refused("", NULL, NULL, 1, "names no listener");
    refused(" , ,", NULL, NULL, 1, "not NAME://host:port");
    refused("127.0.0.1:9092", NULL, NULL, 1, "not NAME://host:port");
    refused("://127.0.0.1:9092", NULL, NULL, 1, "not NAME://host:port");
    refused("PLAINTEXT://127.0.0.1", NULL, NULL, 1, "not NAME://host:port");
    refused("PLAINTEXT://127.0.0.1:", NULL, NULL, 1, "not NAME://host:port");
    refused("PLAINTEXT://127.0.0.1:65536", NULL, NULL, 1, "not NAME://host:port");
    refused("PLAINTEXT://127.0.0.1:99999999999999999999", NULL, NULL, 1, "not NAME://host:port");
    refused("PLAINTEXT://127.0.0.1:-1", NULL, NULL, 1, "not NAME://host:port");
    refused("PLAINTEXT://nowhere:9092", NULL, NULL, 1, "cannot be resolved");
    refused("SSL://127.0.0.1:9092", NULL, NULL, 1, "only PLAINTEXT is served");
    refused("IN://127.0.0.1:9092", NULL, "IN:SASL_SSL", 1, "only PLAINTEXT is served");
    refused("PLAINTEXT://127.0.0.1:9092", NULL, "PLAINTEXT:SSL", 1, "only PLAINTEXT is served");
    refused("PLAINTEXT://127.0.0.1:1,PLAINTEXT://127.0.0.1:2", NULL, NULL, 1, "stands twice");
    refused("PLAINTEXT://127.0.0.1:65534", NULL, NULL, 3, "no room");
    refused("PLAINTEXT://127.0.0.1:9092", "PLAINTEXT://a:65534", NULL, 3, "no room");
    refused("PLAINTEXT://:9092", NULL, NULL, 1, "advertised.listeners");
    refused("PLAINTEXT://[::]:9092", NULL, NULL, 1, "advertised.listeners");
    refused("PLAINTEXT://:9092", "PLAINTEXT://0.0.0.0:9092", NULL, 1, "cannot connect");
    refused("PLAINTEXT://127.0.0.1:9092", "OTHER://a:1", NULL, 1, "no listener named 'OTHER'");
    refused("PLAINTEXT://127.0.0.1:9092", "a:1", NULL, 1, "not NAME://host:port");
}

static void test_overlapping_ranges(void **state)
{
    (void)state;
    refused("PLAINTEXT://127.0.0.1:9092,B://127.0.0.1:9093", NULL, "B:PLAINTEXT", 2, "9092-9093");
    refused("PLAINTEXT://:9092,B://127.0.0.1:9093", "PLAINTEXT://a:1", "B:PLAINTEXT", 2, "overlap");
    assert_int_equal(parse("PLAINTEXT://127.0.0.1:9092,B://127.0.0.1:9093", NULL, "B:PLAINTEXT", 1), ERR_OK);
    assert_int_equal(parse("PLAINTEXT://127.0.0.1:9092,B://10.0.0.1:9092", NULL, "B:PLAINTEXT", 2), ERR_OK);
}

static void test_too_many(void **state)
{
    char text[4096] = "";
    char map[4096] = "";

    (void)state;
    for (int i = 0; i <= BROKER_LISTENERS_MAX; i++) {
        size_t len = strlen(text);

        (void)snprintf(text + len, sizeof(text) - len, "L%d://127.0.0.1:%d,", i, 9000 + i);
        len = strlen(map);
        (void)snprintf(map + len, sizeof(map) - len, "L%d:PLAINTEXT,", i);
    }
    refused(text, NULL, map, 1, "one too many");
}

static int clean(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_explicit_list_per_shard),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_overlapping_ranges),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, clean);
}
