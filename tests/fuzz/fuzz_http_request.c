/* What a client of the HTTP listener sends: path, headers and body; the first byte chooses. Whatever is taken is taken
 * whole: a route has an id that fits, a refused body says why. */
#include "tests/support/fuzz.h"

#include "net/http/http_internal.h"

#include <stdlib.h>

static void fuzz_guard(const char *text)
{
    struct http_guard guard = {
        .is_loopback = true, .listener_host = "localhost", .changes = true, .host = text, .origin = text};
    const char *why = NULL;
    int         status = http__guard(&guard, &why);

    CHECK((status == 200) == (why == NULL));
    guard.origin = NULL;
    guard.content_type = text;
    why = NULL;
    status = http__guard(&guard, &why);
    CHECK((status == 200) == (why == NULL));
}

static void fuzz_route(const char *text)
{
    struct http_route route = {0};
    const char       *allow = NULL;
    int               status = http__route("GET", text, &route, &allow);

    CHECK(status == 200 || status == 404 || (status == 405 && allow != NULL));
    CHECK(strnlen(route.id, sizeof(route.id)) < sizeof(route.id));
}

static void fuzz_body(uint8_t choice, struct view bytes)
{
    static const enum http_route_kind kinds[] = {HTTP_ROUTE_SQL, HTTP_ROUTE_JOB_STOP, HTTP_ROUTE_JOB_SAVEPOINT};
    struct http_body                  body = {0};
    char                              why[128] = "";
    json_t                           *errors;

    if (!http__body_decode(kinds[choice % COUNT_OF(kinds)], bytes, (choice & 0x80) != 0, &body,
                           span_of(why, sizeof(why)))) {
        CHECK(why[0] != '\0');
        errors = http__json_errors(view_text(why));
        CHECK(errors != NULL);
        json_decref(errors);
    }
    http__body_deinit(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0) {
        return 0;
    }
    text = mem_copy_text(MEM_TEST, view_of(data + 1, size - 1));
    fuzz_guard(text);
    fuzz_route(text);
    fuzz_body(data[0], view_of(text, size - 1));
    mem_free(MEM_TEST, text);
    return 0;
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    static const char *const texts[] = {
        "\x80{\"statements\":\"SELECT 1\",\"session\":\"me\",\"progress\":true}",
        "\x80{\"statements\":[\"SET 'a'='b'\",\"SELECT \\u00e4 FROM t\"]}",
        "\x81{\"targetDirectory\":\"before\",\"drain\":false,\"formatType\":\"CANONICAL\"}",
        "\x82{\"target-directory\":null,\"cancel-job\":false}",
        " /v1/jobs/00112233445566778899aabbccddeeff/savepoints/0011",
        " http://localhost:8083",
        " application/json; charset=UTF-8",
    };
    const char *text = texts[prng_below(prng, COUNT_OF(texts))];
    size_t      len = strlen(text);

    if (len > out_bytes.len) {
        return 0;
    }
    memcpy(out_bytes.base, text, len);
    return len;
}
