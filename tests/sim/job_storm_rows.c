/* What rows of each topic may be, and what must be there in the end. See job_storm.h. */
#include "tests/sim/job_storm.h"

#include <stdio.h>

#define TEXT_BYTES 128

void job_storm_rows_begin(struct job_storm *storm)
{
    memset(&storm->found, 0, sizeof(storm->found));
    for (int price = 0; price < JOB_STORM_BIDS; price++) {
        storm->found.bids[price] = (struct job_bid){.auction = -1, .copy = -1, .seller = -1, .pair = -1};
    }
}

/* --- one row -------------------------------------------------------------------------------------------------------
 */

static bool is_bid(const struct job_storm *storm, int auction, int price)
{
    return price >= 1 && price <= storm->next_price && auction >= 0 && auction < JOB_STORM_KEYS;
}

static bool take_bid(struct job_storm *storm, int32_t partition, int64_t offset, const char *text)
{
    int auction = -1, price = -1;

    if (sscanf(text, "{\"auction\":%d,\"price\":%d}", &auction, &price) != 2 || !is_bid(storm, auction, price)) {
        return false;
    }
    storm->found.bids[price].auction = auction;
    storm->found.bids[price].partition = partition;
    storm->found.bids[price].offset = offset;
    storm->found.source_rows++;
    return true;
}

static bool take_ask(struct job_storm *storm, const char *text)
{
    int seller = -1, price = -1;

    if (sscanf(text, "{\"price\":%d,\"seller\":%d}", &price, &seller) != 2 || !is_bid(storm, 0, price) || seller < 0) {
        return false;
    }
    storm->found.bids[price].seller = seller;
    return true;
}

/* Once. */
static bool take_copy(struct job_storm *storm, const char *text)
{
    int auction = -1, price = -1;

    if (sscanf(text, "{\"auction\":%d,\"price\":%d}", &auction, &price) != 2 || !is_bid(storm, auction, price) ||
        storm->found.bids[price].copy >= 0) {
        return false;
    }
    storm->found.bids[price].copy = auction;
    storm->found.copied_rows++;
    return true;
}

/* More each time. */
static bool take_sum(struct job_storm *storm, const char *text)
{
    int       auction = -1;
    long long count = -1, total = -1;

    if (sscanf(text, "{\"auction\":%d,\"n\":%lld,\"total\":%lld}", &auction, &count, &total) != 3 ||
        !is_bid(storm, auction, 1) || count <= storm->found.sums[auction].count) {
        return false;
    }
    storm->found.sums[auction] = (struct job_sum){.count = count, .total = total};
    storm->found.other_rows++;
    return true;
}

/* Once. */
static bool take_window(struct job_storm *storm, const char *text)
{
    int             window = -1, auction = -1;
    long long       count = -1, total = -1;
    struct job_sum *sum;

    if (sscanf(text, "{\"w\":%d,\"auction\":%d,\"n\":%lld,\"total\":%lld}", &window, &auction, &count, &total) != 4 ||
        window < 0 || window >= JOB_STORM_WINDOWS || !is_bid(storm, auction, 1) || count < 1) {
        return false;
    }
    sum = &storm->found.windows[window][auction];
    if (sum->count > 0) {
        return false;
    }
    *sum = (struct job_sum){.count = count, .total = total};
    storm->found.other_rows++;
    return true;
}

/* Once. */
static bool take_pair(struct job_storm *storm, const char *text)
{
    int auction = -1, price = -1, seller = -1;

    if (sscanf(text, "{\"auction\":%d,\"price\":%d,\"seller\":%d}", &auction, &price, &seller) != 3 ||
        !is_bid(storm, auction, price) || seller < 0 || storm->found.bids[price].pair >= 0) {
        return false;
    }
    storm->found.bids[price].pair = seller;
    storm->found.other_rows++;
    return true;
}

/* Higher each time. */
static bool take_top(struct job_storm *storm, const char *text)
{
    int auction = -1, rank = -1, price = -1;

    if (sscanf(text, "{\"auction\":%d,\"rank_number\":%d,\"price\":%d}", &auction, &rank, &price) != 3 ||
        !is_bid(storm, auction, price) || rank < 1 || rank > JOB_STORM_RANKS ||
        price <= storm->found.tops[auction][rank - 1]) {
        return false;
    }
    storm->found.tops[auction][rank - 1] = price;
    storm->found.other_rows++;
    return true;
}

void job_storm_row(struct job_storm *storm, int topic, int32_t partition, int64_t offset, struct view value)
{
    char text[TEXT_BYTES] = "";
    bool good = false;

    memcpy(text, value.base, MIN(value.len, sizeof(text) - 1));
    switch (topic) {
    case STORM_BIDS:
        good = take_bid(storm, partition, offset, text);
        break;
    case STORM_ASKS:
        good = take_ask(storm, text);
        break;
    case STORM_COPY:
        good = take_copy(storm, text);
        break;
    case STORM_SUMS:
        good = take_sum(storm, text);
        break;
    case STORM_WINDOWS:
        good = take_window(storm, text);
        break;
    case STORM_PAIRS:
        good = take_pair(storm, text);
        break;
    case STORM_TOPS:
        good = take_top(storm, text);
        break;
    default:
        break;
    }
    if (!good) {
        voice_fail(&storm->life.voice, "%s-%d offset %" PRId64 " holds '%s': twice, behind a later one, or nobody's",
                   job_storm_topic(topic), partition, offset, text);
    }
}

