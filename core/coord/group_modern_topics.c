/* group_modern_topics.c: from subscriptions to topics: names, regular expressions, and a hash that says when what a
 * group reads has changed. */
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/slog.h"
#include "core/coord/group_modern.h"

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C(0x100000001b3)

static int compare_names(const void *a, const void *b)
{
    return view_compare(*(const struct view *)a, *(const struct view *)b);
}

static bool has_name(const struct view *names, uint32_t count, struct view name)
{
    return count != 0 && bsearch(&name, names, count, sizeof(name), compare_names) != NULL;
}

/* --- regular expressions ------------------------------------------------------------------------------------------ */

uint32_t modern__regex_subscribers(const struct modern_group *group, const struct modern_roster *roster,
                                   struct view text)
{
    const struct modern_regex *regex = map_get(&group->regexes, text);
    uint32_t                   count = regex == NULL ? 0 : regex->subscribers;

    for (uint32_t i = 0; i < roster->without_count; i++) {
        if (modern__has_regex(roster->without[i]) && view_equal(roster->without[i]->regex, text)) {
            CHECK(count > 0);
            count--;
        }
    }
    if (roster->with != NULL && modern__has_regex(roster->with) && view_equal(roster->with->regex, text)) {
        count++;
    }
    return count;
}

static bool match_all(struct modern_group *group, struct view text, const struct group_regex *compiled,
                      struct modern_regex_result *out_result)
{
    struct modern_host *host = group->host;
    struct modern_topic topic;
    size_t              position = 0;
    uint32_t            count = 0;

    while (host->ops->topic_next(host, &position, &topic)) {
        count += group_regex_match(compiled, topic.name) ? 1 : 0;
    }
    struct view *names = arena_alloc_array(&host->batch.arena, count, sizeof(names[0]));
    if (names == NULL) {
        return false;
    }
    position = 0;
    for (uint32_t at = 0; at < count && host->ops->topic_next(host, &position, &topic);) {
        if (group_regex_match(compiled, topic.name)) {
            names[at++] = topic.name;
        }
    }
    qsort(names, count, sizeof(names[0]), compare_names);
    *out_result = (struct modern_regex_result){.text = text, .topics = names, .topic_count = count};
    return true;
}

/* An expression that was valid when it came and is not any more (another release wrote it) matches nothing. */
static bool resolve(struct modern_group *group, struct view text, struct modern_regex_result *out_result)
{
    struct modern_regex *regex = map_get(&group->regexes, text);
    struct group_regex  *compiled = regex == NULL ? NULL : regex->compiled;
    char                 reason[MODERN_REASON_BYTES];

    *out_result = (struct modern_regex_result){.text = text};
    if (compiled == NULL && group_regex_compile(text, &compiled, span_of(reason, sizeof(reason))) != ERR_OK) {
        return true;
    }
    bool done = match_all(group, text, compiled, out_result);
    if (regex != NULL) {
        regex->compiled = compiled;
    } else {
        group_regex_destroy(compiled);
    }
    return done;
}

/* What the log says, when topics are the same; else matched again, and written when it differs. */
static bool regex_result(struct modern_group *group, struct view text, bool emit,
                         struct modern_regex_result *out_result)
{
    struct modern_host        *host = group->host;
    const struct modern_regex *regex = map_get(&group->regexes, text);
    int64_t                    version = host->ops->topics_version(host);

    if (regex != NULL && regex->resolved && version == group->topics_version) {
        *out_result =
            (struct modern_regex_result){.text = text, .topics = regex->topics, .topic_count = regex->topic_count};
        return true;
    }
    if (!resolve(group, text, out_result)) {
        return false;
    }
    if (emit &&
        (regex == NULL || !regex->resolved ||
         !modern__names_equal(regex->topics, regex->topic_count, out_result->topics, out_result->topic_count))) {
        modern__emit_regex(group, out_result, version);
    }
    return true;
}

static bool resolve_all(struct modern_group *group, const struct modern_roster *roster, bool emit,
                        struct modern_subscription *subscription)
{
    size_t most = map_count(&group->regexes) + 1;
    bool   listed = false; /* the expression of roster->with is among the group's */

