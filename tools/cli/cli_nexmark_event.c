/* cli_nexmark_event.c: see cli_nexmark_event.h.
 *
 * Invariants: 1. Every draw is one step of splitmix64, and the order of the draws is part of the format: two draws
 * never stand in one expression whose order of evaluation C leaves open. 2. No floating point: contraction to fused
 * multiply-add and the libraries' pow() differ between machines. */
#include "tools/cli/cli_nexmark_event.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#include <stdio.h>

#define BASE_MS       INT64_C(1767225600000) /* 2026-01-01 00:00:00 UTC */
#define GOLDEN        UINT64_C(0x9E3779B97F4A7C15)
#define POOL_BYTES    (1U << 20)
#define CHANNELS      10000
#define CHANNELS_HOT  4
#define URL_BYTES_MAX 96
#define EPOCH         50 /* events: a person, three auctions, bids */
#define ACTIVE_PEOPLE 1000
#define IN_FLIGHT     100
#define LEAD          10
#define HOT_SPAN      100
#define FIRST_ID      1000

struct nexmark_channel {
    uint8_t name_len, url_len;
    char    name[14];
    char    url[URL_BYTES_MAX];
};

struct nexmark {
    uint64_t               seed, rate;
    uint64_t               state;    /* of the draws */
    uint8_t               *out, *at; /* the event being written */
    struct nexmark_channel channels[CHANNELS + CHANNELS_HOT];
    char                   pool[POOL_BYTES]; /* letters to cut texts from */
};

static const char *const states[] = {"AZ", "CA", "ID", "OR", "WA", "WY"};
static const char *const cities[] = {"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
                                     "Bend",    "Redmond",     "Seattle",       "Kent",  "Cheyenne"};
static const char *const first_names[] = {"Peter", "Paul",  "Luke",  "John",   "Saul",  "Vicky",
                                          "Kate",  "Julie", "Sarah", "Deiter", "Walter"};
static const char *const last_names[] = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                         "Walton", "Smith",  "Jones",   "Noris"};
static const char *const hot_channels[CHANNELS_HOT] = {"Google", "Facebook", "Baidu", "Apple"};

/* --- draws ------------------------------------------------------------------------------------------------------- */

