/* Request frames as they come from a socket: header, then the body of the API and version that the header names. */
#include "tests/support/fuzz.h"

#include "core/base/check.h"
#include "core/proto/kp_header.h"
#include "core/proto/kp_random.h"

#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static uint8_t           message[4096];
    struct kp_request_header header = {0};
    struct kp_reader         reader;
    struct arena             arena;
    int                      result;

    arena_init(&arena, MEM_TEST, 16 * KIB, 16 * MIB);
    kp_reader_init(&reader, view_of(bytes, len), &arena);
    result = kp_request_header_decode(&reader, &header);
    if (result == ERR_OK) {
        const struct kp_api *api = kp_api_find(header.api_key);

        CHECK(api != NULL && header.api_version >= api->version_min && header.api_version <= api->version_max);
        CHECK(api->request.bytes <= sizeof(message));
        result = api->request.decode(&reader, header.api_version, message);
        CHECK(result == ERR_OK || result == ERR_INVALID || result == ERR_NO_MEMORY);
        CHECK(kp_reader_remaining(&reader) <= len);
    }
    arena_deinit(&arena);
    return 0;
}

/* True when `name` is the name of the API in lower snake case, followed by "_request". */
static bool names_request(const char *name, const char *api_name)
{
    while (*api_name != '\0') {
        name += *name == '_';
        if (tolower(*api_name++) != *name++) {
            return false;
        }
    }
    return strcmp(name, "_request") == 0;
}

/* The row of an API's request among the random messages. */
static const struct kp_random_row *request_row(const struct kp_api *api)
{
    size_t at = 0;

    while (at < KP_RANDOM_ROWS_COUNT && !names_request(kp_random_rows[at].name, api->name)) {
        at++;
    }
    CHECK(at < KP_RANDOM_ROWS_COUNT);
    return &kp_random_rows[at];
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    static uint8_t              message[4096];
    const struct kp_api        *api = NULL;
    const struct kp_random_row *row;
    struct kp_random            random;
    struct kp_writer            writer;
    struct kp_request_header    header;

    while (api == NULL) {
        api = kp_api_find((int16_t)prng_below(prng, KP_API_KEY_COUNT));
    }
    row = request_row(api);
    header = (struct kp_request_header){
        .api_key = api->key,
        .api_version = (int16_t)(api->version_min +
                                 (int16_t)prng_below(prng, (uint64_t)(api->version_max - api->version_min + 1))),
        .correlation_id = (int32_t)prng_next(prng),
        .client_id = view_text("fuzz"),
    };
    kp_random_init(&random, prng_next(prng));
    api->request.init(message);
    row->fill(&random, header.api_version, message);
    kp_writer_init_span(&writer, out_bytes);
    kp_request_header_encode(&writer, &header);
    api->request.encode(&writer, header.api_version, message);
    kp_random_deinit(&random);
    return writer.error == ERR_OK ? writer.bytes_total : 0;
}
