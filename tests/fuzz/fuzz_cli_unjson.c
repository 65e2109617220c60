/* Lines of JSON as `millrace produce -J` finds them. What is taken must be printed and taken again, the same. */
#include "tests/support/fuzz.h"

#include "core/base/check.h"
#include "tools/cli/cli_unjson.h"

#include <stdlib.h>

static bool same(const struct cli_record_view *a, const struct cli_record_view *b)
{
    if (!view_equal(a->key, b->key) || !view_equal(a->value, b->value) || a->header_count != b->header_count ||
        a->timestamp_ms != b->timestamp_ms || (a->key.base == NULL) != (b->key.base == NULL) ||
        (a->value.base == NULL) != (b->value.base == NULL)) {
        return false;
    }
    for (size_t i = 0; i < a->header_count; i++) {
        if (!view_equal(a->headers[i].value, b->headers[i].value)) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena           arena;
    struct cli_record_view record, again;
    const char            *why = NULL;
    char                  *made = NULL;
    size_t                 made_len = 0;
    FILE                  *file;

    arena_init(&arena, MEM_TEST, 4096, 64 * MIB);
    if (cli_unjson_record(view_of(bytes, len), &arena, &record, &why)) {
        record.topic = view_text("t");
        file = open_memstream(&made, &made_len);
        CHECK(file != NULL);
        cli_record_json(&record, file);
        CHECK(fclose(file) == 0);
        CHECK(cli_unjson_record(view_of(made, made_len), &arena, &again, &why));
        CHECK(same(&record, &again));
        free(made);
    } else {
        CHECK(why != NULL);
    }
    arena_deinit(&arena);
    return 0;
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    static const char *const pieces[] = {
        "{\"key\":\"k\",\"value\":\"v\\u00e9\\ud83d\\ude00\"}",
        "{\"value_base64\":\"AAEC/w==\",\"timestamp\":17}",
        "{\"headers\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"b\",\"value\":null}],\"value\":null}",
        "{\"value\":{\"a\":[1,true,\"x\"]},\"topic\":\"t\",\"partition\":3}",
    };
    const char *piece = pieces[prng_below(prng, COUNT_OF(pieces))];

    memcpy(out_bytes.base, piece, strlen(piece));
    return strlen(piece);
}
