#include "net/broker/broker_banner.h"

static void banner_listeners(const struct broker *broker, const struct broker_facts *facts, FILE *out)
{
    char text[IO_ADDRESS_TEXT_BYTES];

    for (uint32_t i = 0; i < broker_listener_count(broker); i++) {
        const struct broker_listener *listener = broker_listener(broker, i);

        io_address_format(broker_bound(broker, i, 0), text);
        (void)fprintf(out, "  %-10s %.*s://%s", i == 0 ? "listening" : "", (int)listener->name.len,
                      (const char *)listener->name.base, text);
        if (facts->shard_count > 1) {
            (void)fprintf(out, " .. %u, one port per shard", broker_bound(broker, i, facts->shard_count - 1)->port);
        }
        (void)fputc('\n', out);
    }
}

static void banner_storage(const struct broker_facts *facts, FILE *out)
{
    const struct io_volume *volume = &facts->volume;
    const char *promise = volume->volatile_memory_fs ? "NOT DURABLE over a power cut: this file system lives in memory"
                          : volume->durable_writes   ? "acknowledged = on stable storage"
                                                     : "acknowledged = written and synced";

    (void)fprintf(out, "  %-10s %s, %s writes, %u-byte blocks; %s\n", "storage", volume->type_name,
                  volume->direct_align_bytes > 0 ? "direct" : "buffered", volume->block_bytes, promise);
}

void broker_banner_print(const struct broker *broker, struct io *io, const struct machine *machine,
                         const char *http_url, FILE *out)
{
    struct broker_facts facts;
    char                text[IO_ADDRESS_TEXT_BYTES];
    char                path[256];
    char                cluster_id[UUID_TEXT_BYTES];

    broker_facts(broker, &facts);
    uuid_format(facts.cluster_id, cluster_id);
    io_describe(io, span_of(path, sizeof(path)));
    io_address_format(broker_bound(broker, 0, 0), text);
    (void)fprintf(out, "millrace %s, cluster %s, node %d%s\n", MILLRACE_VERSION, cluster_id, facts.first_node_id,
                  facts.formatted ? " (new data directory)" : "");
    banner_listeners(broker, &facts, out);
    (void)fprintf(out, "  %-10s %s\n", "sql", http_url[0] != '\0' ? http_url : "no HTTP listener");
    (void)fprintf(out, "  %-10s %u on %u core%s; %zu partitions\n", "shards", facts.shard_count, facts.core_count,
                  facts.core_count == 1 ? "" : "s", facts.partition_count);
    (void)fprintf(out, "  %-10s %s, kernel %s\n", "i/o", path, machine->kernel);
    banner_storage(&facts, out);
    (void)fprintf(out, "  %-10s %" PRIu64 " MiB at most, %" PRIu64 " MiB of it hot; %" PRIu64 " descriptors\n",
                  "memory", facts.memory_bytes / MIB, (uint64_t)facts.hot_bytes_per_core * facts.core_count / MIB,
                  machine->descriptors_max);
    (void)fprintf(out, "try it:\n");
    (void)fprintf(out, "  echo hello | millrace produce demo -b %s\n", text);
    (void)fprintf(out, "  millrace consume demo -e -b %s\n", text);
    (void)fprintf(out, "millrace: ready\n");
    (void)fflush(out);
}
