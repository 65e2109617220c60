/* DescribeLogDirs: this shard's own partitions and the space under its directory. Admin clients ask every broker and
 * merge. */
#include "net/api/api_internal.h"

struct log_dirs_topic {
    struct kp_describe_log_dirs_response_results_topics *answer;
    int32_t                                              capacity;
};

/* Partitions grouped by topic: a map from name to the answer's row, which grows by doubling. False: no memory. */
static bool log_dirs_add(struct api_call *call, struct map *rows, struct part *part,
                         struct kp_describe_log_dirs_response_results *result)
{
    struct log_dirs_topic *row = map_get(rows, part_topic(part));

    if (row == NULL) {
        row = api_alloc(call, 1, sizeof(*row));
        if (row == NULL) {
            return false;
        }
        row->answer = &result->topics[result->topics_count++];
        row->answer->name = part_topic(part);
        (void)map_put(rows, part_topic(part), row);
    }
    if (row->answer->partitions_count == row->capacity) {
        int32_t                                                         capacity = MAX(row->capacity * 2, 4);
        struct kp_describe_log_dirs_response_results_topics_partitions *grown =
            api_alloc(call, (size_t)capacity, sizeof(*grown));

        if (grown == NULL) {
            return false;
        }
        if (row->capacity > 0) {
            memcpy(grown, row->answer->partitions, (size_t)row->capacity * sizeof(*grown));
        }
        row->answer->partitions = grown;
        row->capacity = capacity;
    }
    row->answer->partitions[row->answer->partitions_count++] =
        (struct kp_describe_log_dirs_response_results_topics_partitions){
            .partition_index = part_index(part), .partition_size = (int64_t)part_size_bytes(part)};
    return true;
}

/* The partitions that are asked for and here, each once however often it is named. */
static bool log_dirs_asked(struct api_call *call, struct map *rows,
                           struct kp_describe_log_dirs_response_results *result)
{
    const struct kp_describe_log_dirs_request *request = call->request;
    struct map                                 seen;
    bool                                       good = true;

    map_init(&seen, MEM_API);
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct meta_topic *topic = meta_topic(call->shard->meta, request->topics[i].topic);

        for (int32_t k = 0; good && topic != NULL && k < request->topics[i].partitions_count; k++) {
            struct part *part = part_find_id(call->shard->parts, topic->id, request->topics[i].partitions[k]);

            if (part != NULL && map_put(&seen, view_of(&part, sizeof(part)), part) == NULL) {
                good = log_dirs_add(call, rows, part, result);
            }
        }
    }
    map_deinit(&seen);
    return good;
}

static bool log_dirs_fill(struct api_call *call, struct kp_describe_log_dirs_response_results *result)
{
    const struct kp_describe_log_dirs_request *request = call->request;
    struct map                                 rows;
    size_t                                     position = 0;
    struct part                               *part;
    bool                                       good = true;

    result->topics = api_alloc(call, part_table_count(call->shard->parts), sizeof(*result->topics));
    if (result->topics == NULL) {
        return false;
    }
    map_init(&rows, MEM_API);
    if (request->topics_count >= 0) {
        good = log_dirs_asked(call, &rows, result);
    } else {
        while (good && (part = part_table_next(call->shard->parts, &position)) != NULL) {
            good = log_dirs_add(call, &rows, part, result);
        }
    }
    map_deinit(&rows);
    return good;
}

void api_describe_log_dirs(struct api_call *call)
{
    struct kp_describe_log_dirs_response *response = api_alloc(call, 1, sizeof(*response));
    uint64_t                              free_bytes = 0;
    uint64_t                              total_bytes = 0;

    if (response == NULL || (response->results = api_alloc(call, 1, sizeof(*response->results))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    kp_describe_log_dirs_response_results_init(response->results);
    response->results_count = 1;
    response->results[0].log_dir = view_text(call->shard->log_dir);
    if (io_volume_free(call->shard->shard->io, call->shard->log_dir, &free_bytes, &total_bytes) == ERR_OK) {
        response->results[0].total_bytes = (int64_t)total_bytes;
        response->results[0].usable_bytes = (int64_t)free_bytes;
    } else {
        response->results[0].error_code = KP_ERR_KAFKA_STORAGE_ERROR;
    }
    if (!log_dirs_fill(call, response->results)) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}
