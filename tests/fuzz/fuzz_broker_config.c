/* What an operator writes: properties files, and the listeners in them. Input: one byte, then text. An odd byte makes
 * the text the value of `listeners` and, behind a newline, of `advertised.listeners`. */
#include "tests/support/fuzz.h"

#include "core/base/check.h"
#include "core/base/hash.h"
#include "net/broker/broker_listeners.h"
#include "net/broker/broker_properties.h"

#define ARENA_BYTES_MAX ((size_t)(16 * MIB))

static bool take_property(void *context, uint32_t line, struct view key, struct view value)
{
    uint64_t *sum = context;

    CHECK(line > 0);
    *sum += hash_bytes(key) + hash_bytes(value); /* reads every byte of both */
    return true;
}

static bool resolve(struct view host, uint16_t port, struct io_address *out_address)
{
    *out_address = (struct io_address){.port = port};
    return host.len > 0 && host.base[0] != 'x';
}

static void try_listeners(struct view text, struct arena *arena)
{
    static struct broker_listeners listeners;
    const uint8_t                 *line_end = text.len == 0 ? NULL : memchr(text.base, '\n', text.len);
    size_t                         first_len = line_end == NULL ? text.len : (size_t)(line_end - text.base);
    struct view                    first = arena_copy(arena, view_of(text.base, first_len));
    struct view                    second = arena_copy(arena, view_of(text.base + first_len, text.len - first_len));
    char                           why[256] = "";
    int                            result;

    result = broker_listeners_parse((const char *)first.base, line_end == NULL ? NULL : (const char *)second.base + 1,
                                    NULL, 3, resolve, arena, &listeners, span_of(why, sizeof(why)));
    if (result == ERR_OK) {
        CHECK(listeners.count > 0 && listeners.count <= BROKER_LISTENERS_MAX);
    } else {
        CHECK(result == ERR_INVALID && why[0] != '\0');
        CHECK(memchr(why, '\0', sizeof(why)) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena arena;

    if (len < 1) {
        return 0;
    }
    arena_init(&arena, MEM_TEST, 16 * KIB, ARENA_BYTES_MAX);
    if (bytes[0] % 2 != 0) {
        try_listeners(view_of(bytes + 1, len - 1), &arena);
    } else {
        uint64_t sum = 0;
        uint32_t line = 0;
        int      result = broker_properties_parse(view_of(bytes + 1, len - 1), &arena, take_property, &sum, &line);

        CHECK(result == ERR_OK || result == ERR_NO_MEMORY || (result == ERR_INVALID && line > 0));
    }
    arena_deinit(&arena);
    return 0;
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    static const char *const texts[] = {
        "\1PLAINTEXT://localhost:9092",
        "\1PLAINTEXT://:9092,INTERNAL://[::1]:19092",
        "\1A://0.0.0.0:9092\nA://example.org:9092",
        "\1A://0.0.0.0:9092\nA://one:1,A://two:2,A://three:3",
        "\2# comment\nnum.partitions=3\nlog.dirs = /a,/b\n",
        "\2key\\ with\\ spaces : value \\\n   goes on\\u00e4\\n\r\n! other\nempty\n",
    };
    const char *text = texts[prng_below(prng, COUNT_OF(texts))];

    memcpy(out_bytes.base, text, strlen(text));
    return strlen(text);
}
