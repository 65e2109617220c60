/* How fast records become vectors and rows become records: events and megabytes a second of one core.
 *
 * usage: format_bench EVENTS.jsonl [SECONDS]
 *
 * The file is what `millrace nexmark` writes. One line of JSON on standard output per case. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "compute/format/format_internal.h"

struct events {
    struct view *records;
    size_t       count, bytes;
};

struct columns {
    struct vec_field fields[8];
    uint32_t         count;
};

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct events load(const char *path)
{
    struct events events = {.count = 0};
    FILE         *file = fopen(path, "rb");
    char         *text;
    long          size;
    size_t        capacity = 1024;

    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    size = ftell(file);
    CHECK(size > 0 && fseek(file, 0, SEEK_SET) == 0);
    text = malloc((size_t)size);
    CHECK(fread(text, 1, (size_t)size, file) == (size_t)size);
    (void)fclose(file);
    events.bytes = (size_t)size;
    events.records = malloc(capacity * sizeof(*events.records));
    for (char *at = text; at < text + size;) {
        char *stop = memchr(at, '\n', (size_t)(text + size - at));

        stop = stop == NULL ? text + size : stop;
        if (events.count == capacity) {
            capacity *= 2;
            events.records = realloc(events.records, capacity * sizeof(*events.records));
        }
        events.records[events.count++] = view_of(at, (size_t)(stop - at));
        at = stop + 1;
    }
    return events;
}

static struct vec_type row_of(const struct vec_field *fields, uint32_t count)
{
    struct vec_type type = vec_type_of(VEC_ROW);

    type.child_count = count;
    type.children = fields;
    return type;
}

#define TEXT(name_)                                                      \
    {                                                                    \
        .name = {(const uint8_t *)(name_), sizeof(name_) - 1}, .type = { \
            .kind = VEC_VARCHAR,                                         \
            .nullable = true,                                            \
            .length = VEC_LENGTH_UNLIMITED                               \
        }                                                                \
    }
#define BIGINT(name_)                                                                                          \
    {                                                                                                          \
        .name = {(const uint8_t *)(name_), sizeof(name_) - 1}, .type = {.kind = VEC_BIGINT, .nullable = true } \
    }
#define TIME3(name_)                                                     \
    {                                                                    \
        .name = {(const uint8_t *)(name_), sizeof(name_) - 1}, .type = { \
            .kind = VEC_TIMESTAMP,                                       \
            .nullable = true,                                            \
            .precision = 3                                               \
        }                                                                \
    }

static const struct vec_field person_fields[] = {BIGINT("id"), TEXT("name"),  TEXT("emailAddress"), TEXT("creditCard"),
                                                 TEXT("city"), TEXT("state"), TIME3("dateTime"),    TEXT("extra")};
static const struct vec_field auction_fields[] = {
    BIGINT("id"),      TEXT("itemName"), TEXT("description"), BIGINT("initialBid"), BIGINT("reserve"),
    TIME3("dateTime"), TIME3("expires"), BIGINT("seller"),    BIGINT("category"),   TEXT("extra")};
static const struct vec_field bid_fields[] = {BIGINT("auction"), BIGINT("bidder"),  BIGINT("price"), TEXT("channel"),
                                              TEXT("url"),       TIME3("dateTime"), TEXT("extra")};
static const struct vec_field bid_q0[] = {BIGINT("auction"), BIGINT("bidder"), BIGINT("price"), TIME3("dateTime"),
                                          TEXT("extra")};
static const struct vec_field bid_q2[] = {BIGINT("auction"), BIGINT("price"), TIME3("dateTime")};
static const struct vec_field only_time[] = {TIME3("dateTime")};

static struct vec_field field(const char *name, struct vec_type type)
{
    return (struct vec_field){.name = view_text(name), .type = type};
}

static struct columns columns_of(struct vec_type person, struct vec_type auction, struct vec_type bid)
{
    return (struct columns){.fields = {field("event_type", vec_type_of(VEC_INT)), field("person", person),
                                       field("auction", auction), field("bid", bid)},
                            .count = 4};
}

static void report(const char *name, const struct events *events, uint64_t rounds, uint64_t bytes, double seconds)
{
    (void)printf("{\"case\":\"%s\",\"events_per_s\":%.0f,\"mb_per_s\":%.1f}\n", name,
                 (double)(events->count * rounds) / seconds, (double)bytes / seconds / 1e6);
    (void)fflush(stdout);
}

static void decode(const char *name, const struct events *events, const struct columns *table,
                   const struct columns *columns, bool exact, double seconds_min)
{
    struct format_options  options;
    char                   message[FORMAT_MESSAGE_BYTES];
    struct format_schema   schema = {.options = &options,
                                     .column_count = columns->count,
                                     .columns = columns->fields,
                                     .field_count = table->count,
                                     .fields = table->fields};
    struct format_decoder *decoder;
    uint64_t               rounds = 0;
    double                 start;

    CHECK(format_options_init(&options, view_text("json"), message));
    decoder = format_decoder_create(&schema);
    if (exact) {
        format__decoder_exact(decoder);
    }
    start = now_s();
    do {
        struct format_rows rows;

        for (size_t done = 0; done < events->count; done += rows.record_count) {
            CHECK(format_decode(decoder, events->records + done, events->count - done, &rows));
        }
        rounds++;
    } while (now_s() - start < seconds_min);
    report(name, events, rounds, rounds * events->bytes, now_s() - start);
    format_decoder_destroy(decoder);
}

/* The decoder's time is subtracted: rows live only until its next call. */
static void encode(const char *name, const struct events *events, const struct columns *columns, double seconds_min)
{
    struct format_options  options;
    char                   message[FORMAT_MESSAGE_BYTES];
    struct format_schema   schema = {.options = &options, .column_count = columns->count, .columns = columns->fields};
    struct format_decoder *decoder;
    struct format_encoder *encoder;
    uint64_t               rounds = 0, bytes = 0;
    double                 busy = 0;

    CHECK(format_options_init(&options, view_text("json"), message));
    decoder = format_decoder_create(&schema);
    encoder = format_encoder_create(&options, bid_q0, COUNT_OF(bid_q0));
    do {
        struct format_rows rows;

        for (size_t done = 0; done < events->count; done += rows.record_count) {
            struct format_output output;
            double               start;

            CHECK(format_decode(decoder, events->records + done, events->count - done, &rows));
            start = now_s();
            CHECK(format_encode(encoder, rows.chunk.columns[3].children, &rows.chunk, &output));
            busy += now_s() - start;
            bytes += output.row_count == 0 ? 0 : output.ends[output.row_count - 1];
        }
        rounds++;
    } while (busy < seconds_min);
    report(name, events, rounds, bytes, busy);
    format_decoder_destroy(decoder);
    format_encoder_destroy(encoder);
}

int main(int argc, char **argv)
{
    struct events  events;
    struct columns table, q0, q2;
    double         seconds = argc > 2 ? atof(argv[2]) : 2;

    if (argc < 2) {
        (void)fprintf(stderr, "usage: format_bench EVENTS.jsonl [SECONDS]\n");
        return EXIT_FAILURE;
    }
    events = load(argv[1]);
    table = columns_of(row_of(person_fields, COUNT_OF(person_fields)), row_of(auction_fields, COUNT_OF(auction_fields)),
                       row_of(bid_fields, COUNT_OF(bid_fields)));
    q0 = columns_of(row_of(only_time, 1), row_of(only_time, 1), row_of(bid_q0, COUNT_OF(bid_q0)));
    q2 = columns_of(row_of(only_time, 1), row_of(only_time, 1), row_of(bid_q2, COUNT_OF(bid_q2)));
    decode("decode-all", &events, &table, &table, false, seconds);
    decode("decode-q0", &events, &table, &q0, false, seconds);
    decode("decode-q2", &events, &table, &q2, false, seconds);
    decode("decode-all-exact", &events, &table, &table, true, seconds);
    encode("encode-q0", &events, &q0, seconds);
    return EXIT_SUCCESS;
}
