/* cli_cluster.c: millrace cluster. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_topic.h"

struct broker_sums {
    int64_t leaders, partitions;
    int64_t bytes, usable_bytes, total_bytes;
};

static void cluster_count(const struct kp_metadata_response *topics, int32_t id, struct broker_sums *sums)
{
    for (int32_t t = 0; t < topics->topics_count; t++) {
        for (int32_t p = 0; p < topics->topics[t].partitions_count; p++) {
            const struct kp_metadata_response_topics_partitions *row = &topics->topics[t].partitions[p];

            sums->leaders += row->leader_id == id;
            for (int32_t r = 0; r < row->replica_nodes_count; r++) {
                sums->partitions += row->replica_nodes[r] == id;
            }
        }
    }
}

/* One row per log directory; sums for the broker. */
static void cluster_dirs(struct cli *cli, int32_t id, struct cli_section *table, struct broker_sums *sums)
{
    struct kp_describe_log_dirs_request *request =
        CLI_NEW(cli, kp_describe_log_dirs_request, kp_describe_log_dirs_request_init);
    const struct kp_describe_log_dirs_response *response;

    if (cli_version(cli, id, KP_DESCRIBE_LOG_DIRS_KEY) < 0) {
        return;
    }
    request->topics_count = -1;
    response = cli_call(cli, id, KP_DESCRIBE_LOG_DIRS_KEY, request);
    for (int32_t d = 0; d < response->results_count; d++) {
        const struct kp_describe_log_dirs_response_results *dir = &response->results[d];
        int64_t                                             bytes = 0;

        for (int32_t t = 0; t < dir->topics_count; t++) {
            for (int32_t p = 0; p < dir->topics[t].partitions_count; p++) {
                bytes += dir->topics[t].partitions[p].partition_size;
            }
        }
        sums->bytes += bytes;
        cli_row(table);
        cli_put_number(table, "broker", id);
        cli_put_view(table, "directory", dir->log_dir);
        cli_put_bytes(table, "bytes", bytes);
        cli_put_bytes(table, "free", dir->usable_bytes);
        cli_put_bytes(table, "size", dir->total_bytes);
        cli_put_error(table, "error", dir->error_code == KP_ERR_NONE ? NULL : kp_error_name(dir->error_code), "ok");
    }
}

static void cluster_features(struct cli *cli)
{
    struct cli_section             *table = cli_table(cli, "features", NULL);
    struct kp_api_versions_request *request = CLI_NEW(cli, kp_api_versions_request, kp_api_versions_request_init);
    const struct kp_api_versions_response *response;

    if (cli_version(cli, CLI_NODE_ANY, KP_API_VERSIONS_KEY) < 3) {
        return;
    }
    request->client_software_name = view_text("millrace");
    request->client_software_version = view_text("1");
    response = cli_call(cli, CLI_NODE_ANY, KP_API_VERSIONS_KEY, request);
    for (int32_t i = 0; i < response->finalized_features_count; i++) {
        cli_row(table);
        cli_put_view(table, "feature", response->finalized_features[i].name);
        cli_put_number(table, "level", response->finalized_features[i].max_version_level);
    }
    cli_sort(table);
}

int cli_cluster_run(struct cli *cli)
{
    const struct kp_metadata_response *topics = cli_topics(cli, NULL, -1);
    int32_t                            count = 0;
    const struct cli_node             *nodes = cli_nodes(cli, &count);
    struct cli_section                *cluster = cli_record(cli, "cluster");
    struct cli_section                *brokers = cli_table(cli, "brokers", NULL);
    struct cli_section                *dirs = cli_table(cli, "log_directories", NULL);
    int64_t                            partitions = 0, leaderless = 0;

    for (int32_t t = 0; t < topics->topics_count; t++) {
        partitions += topics->topics[t].partitions_count;
        for (int32_t p = 0; p < topics->topics[t].partitions_count; p++) {
            leaderless += topics->topics[t].partitions[p].leader_id < 0;
        }
    }
    cli_put_text(cluster, "cluster_id", cli_cluster_id(cli));
    cli_put_number(cluster, "controller", cli_controller(cli));
    cli_put_number(cluster, "brokers", count);
    cli_put_number(cluster, "topics", topics->topics_count);
    cli_put_number(cluster, "partitions", partitions);
    cli_put_number(cluster, "leaderless", leaderless);
    for (int32_t i = 0; i < count; i++) {
        struct broker_sums sums = {0};

        cluster_count(topics, nodes[i].id, &sums);
        cluster_dirs(cli, nodes[i].id, dirs, &sums);
        cli_row(brokers);
        cli_put_number(brokers, "id", nodes[i].id);
        cli_put_text(brokers, "host", nodes[i].host);
        cli_put_number(brokers, "port", nodes[i].port);
        cli_put_text(brokers, "rack", nodes[i].rack);
        cli_put_number(brokers, "leaders", sums.leaders);
        cli_put_number(brokers, "partitions", sums.partitions);
        cli_put_bytes(brokers, "bytes", sums.bytes);
    }
    cluster_features(cli);
    cli_out_print(cli);
    return CLI_DONE;
}