/* --- all of them ---------------------------------------------------------------------------------------------------
 */

/* Of the source's bids from `first` on, before `end`. */
static struct job_sum source_sum(const struct job_storm *storm, int auction, int first, int end)
{
    struct job_sum sum = {0};

    for (int price = MAX(first, 1); price < end && price <= storm->next_price; price++) {
        if (storm->found.bids[price].auction == auction) {
            sum.count++;
            sum.total += price;
        }
    }
    return sum;
}

static struct job_sum window_sum(const struct job_storm *storm, int window, int auction)
{
    return source_sum(storm, auction, window * JOB_STORM_WINDOW, (window + 1) * JOB_STORM_WINDOW);
}

static bool same_sum(struct job_sum a, struct job_sum b)
{
    return a.count == b.count && a.total == b.total;
}

static void check_windows(struct job_storm *storm)
{
    for (int window = 0; window < JOB_STORM_WINDOWS; window++) {
        for (int auction = 0; auction < JOB_STORM_KEYS; auction++) {
            struct job_sum found = storm->found.windows[window][auction], expected = found;

            if (found.count > 0) {
                expected = window_sum(storm, window, auction);
            }
            if (!same_sum(found, expected)) {
                voice_fail(&storm->life.voice,
                           "window %d of auction %d: %" PRId64 " bids, %" PRId64 " in all, the source has %" PRId64
                           ", %" PRId64,
                           window, auction, found.count, found.total, expected.count, expected.total);
            }
        }
    }
}

static void check_bid(struct job_storm *storm, int price, const int64_t *positions)
{
    const struct job_bid *bid = &storm->found.bids[price];

    if (bid->copy >= 0 && bid->copy != bid->auction) {
        voice_fail(&storm->life.voice, "bid %d of auction %d was copied, the source has %d", price, bid->copy,
                   bid->auction);
    }
    if (bid->pair >= 0 && (bid->pair != bid->seller || bid->auction < 0)) {
        voice_fail(&storm->life.voice, "bid %d of auction %d is paired with seller %d, the asks have %d", price,
                   bid->auction, bid->pair, bid->seller);
    }
    if (bid->auction >= 0 && bid->copy < 0 && bid->offset < positions[bid->partition]) {
        voice_fail(&storm->life.voice,
                   "the group is at %" PRId64 " of bids-%d, but bid %d at %" PRId64 " is not copied",
                   positions[bid->partition], bid->partition, price, bid->offset);
    }
}

void job_storm_rows_end(struct job_storm *storm, const int64_t *positions)
{
    for (int price = 1; price <= storm->next_price; price++) {
        check_bid(storm, price, positions);
    }
    check_windows(storm);
}

/* --- in the end ----------------------------------------------------------------------------------------------------
 */

static bool has_sums(const struct job_storm *storm)
{
    for (int auction = 0; auction < JOB_STORM_KEYS; auction++) {
        if (!same_sum(storm->found.sums[auction], source_sum(storm, auction, 1, JOB_STORM_BIDS))) {
            return false;
        }
    }
    return true;
}

static bool has_windows(const struct job_storm *storm)
{
    for (int window = 0; window < (JOB_STORM_LAST_BIDS - 1) / JOB_STORM_WINDOW; window++) {
        for (int auction = 0; auction < JOB_STORM_KEYS; auction++) {
            if (!same_sum(storm->found.windows[window][auction], window_sum(storm, window, auction))) {
                return false;
            }
        }
    }
    return true;
}

static bool has_pairs(const struct job_storm *storm)
{
    for (int price = 1; price <= storm->next_price; price++) {
        const struct job_bid *bid = &storm->found.bids[price];

        if (bid->auction >= 0 && bid->seller >= 0 && bid->pair < 0) {
            return false;
        }
    }
    return true;
}

static bool has_tops(const struct job_storm *storm)
{
    int tops[JOB_STORM_KEYS][JOB_STORM_RANKS] = {0};

    for (int price = 1; price <= storm->next_price; price++) { /* rising */
        int auction = storm->found.bids[price].auction;

        if (auction >= 0) {
            tops[auction][1] = tops[auction][0];
            tops[auction][0] = price;
        }
    }
    return memcmp(tops, storm->found.tops, sizeof(tops)) == 0;
}

const char *job_storm_rows_missing(const struct job_storm *storm)
{
    if (storm->found.copied_rows != storm->found.source_rows) {
        return "copies";
    }
    if (storm->is_used[STORM_SUMS] && !has_sums(storm)) {
        return "sums";
    }
    if (storm->is_used[STORM_WINDOWS] && !has_windows(storm)) {
        return "windows";
    }
    if (storm->is_used[STORM_PAIRS] && !has_pairs(storm)) {
        return "pairs";
    }
    return storm->is_used[STORM_TOPS] && !has_tops(storm) ? "ranks" : NULL;
}