    subscription->regexes = arena_alloc_array(&group->host->batch.arena, most, sizeof(subscription->regexes[0]));
    if (subscription->regexes == NULL) {
        return false;
    }
    MAP_EACH(&group->regexes, entry) {
        struct view text = view_of(entry->key, entry->key_len);

        listed = listed ||
                 (roster->with != NULL && modern__has_regex(roster->with) && view_equal(roster->with->regex, text));
        if (modern__regex_subscribers(group, roster, text) == 0) {
            if (emit && ((const struct modern_regex *)entry->value)->resolved) {
                modern__emit_regex_gone(group, text);
            }
        } else if (!regex_result(group, text, emit, &subscription->regexes[subscription->regex_count++])) {
            return false;
        }
    }
    if (!listed && roster->with != NULL && modern__has_regex(roster->with)) {
        return regex_result(group, roster->with->regex, emit, &subscription->regexes[subscription->regex_count++]);
    }
    return true;
}

/* --- topics ------------------------------------------------------------------------------------------------------- */

static uint32_t subscribers(const struct modern_roster *roster, struct view name, uint32_t count)
{
    for (uint32_t i = 0; i < roster->without_count; i++) {
        if (has_name(roster->without[i]->topics, roster->without[i]->topic_count, name)) {
            count--;
        }
    }
    return count;
}

/* Every name and every match, in any order and more than once. */
static bool collect_names(struct modern_group *group, const struct modern_roster *roster,
                          const struct modern_subscription *subscription, struct view **out_names, uint32_t *out_count)
{
    size_t       most = map_count(&group->topics) + (roster->with == NULL ? 0 : roster->with->topic_count);
    struct view *names;
    uint32_t     count = 0;

    for (uint32_t i = 0; i < subscription->regex_count; i++) {
        most += subscription->regexes[i].topic_count;
    }
    names = arena_alloc_array(&group->host->batch.arena, most, sizeof(names[0]));
    if (names == NULL) {
        return false;
    }
    MAP_EACH(&group->topics, entry) {
        struct view name = view_of(entry->key, entry->key_len);

        if (subscribers(roster, name, *(const uint32_t *)entry->value) > 0) {
            names[count++] = name;
        }
    }
    for (uint32_t i = 0; roster->with != NULL && i < roster->with->topic_count; i++) {
        names[count++] = roster->with->topics[i];
    }
    for (uint32_t i = 0; i < subscription->regex_count; i++) {
        for (uint32_t t = 0; t < subscription->regexes[i].topic_count; t++) {
            names[count++] = subscription->regexes[i].topics[t];
        }
    }
    *out_names = names;
    *out_count = count;
    return true;
}

static uint64_t fold(uint64_t hash, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * FNV_PRIME;
    }
    return hash;
}

/* 0 when there are no topics, and only then. Stands in records: must stay as it is, or every group rebalances once. */
static int64_t hash_topics(const struct modern_topic *topics, uint32_t count)
{
    uint64_t hash = FNV_OFFSET;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t partitions[4];

        store_be32(partitions, (uint32_t)topics[i].partition_count);
        hash = fold(hash, topics[i].id.bytes, sizeof(topics[i].id.bytes));
        hash = fold(hash, topics[i].name.base, topics[i].name.len);
        hash = fold(hash, partitions, sizeof(partitions));
    }
    return count == 0 ? 0 : (int64_t)(hash == 0 ? 1 : hash);
}

struct placed {
    struct uuid id;
    uint32_t    at; /* in topics */
};

static int compare_placed(const void *a, const void *b)
{
    return memcmp(((const struct placed *)a)->id.bytes, ((const struct placed *)b)->id.bytes, sizeof(struct uuid));
}