static uint64_t nexmark_draw(struct nexmark *nexmark)
{
    uint64_t z = nexmark->state += GOLDEN;

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Uniform in [0, bound). */
static uint32_t nexmark_below(struct nexmark *nexmark, uint32_t bound)
{
    return (uint32_t)(((nexmark_draw(nexmark) >> 32) * bound) >> 32);
}

static uint64_t high_product(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

/* To 53 significant bits, half to even: what a double would hold. */
static uint64_t round_to_53(uint64_t value)
{
    uint32_t bits = 64 - (uint32_t)__builtin_clzll(value | 1);
    uint64_t half, low;

    if (bits <= 53) {
        return value;
    }
    half = UINT64_C(1) << (bits - 54);
    low = value & ((half << 1) - 1);
    value -= low;
    return low > half || (low == half && (value & (half << 1)) != 0) ? value + (half << 1) : value;
}

/* In steps as doubles would take them (6u, the power, its hundredfold, each rounded), because the reference does: only
 * a power within 2^-58 of the middle between two doubles could come out differently. */
int64_t nexmark_price(uint64_t draw)
{
    const uint64_t    log2_of_10 = UINT64_C(0xD49A784BCD1B8AFE); /* 62 fraction bits */
    const uint64_t    ln_of_2 = UINT64_C(0xB17217F7D1CF79AC);    /* 64 fraction bits */
    const uint64_t    one = UINT64_C(1) << 62;
    unsigned __int128 exponent = (unsigned __int128)round_to_53(draw * 6) * log2_of_10; /* 53 + 62 fraction bits */
    uint32_t          whole = (uint32_t)(exponent >> 115);
    uint64_t          x = high_product((uint64_t)(exponent >> 51), ln_of_2);
    uint64_t          power = one, hundredfold;

    for (uint64_t k = 21; k >= 1; k--) { /* the series of e^x, from its end; x < ln 2 */
        power = one + high_product(x, power) / k;
    }
    power = round_to_53(power) >> 10; /* now 52 fraction bits */
    hundredfold = round_to_53(power * 100);
    return (int64_t)((hundredfold + (UINT64_C(1) << (51 - whole))) >> (52 - whole));
}

static int64_t nexmark_draw_price(struct nexmark *nexmark)
{
    return nexmark_price(nexmark_draw(nexmark) >> 11);
}

/* --- ids and times ----------------------------------------------------------------------------------------------- */

int64_t nexmark_time_ms(uint64_t n, uint64_t rate)
{
    return BASE_MS + (int64_t)(n * 1000 / rate);
}

static uint64_t nexmark_last_person(uint64_t n)
{
    return n / EPOCH;
}

/* The newest auction before or at event n; called for auctions and bids only. */
static uint64_t nexmark_last_auction(uint64_t n)
{
    uint64_t at = n % EPOCH;

    return n / EPOCH * 3 + (at >= 4 ? 2 : at - 1);
}

/* Of the newest thousand people, or one of the next ten. */
static uint64_t nexmark_draw_person(struct nexmark *nexmark, uint64_t n)
{
    uint64_t people = nexmark_last_person(n) + 1, active = MIN(people, ACTIVE_PEOPLE);

    return people - active + nexmark_below(nexmark, (uint32_t)active + LEAD);
}

static uint64_t nexmark_hot(uint64_t last)
{
    return last / HOT_SPAN * HOT_SPAN;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static void put_bytes(struct nexmark *nexmark, const char *bytes, size_t len)
{
    memcpy(nexmark->at, bytes, len);
    nexmark->at += len;
}

static void put(struct nexmark *nexmark, const char *text)
{
    put_bytes(nexmark, text, strlen(text));
}

static void put_number(struct nexmark *nexmark, uint64_t value)
{
    char  digits[20];
    char *at = digits + sizeof(digits);

    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    put_bytes(nexmark, at, (size_t)(digits + sizeof(digits) - at));
}

/* `width` decimal digits of value. */
static void put_digits(struct nexmark *nexmark, uint64_t value, uint32_t width)
{
    for (uint32_t i = width; i-- > 0; value /= 10) {
        nexmark->at[i] = (uint8_t)('0' + value % 10);
    }
    nexmark->at += width;
}

/* yyyy-MM-dd HH:mm:ss.SSS; not before 1970. Years of the era that begins each 400 years on the first of March. */
static void put_time(struct nexmark *nexmark, int64_t ms)
{
    uint64_t day = (uint64_t)ms / 86400000, of_day = (uint64_t)ms % 86400000;
    uint64_t z = day + 719468, era = z / 146097, of_era = z % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;

    put_digits(nexmark, year + era * 400 + (month >= 10 ? 1 : 0), 4);
    put(nexmark, "-");
    put_digits(nexmark, month < 10 ? month + 3 : month - 9, 2);
    put(nexmark, "-");
    put_digits(nexmark, of_year - (153 * month + 2) / 5 + 1, 2);
    put(nexmark, " ");
    put_digits(nexmark, of_day / 3600000, 2);
    put(nexmark, ":");
    put_digits(nexmark, of_day / 60000 % 60, 2);
    put(nexmark, ":");
    put_digits(nexmark, of_day / 1000 % 60, 2);
    put(nexmark, ".");
    put_digits(nexmark, of_day % 1000, 3);
}

/* len letters from somewhere in the pool. */
static void put_letters(struct nexmark *nexmark, uint32_t len)
{
    put_bytes(nexmark, nexmark->pool + nexmark_below(nexmark, POOL_BYTES - len), len);
}

/* 3 to bound - 1 letters, every 13th on average a space, never the ends. */
static void put_phrase(struct nexmark *nexmark, uint32_t bound)
{
    uint32_t len = 3 + nexmark_below(nexmark, bound - 3);
    uint8_t *begin = nexmark->at;

    put_letters(nexmark, len);
    for (uint32_t i = 1; i + 1 < len; i++) {
        if (nexmark_below(nexmark, 13) == 0) {
            begin[i] = ' ';
        }
    }
}

/* Fills a payload of `size` bytes up to about `wanted`, a fifth less or more. */
static void put_extra(struct nexmark *nexmark, size_t size, size_t wanted)
{
    uint32_t room, fifth;

    if (size > wanted) {
        return;
    }
    room = (uint32_t)(wanted - size);
    fifth = (room + 2) / 5;
    put_letters(nexmark, room - fifth + (fifth == 0 ? 0 : nexmark_below(nexmark, 2 * fifth)));
}

/* --- the three kinds --------------------------------------------------------------------------------------------- */

static void nexmark_person(struct nexmark *nexmark, uint64_t n, int64_t time_ms)
{
    uint8_t *begin;
    size_t   size;

    put(nexmark, "{\"event_type\":0,\"person\":{\"id\":");
    put_number(nexmark, nexmark_last_person(n) + FIRST_ID);
    put(nexmark, ",\"name\":\"");
    begin = nexmark->at;
    put(nexmark, first_names[nexmark_below(nexmark, COUNT_OF(first_names))]);
    put(nexmark, " ");
    put(nexmark, last_names[nexmark_below(nexmark, COUNT_OF(last_names))]);
    put(nexmark, "\",\"emailAddress\":\"");
    put_letters(nexmark, 3 + nexmark_below(nexmark, 4));
    put(nexmark, "@");
    put_letters(nexmark, 3 + nexmark_below(nexmark, 2));
    put(nexmark, ".com\",\"creditCard\":\"");
    for (int i = 0; i < 4; i++) {
        put(nexmark, i > 0 ? " " : "");
        put_digits(nexmark, nexmark_below(nexmark, 10000), 4);
    }
    put(nexmark, "\",\"city\":\"");
    put(nexmark, cities[nexmark_below(nexmark, COUNT_OF(cities))]);
    put(nexmark, "\",\"state\":\"");
    put(nexmark, states[nexmark_below(nexmark, COUNT_OF(states))]);
    size = (size_t)(nexmark->at - begin) - 45 + 8; /* names and quotes off, id and time on */
    put(nexmark, "\",\"dateTime\":\"");
    put_time(nexmark, time_ms);
    put(nexmark, "\",\"extra\":\"");
    put_extra(nexmark, size, 200);
    put(nexmark, "\"},\"auction\":null,\"bid\":null}\n");
}

static void nexmark_auction(struct nexmark *nexmark, uint64_t n, int64_t time_ms)
{
    uint64_t seller;
    int64_t  initial, horizon_ms;
    uint8_t *begin;
    size_t   size;

    put(nexmark, "{\"event_type\":1,\"person\":null,\"auction\":{\"id\":");
    seller = nexmark_below(nexmark, 4) > 0 ? nexmark_hot(nexmark_last_person(n)) : nexmark_draw_person(nexmark, n);
    put_number(nexmark, nexmark_last_auction(n) + FIRST_ID);
    put(nexmark, ",\"itemName\":\"");
    begin = nexmark->at;
    put_phrase(nexmark, 20);
    put(nexmark, "\",\"description\":\"");
    put_phrase(nexmark, 100);
    size = (size_t)(nexmark->at - begin) - 17 + 48;
    initial = nexmark_draw_price(nexmark);
    put(nexmark, "\",\"initialBid\":");
    put_number(nexmark, (uint64_t)initial);
    put(nexmark, ",\"reserve\":");
    put_number(nexmark, (uint64_t)(initial + nexmark_draw_price(nexmark)));
    put(nexmark, ",\"dateTime\":\"");
    put_time(nexmark, time_ms);
    horizon_ms = nexmark_time_ms(n + IN_FLIGHT * EPOCH / 3, nexmark->rate) - time_ms;
    put(nexmark, "\",\"expires\":\"");
    put_time(nexmark, time_ms + 1 + nexmark_below(nexmark, (uint32_t)MAX(horizon_ms * 2, 1)));
    put(nexmark, "\",\"seller\":");
    put_number(nexmark, seller + FIRST_ID);
    put(nexmark, ",\"category\":");
    put_number(nexmark, 10 + nexmark_below(nexmark, 5));
    put(nexmark, ",\"extra\":\"");
    put_extra(nexmark, size, 500);
    put(nexmark, "\"},\"bid\":null}\n");
}

static void nexmark_bid(struct nexmark *nexmark, uint64_t n, int64_t time_ms)
{
    uint64_t                      last = nexmark_last_auction(n), auction, bidder;
    const struct nexmark_channel *channel;

    put(nexmark, "{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":{\"auction\":");
    if (nexmark_below(nexmark, 2) > 0) {
        auction = nexmark_hot(last);
    } else {
        uint64_t oldest = last > IN_FLIGHT ? last - IN_FLIGHT : 0;

        auction = oldest + nexmark_below(nexmark, (uint32_t)(last - oldest) + 1 + LEAD);
    }
    put_number(nexmark, auction + FIRST_ID);
    bidder = nexmark_below(nexmark, 4) > 0 ? nexmark_hot(nexmark_last_person(n)) + 1 : nexmark_draw_person(nexmark, n);
    put(nexmark, ",\"bidder\":");
    put_number(nexmark, bidder + FIRST_ID);
    put(nexmark, ",\"price\":");
    put_number(nexmark, (uint64_t)nexmark_draw_price(nexmark));
    if (nexmark_below(nexmark, 2) > 0) {
        channel = &nexmark->channels[CHANNELS + nexmark_below(nexmark, CHANNELS_HOT)];
    } else {
        channel = &nexmark->channels[nexmark_below(nexmark, CHANNELS)];
    }
    put(nexmark, ",\"channel\":\"");
    put_bytes(nexmark, channel->name, channel->name_len);
    put(nexmark, "\",\"url\":\"");
    put_bytes(nexmark, channel->url, channel->url_len);
    put(nexmark, "\",\"dateTime\":\"");
    put_time(nexmark, time_ms);
    put(nexmark, "\",\"extra\":\"");
    put_extra(nexmark, 32, 100);
    put(nexmark, "\"}}\n");
}

size_t nexmark_event(struct nexmark *nexmark, uint64_t n, uint8_t *out_line)
{
    int64_t  time_ms = nexmark_time_ms(n, nexmark->rate);
    uint64_t at = n % EPOCH;
    size_t   len;

    nexmark->state = (nexmark->seed << 40) ^ (n * UINT64_C(0xD1342543DE82EF95));
    (void)nexmark_draw(nexmark);
    nexmark->at = out_line;
    if (at == 0) {
        nexmark_person(nexmark, n, time_ms);
    } else if (at < 4) {
        nexmark_auction(nexmark, n, time_ms);
    } else {
        nexmark_bid(nexmark, n, time_ms);
    }
    len = (size_t)(nexmark->at - out_line);
    CHECK(len <= NEXMARK_EVENT_BYTES_MAX);
    return len;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

/* A folder of an address: three or four letters, some of them an underscore. */
static size_t nexmark_word(struct nexmark *nexmark, char *out_text)
{
    size_t len = 3 + nexmark_below(nexmark, 2);

    for (size_t i = 0; i < len; i++) {
        out_text[i] = '_';
        if (nexmark_below(nexmark, 13) != 0) {
            out_text[i] = (char)('a' + nexmark_below(nexmark, 26));
        }
    }
    out_text[len] = '\0';
    return len;
}

/* Most addresses name their channel by its number with the bits reversed, as a positive number where there is one. */
static int64_t nexmark_channel_id(uint32_t number)
{
    uint32_t reversed = 0;
    int32_t  id;

    for (uint32_t bit = 0; bit < 32; bit++) {
        reversed |= ((number >> bit) & 1) << (31 - bit);
    }
    id = (int32_t)reversed;
    return id < 0 && id != INT32_MIN ? -id : id;
}

static void nexmark_make_channel(struct nexmark *nexmark, uint32_t number)
{
    struct nexmark_channel *channel = &nexmark->channels[number];
    char                    folders[3][8];
    int                     len;

    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        (void)nexmark_word(nexmark, folders[i]);
    }
    len = snprintf(channel->url, sizeof(channel->url), "https://www.nexmark.com/%s/%s/%s/item.htm?query=1", folders[0],
                   folders[1], folders[2]);
    if (number < CHANNELS && nexmark_below(nexmark, 10) > 0) {
        len += snprintf(channel->url + len, sizeof(channel->url) - (size_t)len, "&channel_id=%lld",
                        (long long)nexmark_channel_id(number));
    }
    channel->url_len = (uint8_t)len;
    if (number < CHANNELS) {
        len = snprintf(channel->name, sizeof(channel->name), "channel-%u", number % CHANNELS);
    } else {
        len = snprintf(channel->name, sizeof(channel->name), "%s", hot_channels[number - CHANNELS]);
    }
    channel->name_len = (uint8_t)len;
}

struct nexmark *nexmark_create(uint64_t seed, uint64_t rate)
{
    struct nexmark *nexmark = mem_alloc(MEM_CLI, sizeof(*nexmark));

    CHECK(rate > 0);
    nexmark->seed = seed;
    nexmark->rate = rate;
    nexmark->state = seed * GOLDEN + 0x1234567;
    for (size_t i = 0; i < POOL_BYTES; i++) {
        nexmark->pool[i] = (char)('a' + nexmark_below(nexmark, 26));
    }
    for (uint32_t i = 0; i < CHANNELS + CHANNELS_HOT; i++) {
        nexmark_make_channel(nexmark, i);
    }
    return nexmark;
}

void nexmark_destroy(struct nexmark *nexmark)
{
    mem_free(MEM_CLI, nexmark);
}
