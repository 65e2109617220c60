/* cli_group_seek.c: millrace group seek: new positions are computed, shown and committed. */
#include "core/base/check.h"
#include "core/proto/kp_error.h"
#include "tools/cli/cli_group.h"

#include <errno.h>
#include <stdlib.h>

#define LINES_MAX 100000

/* What is to happen to one partition. */
struct seek_row {
    struct cli_place place;
    int64_t          before; /* -1: no position */
    int64_t          after;
};

static int64_t seek_before(const struct cli_committed *committed, size_t count, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < count; i++) {
        if (committed[i].partition == partition && strcmp(committed[i].topic, topic) == 0) {
            return committed[i].offset;
        }
    }
    return -1;
}

/* Partitions named by -t, else those the group has a position in. */
static struct cli_place *seek_places(struct cli *cli, const struct cli_committed *committed, size_t committed_count,
                                     size_t *out_count)
{
    struct cli_place *places = NULL;
    size_t            count = 0;

    for (int n = 0; cli_option_at(cli, "topic", n) != NULL; n++) {
        const char       *topic, *only;
        size_t            more = 0;
        struct cli_place *found, *joined;

        cli_split_topic(cli, cli_option_at(cli, "topic", n), &topic, &only);
        found = cli_places(cli, &topic, 1, only, &more);
        joined = cli_alloc_array(cli, count + more + 1, sizeof(*joined));
        if (count > 0) {
            memcpy(joined, places, count * sizeof(*joined));
        }
        memcpy(joined + count, found, more * sizeof(*joined));
        places = joined;
        count += more;
    }
    if (places != NULL || cli->failed > 0) {
        *out_count = count;
        return places;
    }
    places = cli_alloc_array(cli, committed_count + 1, sizeof(*places));
    for (size_t i = 0; i < committed_count; i++) {
        size_t            all = 0;
        struct cli_place *found;

        if (i > 0 && strcmp(committed[i].topic, committed[i - 1].topic) == 0) {
            continue;
        }
        found = cli_places(cli, &committed[i].topic, 1, NULL, &all);
        for (size_t k = 0; k < all; k++) {
            if (seek_before(committed, committed_count, found[k].topic, found[k].partition) >= 0) {
                places[count++] = found[k];
            }
        }
    }
    *out_count = count;
    return places;
}

/* --- where to ---------------------------------------------------------------------------------------------------- */

static void seek_shift(struct cli *cli, struct cli_place *places, size_t count, const struct cli_committed *committed,
                       size_t committed_count)
{
    struct cli_place *begins = cli_alloc_array(cli, count + 1, sizeof(*begins));
    struct cli_place *ends = cli_alloc_array(cli, count + 1, sizeof(*ends));
    int64_t           shift = 0;

    if (!cli_parse_number(cli_option(cli, "shift"), -(INT64_C(1) << 62), INT64_C(1) << 62, &shift)) {
        cli_die(cli, CLI_USAGE, "'%s' is no number of records", cli_option(cli, "shift"));
    }
    memcpy(begins, places, count * sizeof(*begins));
    memcpy(ends, places, count * sizeof(*ends));
    cli_resolve(cli, &(struct cli_position){.kind = CLI_AT_BEGINNING}, begins, count);
    cli_resolve(cli, &(struct cli_position){.kind = CLI_AT_END}, ends, count);
    for (size_t i = 0; i < count; i++) {
        int64_t before = seek_before(committed, committed_count, places[i].topic, places[i].partition);

        before = before < 0 ? begins[i].offset : before;
        places[i].offset = MIN(MAX(before + shift, begins[i].offset), ends[i].offset);
    }
}

/* Positions of another group, where it has some. */
static size_t seek_like(struct cli *cli, struct cli_place *places, size_t count)
{
    size_t                      other_count = 0, kept = 0;
    const struct cli_committed *other = cli_group_positions(cli, cli_option(cli, "like"), &other_count);

    if (other_count == 0) {
        cli_die(cli, CLI_NOT_FOUND, "group '%s' has no positions", cli_option(cli, "like"));
    }
    for (size_t i = 0; i < count; i++) {
        places[i].offset = seek_before(other, other_count, places[i].topic, places[i].partition);
        if (places[i].offset >= 0) {
            places[kept++] = places[i];
        }
    }
    return kept;
}