static bool order_by_id(struct arena *arena, struct modern_subscription *subscription)
{
    uint32_t       count = subscription->topic_count;
    struct placed *placed = arena_alloc_array(arena, count, sizeof(placed[0]));

    subscription->places = arena_alloc_array(arena, count, sizeof(subscription->places[0]));
    subscription->by_id = arena_alloc_array(arena, count, sizeof(subscription->by_id[0]));
    if (placed == NULL || subscription->places == NULL || subscription->by_id == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        placed[i] = (struct placed){.id = subscription->topics[i].id, .at = i};
    }
    qsort(placed, count, sizeof(placed[0]), compare_placed);
    for (uint32_t i = 0; i < count; i++) {
        subscription->places[placed[i].at] = i;
        subscription->by_id[i] = (struct assign_topic){
            .id = placed[i].id, .partition_count = subscription->topics[placed[i].at].partition_count};
    }
    return true;
}

bool modern__subscription(struct modern_group *group, const struct modern_roster *roster, bool emit,
                          struct modern_subscription *out_subscription)
{
    struct modern_host *host = group->host;
    struct view        *names = NULL;
    uint32_t            count = 0;

    *out_subscription = (struct modern_subscription){0};
    if (!resolve_all(group, roster, emit, out_subscription) ||
        !collect_names(group, roster, out_subscription, &names, &count)) {
        return false;
    }
    names = modern__names_sorted(&host->batch.arena, names, count, &count);
    out_subscription->topics = arena_alloc_array(&host->batch.arena, count, sizeof(out_subscription->topics[0]));
    if (names == NULL || out_subscription->topics == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (host->ops->topic_by_name(host, names[i], &out_subscription->topics[out_subscription->topic_count])) {
            out_subscription->topic_count++;
        }
    }
    out_subscription->hash = hash_topics(out_subscription->topics, out_subscription->topic_count);
    return order_by_id(&host->batch.arena, out_subscription);
}

/* --- one member --------------------------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static void add_place(const struct modern_subscription *subscription, struct view name, uint32_t *places,
                      uint32_t *count)
{
    uint32_t low = 0;
    uint32_t high = subscription->topic_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int      order = view_compare(subscription->topics[middle].name, name);

        if (order == 0) {
            places[(*count)++] = subscription->places[middle];
            return;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
}

uint32_t *modern__places(struct modern_group *group, const struct modern_subscription *subscription,
                         const struct modern_member *member, uint32_t *out_count)
{
    const struct modern_regex_result *regex = NULL;
    uint32_t                          count = 0, kept = 0;

    for (uint32_t i = 0; modern__has_regex(member) && i < subscription->regex_count; i++) {
        if (view_equal(subscription->regexes[i].text, member->regex)) {
            regex = &subscription->regexes[i];
        }
    }
    size_t    most = (size_t)member->topic_count + (regex == NULL ? 0 : regex->topic_count);
    uint32_t *places = arena_alloc_array(&group->host->batch.arena, most, sizeof(places[0]));
    if (places == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < member->topic_count; i++) {
        add_place(subscription, member->topics[i], places, &count);
    }
    for (uint32_t i = 0; regex != NULL && i < regex->topic_count; i++) {
        add_place(subscription, regex->topics[i], places, &count);
    }
    qsort(places, count, sizeof(places[0]), compare_places);
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || places[i] != places[kept - 1]) {
            places[kept++] = places[i];
        }
    }
    *out_count = kept;
    return places;
}

bool modern__reads(const struct modern_group *group, const struct modern_subscription *subscription,
                   const struct modern_member *member, struct uuid topic_id)
{
    struct modern_topic        topic;
    const struct modern_regex *regex;

    if (!group->host->ops->topic_by_id(group->host, topic_id, &topic)) {
        return false;
    }
    if (has_name(member->topics, member->topic_count, topic.name)) {
        return true;
    }
    if (!modern__has_regex(member)) {
        return false;
    }
    for (uint32_t i = 0; subscription != NULL && i < subscription->regex_count; i++) {
        const struct modern_regex_result *result = &subscription->regexes[i];

        if (view_equal(result->text, member->regex)) {
            return has_name(result->topics, result->topic_count, topic.name);
        }
    }
    regex = map_get(&group->regexes, member->regex);
    return regex != NULL && has_name(regex->topics, regex->topic_count, topic.name);
}
