/* DescribeTopicPartitions: topics in name order, page by page (KIP-966). */
#include "net/api/api_internal.h"

#include <stdlib.h>

static int describe_order(const void *a, const void *b)
{
    return view_compare(*(const struct view *)a, *(const struct view *)b);
}

/* Sorted names, each once. */
static size_t describe_unique(struct view *names, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !view_equal(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    return kept;
}

/* The names asked for, or all, sorted; those before the cursor left out. False: no memory. */
static bool describe_names(struct api_call *call, struct view **out_names, size_t *out_count)
{
    const struct kp_describe_topic_partitions_request *request = call->request;
    const struct meta_image                           *image = meta_image(call->shard->meta);
    size_t       total = request->topics_count > 0 ? (size_t)request->topics_count : map_count(&image->topics_by_name);
    struct view *names = api_alloc(call, total, sizeof(*names));
    size_t       count = 0;

    if (names == NULL) {
        return false;
    }
    for (int32_t i = 0; i < request->topics_count; i++) {
        names[count++] = request->topics[i].name;
    }
    if (request->topics_count <= 0) {
        MAP_EACH(&image->topics_by_name, entry) {
            names[count++] = ((const struct meta_topic *)entry->value)->name;
        }
    }
    qsort(names, count, sizeof(*names), describe_order);
    count = describe_unique(names, count);
    *out_names = names;
    while (request->cursor != NULL && count > 0 && view_compare((*out_names)[0], request->cursor->topic_name) < 0) {
        (*out_names)++;
        count--;
    }
    *out_count = count;
    return true;
}

static void describe_partition(const struct meta_topic *topic, int32_t index,
                               struct kp_describe_topic_partitions_response_topics_partitions *out)
{
    const int32_t *leader = &topic->partitions[index].leader;

    kp_describe_topic_partitions_response_topics_partitions_init(out);
    out->partition_index = index;
    out->leader_id = *leader;
    out->leader_epoch = topic->partitions[index].leader_epoch;
    out->replica_nodes = leader;
    out->replica_nodes_count = 1;
    out->isr_nodes = leader;
    out->isr_nodes_count = 1;
    out->eligible_leader_replicas_count = 0;
    out->last_known_elr_count = 0;
}

/* Fills one topic from partition `from` on; *left is what the page still takes. Returns the first partition that did
 * not fit, or -1; -2: no memory. */
static int32_t describe_topic(struct api_call *call, struct view name, int32_t from, int32_t *left,
                              struct kp_describe_topic_partitions_response_topics *out)
{
    const struct meta_topic *topic = meta_topic(call->shard->meta, name);
    int32_t                  count;

    kp_describe_topic_partitions_response_topics_init(out);
    out->name = name;
    if (topic == NULL) {
        out->error_code =
            meta_topic_name_valid(name) ? KP_ERR_UNKNOWN_TOPIC_OR_PARTITION : KP_ERR_INVALID_TOPIC_EXCEPTION;
        return -1;
    }
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    out->topic_authorized_operations = API_TOPIC_OPERATIONS;
    count = MIN(MAX(topic->partition_count - from, 0), *left);
    out->partitions = api_alloc(call, (size_t)count, sizeof(*out->partitions));
    if (out->partitions == NULL) {
        return -2;
    }
    for (int32_t i = 0; i < count; i++) {
        describe_partition(topic, from + i, &out->partitions[out->partitions_count++]);
    }
    *left -= count;
    return from + count < topic->partition_count ? from + count : -1;
}

static bool describe_cursor(struct api_call *call, struct view name, int32_t partition,
                            struct kp_describe_topic_partitions_response *response)
{
    response->next_cursor = api_alloc(call, 1, sizeof(*response->next_cursor));
    if (response->next_cursor == NULL) {
        return false;
    }
    response->next_cursor->topic_name = name;
    response->next_cursor->partition_index = partition;
    return true;
}

void api_describe_topic_partitions(struct api_call *call)
{
    const struct kp_describe_topic_partitions_request *request = call->request;
    struct kp_describe_topic_partitions_response      *response = api_alloc(call, 1, sizeof(*response));
    struct view                                       *names = NULL;
    size_t                                             count = 0;
    int32_t left = (int32_t)MIN((int64_t)MAX(request->response_partition_limit, 1),
                                meta_broker_int(call->shard->meta, "max.request.partition.size.limit"));
    bool    good = response != NULL && describe_names(call, &names, &count) &&
                (response->topics = api_alloc(call, count, sizeof(*response->topics))) != NULL;

    for (size_t i = 0; good && i < count && response->next_cursor == NULL; i++) {
        bool    resumed = request->cursor != NULL && view_equal(names[i], request->cursor->topic_name);
        int32_t rest;

        if (left == 0) {
            good = describe_cursor(call, names[i], 0, response);
            break;
        }
        rest = describe_topic(call, names[i], resumed ? MAX(request->cursor->partition_index, 0) : 0, &left,
                              &response->topics[response->topics_count++]);
        good = rest != -2 && (rest == -1 || describe_cursor(call, names[i], rest, response));
    }
    if (!good) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}