/* Lines of topic,partition,offset; also with blanks or tabs. */
static struct cli_place *seek_file(struct cli *cli, size_t *out_count)
{
    const char       *name = cli_option(cli, "from");
    FILE             *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    struct cli_place *places = cli_alloc_array(cli, LINES_MAX, sizeof(*places));
    char              line[512];
    size_t            count = 0;

    if (file == NULL) {
        cli_die(cli, CLI_NOT_FOUND, "cannot read %s: %s", name, strerror(errno));
    }
    for (int number = 1; fgets(line, sizeof(line), file) != NULL; number++) {
        char   *state = NULL;
        char   *topic = strtok_r(line, ", \t\n", &state);
        char   *partition = topic == NULL ? NULL : strtok_r(NULL, ", \t\n", &state);
        char   *offset = partition == NULL ? NULL : strtok_r(NULL, ", \t\n", &state);
        int64_t index = 0, position = 0;

        if (topic == NULL || topic[0] == '#') {
            continue;
        }
        if (offset == NULL || !cli_parse_number(partition, 0, INT32_MAX, &index) ||
            !cli_parse_number(offset, 0, INT64_MAX, &position) || count == LINES_MAX) {
            cli_die(cli, CLI_USAGE, "%s:%d: topic,partition,offset is wanted", name, number);
        }
        places[count++] = (struct cli_place){
            .topic = cli_text_copy(cli, view_text(topic)), .partition = (int32_t)index, .offset = position};
    }
    if (file != stdin) {
        (void)fclose(file);
    }
    *out_count = count;
    return places;
}

static struct cli_place *seek_targets(struct cli *cli, const struct cli_committed *committed, size_t committed_count,
                                      size_t *out_count)
{
    static const char *const ways[] = {"offset", "shift", "like", "from"};
    const char              *way = cli_one_of(cli, ways, COUNT_OF(ways));
    struct cli_position      position = {0};
    struct cli_place        *places;

    if (way == NULL) {
        cli_die(cli, CLI_USAGE, "where to? -O OFFSET, -s N, -g GROUP or -f FILE");
    }
    if (strcmp(way, "from") == 0) {
        return seek_file(cli, out_count);
    }
    if (strcmp(way, "offset") == 0 && !cli_parse_position(cli_option(cli, "offset"), cli_now_ms(), &position)) {
        cli_die(cli, CLI_USAGE, "'%s' is no offset: beginning, end, a number, -N, +N or @TIME",
                cli_option(cli, "offset"));
    }
    if (strcmp(way, "like") == 0 && !cli_flag(cli, "topic")) {
        size_t                      other_count = 0;
        const struct cli_committed *other = cli_group_positions(cli, cli_option(cli, "like"), &other_count);

        places = seek_places(cli, other, other_count, out_count);
    } else {
        places = seek_places(cli, committed, committed_count, out_count);
    }
    if (cli->failed > 0) {
        return places;
    }
    if (strcmp(way, "offset") == 0) {
        cli_resolve(cli, &position, places, *out_count);
    } else if (strcmp(way, "shift") == 0) {
        seek_shift(cli, places, *out_count, committed, committed_count);
    } else {
        *out_count = seek_like(cli, places, *out_count);
    }
    return places;
}

/* --- committing -------------------------------------------------------------------------------------------------- */

