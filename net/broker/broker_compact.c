/* broker_compact.c: see broker_compact.h. */
#include "net/broker/broker_compact.h"

#define COMPACT_MAP_BYTES_MIN ((uint64_t)(256 * KIB))

/* Kafka's default says: the largest double. */
static uint64_t compact_rate(double bytes_per_s)
{
    if (bytes_per_s >= 1e18) {
        return UINT64_MAX;
    }
    return bytes_per_s < 1 ? 1 : (uint64_t)bytes_per_s;
}

static void compact_changed(struct meta_watch *watch)
{
    struct broker_compact *compact = CONTAINER_OF(watch, struct broker_compact, watch);
    const struct meta     *meta = compact->meta;
    uint64_t               map_bytes = (uint64_t)meta_broker_int(meta, "log.cleaner.dedupe.buffer.size");
    double                 load = meta_broker_double(meta, "log.cleaner.io.buffer.load.factor");

    store_set_compaction(
        compact->store,
        &(struct store_compact_settings){
            .enabled = meta_broker_bool(meta, "log.cleaner.enable"),
            .map_bytes_max = MAX(map_bytes / compact->shard_count, COMPACT_MAP_BYTES_MIN),
            .load_percent = (uint32_t)(load * 100),
            .buffer_bytes = (uint32_t)meta_broker_int(meta, "log.cleaner.io.buffer.size"),
            .bytes_per_s_max = compact_rate(meta_broker_double(meta, "log.cleaner.io.max.bytes.per.second")),
            .backoff_ms = meta_broker_int(meta, "log.cleaner.backoff.ms"),
        });
}

void broker_compact_init(struct broker_compact *compact, struct meta *meta, struct store *store, uint32_t shard_count)
{
    *compact = (struct broker_compact){.meta = meta, .store = store, .shard_count = shard_count};
    compact->watch.settings_changed = compact_changed;
    meta_watch_add(meta, &compact->watch);
    compact_changed(&compact->watch);
}
