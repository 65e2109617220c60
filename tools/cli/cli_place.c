/* cli_place.c: partitions, their leaders and offsets: asked broker by broker, answered in one array. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_topic.h"

#define OFFSET_MAX INT64_MAX

struct place_filter {
    int32_t partition;
    bool    wanted;
};

static void place_filter_each(void *context, int64_t value)
{
    struct place_filter *filter = context;

    filter->wanted = filter->wanted || value == filter->partition;
}

static bool place_wanted(struct cli *cli, const char *only, int32_t partition)
{
    struct place_filter filter = {.partition = partition};

    if (only == NULL) {
        return true;
    }
    if (!cli_parse_ranges(only, INT32_MAX, place_filter_each, &filter)) {
        cli_die(cli, CLI_USAGE, "'%s' is no list of partitions as 0,2,5-7", only);
    }
    return filter.wanted;
}

/* Every partition that was named must be there. */
struct place_check {
    struct cli *cli;
    const char *topic;
    int32_t     count;
};

static void place_check_each(void *context, int64_t value)
{
    const struct place_check *check = context;

    if (value >= check->count) {
        cli_die(check->cli, CLI_NOT_FOUND, "topic '%s' has no partition %lld; it has %d", check->topic,
                (long long)value, check->count);
    }
}

struct cli_place *cli_places(struct cli *cli, const char *const *topics, int topic_count, const char *only,
                             size_t *out_count)
{
    const struct kp_metadata_response *response = cli_topics(cli, topics, topic_count);
    struct cli_place                  *places;
    size_t                             count = 0;

    for (int32_t i = 0; i < response->topics_count; i++) {
        count += (size_t)MAX(response->topics[i].partitions_count, 0);
    }
    places = cli_alloc_array(cli, count + 1, sizeof(*places));
    count = 0;
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct kp_metadata_response_topics *topic = &response->topics[i];
        const char                               *name = cli_text_copy(cli, topic->name);
        struct place_check                        check = {.cli = cli, .topic = name, .count = topic->partitions_count};

        if (topic->error_code != KP_ERR_NONE) {
            cli_topic_fail(cli, "look at", topic->name, topic->error_code, (struct view){0});
            continue;
        }
        if (only != NULL && cli_parse_ranges(only, INT32_MAX, place_check_each, &check)) {
            check.count = 0;
        }
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            if (place_wanted(cli, only, topic->partitions[p].partition_index)) {
                places[count++] = (struct cli_place){.topic = name,
                                                     .partition = topic->partitions[p].partition_index,
                                                     .leader = topic->partitions[p].leader_id,
                                                     .offset = -1};
            }
        }
    }
    *out_count = count;
    return places;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

static int topic_expand(struct cli *cli, const char *pattern, const struct kp_metadata_response *all, const char **to)
{
    int count = 0;

    for (int32_t i = 0; i < all->topics_count; i++) {
        const char *name = cli_text_copy(cli, all->topics[i].name);

        if ((!all->topics[i].is_internal || pattern[0] == '_') && cli_glob(pattern, name)) {
            to[count++] = name;
        }
    }
    if (count == 0) {
        cli_die(cli, CLI_NOT_FOUND, "no topic matches '%s'", pattern);
    }
    return count;
}

const char *const *cli_topic_operands(struct cli *cli, int *out_count)
{
    const struct kp_metadata_response *all = NULL;
    int                                given = cli_operand_count(cli);
    const char                       **names;
    int                                count = 0, patterns = 0;

    for (int i = 0; i < given; i++) {
        patterns += strpbrk(cli_operand(cli, i), "*?[") != NULL;
    }
    if (patterns > 0) {
        all = cli_topics(cli, NULL, -1);
    }
    names =
        cli_alloc_array(cli, (size_t)(given + patterns * (all == NULL ? 0 : all->topics_count)) + 1, sizeof(*names));
    for (int i = 0; i < given; i++) {
        const char *word = cli_operand(cli, i);

        if (strpbrk(word, "*?[") == NULL) {
            names[count++] = word;
        } else {
            count += topic_expand(cli, word, all, names + count);
        }
    }
    *out_count = count;
    return names;
}

