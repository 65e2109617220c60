/* AlterReplicaLogDirs: a shard has one directory. Moving a partition there succeeds, because it is there already; there
 * is no other directory to move it to. */
#include "net/api/api_internal.h"

static int16_t alter_dir_error(struct api_call *call, struct view path, struct view topic, int32_t partition)
{
    const struct meta_topic *known = meta_topic(call->shard->meta, topic);

    if (!view_equal(path, view_text(call->shard->log_dir))) {
        return KP_ERR_LOG_DIR_NOT_FOUND;
    }
    if (known == NULL || part_find_id(call->shard->parts, known->id, partition) == NULL) {
        return KP_ERR_UNKNOWN_TOPIC_OR_PARTITION; /* not on this shard */
    }
    return KP_ERR_NONE;
}

static bool alter_dir_fill(struct api_call *call, const struct kp_alter_replica_log_dirs_request_dirs *dir,
                           struct kp_alter_replica_log_dirs_response *response)
{
    for (int32_t i = 0; i < dir->topics_count; i++) {
        const struct kp_alter_replica_log_dirs_request_dirs_topics *asked = &dir->topics[i];
        struct kp_alter_replica_log_dirs_response_results          *out = &response->results[response->results_count++];

        *out = (struct kp_alter_replica_log_dirs_response_results){.topic_name = asked->name};
        out->partitions = api_alloc(call, (size_t)asked->partitions_count, sizeof(*out->partitions));
        if (out->partitions == NULL) {
            return false;
        }
        for (int32_t k = 0; k < asked->partitions_count; k++) {
            out->partitions[out->partitions_count++] = (struct kp_alter_replica_log_dirs_response_results_partitions){
                .partition_index = asked->partitions[k],
                .error_code = alter_dir_error(call, dir->path, asked->name, asked->partitions[k])};
        }
    }
    return true;
}

void api_alter_replica_log_dirs(struct api_call *call)
{
    const struct kp_alter_replica_log_dirs_request *request = call->request;
    struct kp_alter_replica_log_dirs_response      *response = api_alloc(call, 1, sizeof(*response));
    size_t                                          topics = 0;
    bool                                            good = response != NULL;

    for (int32_t i = 0; i < request->dirs_count; i++) {
        topics += (size_t)request->dirs[i].topics_count;
    }
    if (good) {
        response->results = api_alloc(call, topics, sizeof(*response->results));
        good = response->results != NULL;
    }
    for (int32_t i = 0; good && i < request->dirs_count; i++) {
        good = alter_dir_fill(call, &request->dirs[i], response);
    }
    if (!good) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}