static const struct kp_offset_commit_response *seek_commit(struct cli *cli, const char *group,
                                                           const struct seek_row *rows, size_t count)
{
    struct kp_offset_commit_request  *request = CLI_NEW(cli, kp_offset_commit_request, kp_offset_commit_request_init);
    struct kp_offset_commit_response *response;
    int16_t                           code;

    cli_version_limit(cli, KP_OFFSET_COMMIT_KEY, 9); /* from 10 on topics go by id */
    request->group_id = view_text(group);
    request->member_id = view_text("");
    request->topics = cli_alloc_array(cli, count, sizeof(*request->topics));
    for (size_t i = 0; i < count; i++) {
        struct kp_offset_commit_request_topics            *topic = &request->topics[MAX(request->topics_count, 1) - 1];
        struct kp_offset_commit_request_topics_partitions *partition;

        if (request->topics_count == 0 || !view_equal(topic->name, view_text(rows[i].place.topic))) {
            topic = &request->topics[request->topics_count++];
            kp_offset_commit_request_topics_init(topic);
            topic->name = view_text(rows[i].place.topic);
            topic->partitions = cli_alloc_array(cli, count - i, sizeof(*topic->partitions));
        }
        partition = &topic->partitions[topic->partitions_count++];
        kp_offset_commit_request_topics_partitions_init(partition);
        partition->partition_index = rows[i].place.partition;
        partition->committed_offset = rows[i].after;
        partition->committed_metadata = view_text("");
    }
    do {
        response = cli_call(cli, cli_coordinator(cli, CLI_GROUP, group), KP_OFFSET_COMMIT_KEY, request);
        code = response->topics_count > 0 && response->topics->partitions_count > 0
                   ? response->topics->partitions->error_code
                   : (int16_t)KP_ERR_NONE;
    } while (cli_again(cli, code));
    return response;
}

static int16_t seek_code(const struct kp_offset_commit_response *response, const struct cli_place *place)
{
    for (int32_t t = 0; t < response->topics_count; t++) {
        for (int32_t p = 0; p < response->topics[t].partitions_count; p++) {
            if (response->topics[t].partitions[p].partition_index == place->partition &&
                view_equal(response->topics[t].name, view_text(place->topic))) {
                return response->topics[t].partitions[p].error_code;
            }
        }
    }
    return KP_ERR_UNKNOWN_SERVER_ERROR;
}

int cli_group_seek_run(struct cli *cli)
{
    const char                             *group = cli_operand(cli, 0);
    bool                                    dry = cli_flag(cli, "dry-run");
    struct cli_section                     *table = cli_table(cli, NULL, "nothing to move");
    const struct kp_offset_commit_response *response = NULL;
    size_t                                  committed_count = 0, count = 0;
    const struct cli_committed             *committed = cli_group_positions(cli, group, &committed_count);
    const struct cli_place                 *places = seek_targets(cli, committed, committed_count, &count);
    struct seek_row                        *rows = cli_alloc_array(cli, count + 1, sizeof(*rows));
    int16_t                                 first_error = KP_ERR_NONE;

    if (cli->failed > 0) {
        return (int)cli_result(cli);
    }
    if (count == 0) {
        cli_die(cli, CLI_NOT_FOUND, "group '%s' has no positions to move; name topics with -t", group);
    }
    for (size_t i = 0; i < count; i++) {
        rows[i] =
            (struct seek_row){.place = places[i],
                              .before = seek_before(committed, committed_count, places[i].topic, places[i].partition),
                              .after = places[i].offset};
    }
    if (!dry) {
        response = seek_commit(cli, group, rows, count);
    }
    for (size_t i = 0; i < count; i++) {
        int16_t code = dry ? (int16_t)KP_ERR_NONE : seek_code(response, &rows[i].place);

        cli_row(table);
        cli_put_text(table, "topic", rows[i].place.topic);
        cli_put_number(table, "partition", rows[i].place.partition);
        if (rows[i].before < 0) {
            cli_put_none(table, "before");
        } else {
            cli_put_number(table, "before", rows[i].before);
        }
        cli_put_number(table, "after", rows[i].after);
        cli_put_error(table, "error", code == KP_ERR_NONE ? NULL : kp_error_name(code), dry ? "would move" : "moved");
        if (code == KP_ERR_NONE) {
            cli->good++;
        } else if (code == first_error) {
            cli->failed++; /* said once */
        } else {
            first_error = code;
            cli_group_fail(cli, "move", group, code, (struct view){0});
        }
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}