/* --- ListOffsets ------------------------------------------------------------------------------------------------- */

/* One topic entry per partition: brokers take it, and answers are matched by name and number. */
static struct kp_list_offsets_request *place_request(struct cli *cli, const struct cli_place *places, size_t count,
                                                     int32_t leader, bool read_committed)
{
    struct kp_list_offsets_request *request = CLI_NEW(cli, kp_list_offsets_request, kp_list_offsets_request_init);

    request->replica_id = -1;
    request->isolation_level = read_committed ? 1 : 0;
    request->timeout_ms = cli_time_left_ms(cli);
    request->topics = cli_alloc_array(cli, count, sizeof(*request->topics));
    for (size_t i = 0; i < count; i++) {
        struct kp_list_offsets_request_topics *topic;

        if (places[i].leader != leader) {
            continue;
        }
        topic = &request->topics[request->topics_count];
        if (request->topics_count == 0 || !view_equal(topic[-1].name, view_text(places[i].topic))) {
            kp_list_offsets_request_topics_init(topic);
            topic->name = view_text(places[i].topic);
            topic->partitions = cli_alloc_array(cli, count - i, sizeof(*topic->partitions));
            request->topics_count++;
        } else {
            topic--;
        }
        kp_list_offsets_request_topics_partitions_init(&topic->partitions[topic->partitions_count]);
        topic->partitions[topic->partitions_count].partition_index = places[i].partition;
        topic->partitions[topic->partitions_count].timestamp = places[i].asked;
        topic->partitions_count++;
    }
    return request;
}

/* From *hint on, around: answers come in the order of the questions, so the next one is near. */
static struct cli_place *place_find(struct cli_place *places, size_t count, struct view topic, int32_t partition,
                                    size_t *hint)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = (*hint + i) % count;

        if (places[at].partition == partition && view_equal(view_text(places[at].topic), topic)) {
            *hint = at + 1;
            return &places[at];
        }
    }
    return NULL;
}

/* The worst error of the broker's answers that a repeat may cure. */
static int16_t place_ask_leader(struct cli *cli, struct cli_place *places, size_t count, int32_t leader,
                                bool read_committed)
{
    const struct kp_list_offsets_request  *request = place_request(cli, places, count, leader, read_committed);
    const struct kp_list_offsets_response *response = cli_call(cli, leader, KP_LIST_OFFSETS_KEY, request);
    int16_t                                worst = KP_ERR_NONE;
    size_t                                 hint = 0;

    for (int32_t t = 0; t < response->topics_count; t++) {
        for (int32_t p = 0; p < response->topics[t].partitions_count; p++) {
            const struct kp_list_offsets_response_topics_partitions *row = &response->topics[t].partitions[p];
            struct cli_place *place = place_find(places, count, response->topics[t].name, row->partition_index, &hint);

            if (place != NULL) {
                place->error = row->error_code;
                place->offset = row->offset;
                worst = kp_error_is_retriable(row->error_code) ? row->error_code : worst;
            }
        }
    }
    return worst;
}

/* After a repeat leaders may have moved. */
static void place_refresh(struct cli *cli, struct cli_place *places, size_t count)
{
    size_t hint = 0;

    for (size_t i = 0; i < count; i++) {
        const struct kp_metadata_response *response;

        if (i > 0 && places[i].topic == places[i - 1].topic) {
            continue;
        }
        response = cli_topics(cli, &places[i].topic, 1);
        for (int32_t p = 0; response->topics_count > 0 && p < response->topics[0].partitions_count; p++) {
            struct cli_place *place = place_find(places, count, view_text(places[i].topic),
                                                 response->topics[0].partitions[p].partition_index, &hint);

            if (place != NULL) {
                place->leader = response->topics[0].partitions[p].leader_id;
            }
        }
    }
}

void cli_ask_offsets(struct cli *cli, struct cli_place *places, size_t count, bool read_committed)
{
    int16_t worst;

    for (;;) {
        worst = KP_ERR_NONE;
        for (size_t i = 0; i < count; i++) {
            bool asked = false;

            for (size_t k = 0; k < i && !asked; k++) {
                asked = places[k].leader == places[i].leader;
            }
            if (places[i].leader < 0) {
                places[i].error = worst = KP_ERR_LEADER_NOT_AVAILABLE;
            } else if (!asked) {
                int16_t code = place_ask_leader(cli, places, count, places[i].leader, read_committed);

                worst = code != KP_ERR_NONE ? code : worst;
            }
        }
        if (!cli_again(cli, worst)) {
            break;
        }
        place_refresh(cli, places, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (places[i].error != KP_ERR_NONE) {
            cli_fail_kafka(cli, places[i].error, (struct view){0},
                           cli_format(cli, "no offset of %s [%d]", places[i].topic, places[i].partition));
        }
    }
}

/* --- positions --------------------------------------------------------------------------------------------------- */

static void place_ask_all(struct cli *cli, struct cli_place *places, size_t count, int64_t what)
{
    for (size_t i = 0; i < count; i++) {
        places[i].asked = what;
    }
    cli_ask_offsets(cli, places, count, false);
}

void cli_resolve(struct cli *cli, const struct cli_position *position, struct cli_place *places, size_t count)
{
    int64_t *begins;

    switch (position->kind) {
    case CLI_AT_OFFSET:
        for (size_t i = 0; i < count; i++) {
            places[i].offset = position->value;
        }
        return;
    case CLI_AT_TIME: {
        struct cli_place *ends = cli_alloc_array(cli, count + 1, sizeof(*ends));

        place_ask_all(cli, places, count, position->value);
        memcpy(ends, places, count * sizeof(*ends));
        place_ask_all(cli, ends, count, CLI_ASK_LATEST);
        for (size_t i = 0; i < count; i++) {
            places[i].offset = places[i].offset < 0 ? ends[i].offset : places[i].offset; /* no record that late */
        }
        return;
    }
    case CLI_AT_BEGINNING:
    case CLI_AT_AFTER_BEGINNING:
        place_ask_all(cli, places, count, CLI_ASK_EARLIEST);
        for (size_t i = 0; i < count && position->kind == CLI_AT_AFTER_BEGINNING; i++) {
            places[i].offset += MIN(position->value, OFFSET_MAX - places[i].offset);
        }
        return;
    case CLI_AT_BEFORE_END:
        begins = cli_alloc_array(cli, count + 1, sizeof(*begins));
        place_ask_all(cli, places, count, CLI_ASK_EARLIEST);
        for (size_t i = 0; i < count; i++) {
            begins[i] = places[i].offset;
        }
        place_ask_all(cli, places, count, CLI_ASK_LATEST);
        for (size_t i = 0; i < count; i++) {
            places[i].offset = MAX(places[i].offset - position->value, begins[i]);
        }
        return;
    case CLI_AT_END:
    case CLI_AT_NONE:
        place_ask_all(cli, places, count, CLI_ASK_LATEST);
        return;
    }
}

/* --- millrace topic offsets -------------------------------------------------------------------------------------- */

int cli_topic_offsets_run(struct cli *cli)
{
    const char         *text = cli_option(cli, "offset");
    int                 topic_count = 0;
    const char *const  *topics = cli_topic_operands(cli, &topic_count);
    struct cli_section *table = cli_table(cli, NULL, NULL);
    struct cli_position position = {.kind = CLI_AT_END};
    struct cli_place   *places;
    size_t              count = 0;

    if (text != NULL && !cli_parse_position(text, cli_now_ms(), &position)) {
        cli_die(cli, CLI_USAGE, "'%s' is no offset: beginning, end, -N, +N or @TIME", text);
    }
    places = cli_places(cli, topics, topic_count, cli_option(cli, "partitions"), &count);
    cli_resolve(cli, &position, places, count);
    for (size_t i = 0; i < count; i++) {
        if (places[i].error == KP_ERR_NONE) {
            cli_row(table);
            cli_put_text(table, "topic", places[i].topic);
            cli_put_number(table, "partition", places[i].partition);
            cli_put_number(table, "offset", places[i].offset);
            cli->good++;
        }
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}
