/* meta_rig.c: see meta_rig.h. */
#include "tests/unit/meta/meta_rig.h"

#include <stdarg.h>
#include <stdio.h>

struct rig rig;

/* --- life ---------------------------------------------------------------------------------------------------- */

static void rig_quiet(enum slog_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    (void)text;
}

void rig_create(uint32_t shard_count, uint64_t seed)
{
    struct sim_options options;

    slog_set_sink(rig_quiet);
    rig = (struct rig){.shard_count = shard_count, .core_count = shard_count};
    sim_options_default(&options, seed);
    rig.sim = sim_create(&options);
    meta_config_set_init(&rig.statics.file);
    meta_config_set_init(&rig.statics.command);
    rig.meta_host = (struct meta_host){.cluster_id = {{1, 2, 3}},
                                       .first_node_id = RIG_NODE,
                                       .shard_count = shard_count,
                                       .statics = &rig.statics,
                                       .brokers = rig.brokers,
                                       .shards = rig.metas};
    for (uint32_t i = 0; i < shard_count; i++) {
        struct meta_broker *broker = &rig.brokers[i];

        *broker = (struct meta_broker){.node_id = RIG_NODE + (int32_t)i,
                                       .shard = i,
                                       .incarnation_id = {{7, (uint8_t)i}},
                                       .directory_id = {{9, (uint8_t)i}},
                                       .rack = view_text("r1"),
                                       .endpoint_count = 2};
        broker->endpoints[0] = (struct meta_endpoint){view_text("PLAINTEXT"), view_text("host"), (uint16_t)(9092 + i)};
        broker->endpoints[1] = (struct meta_endpoint){view_text("OTHER"), view_text("::1"), (uint16_t)(19092 + i)};
    }
}

void rig_set(const char *name, const char *value)
{
    meta_config_set_put(&rig.statics.file, view_text(name), view_text(value));
}

static void rig_bury(void)
{
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        meta_destroy(rig.shards[i].meta);
        part_table_destroy(rig.shards[i].parts);
        store_destroy(rig.shards[i].store);
    }
    sim_remove_turn(rig.sim, rig.host);
    io_host_destroy(rig.host);
    for (uint32_t i = 0; i < rig.core_count; i++) {
        io_destroy(rig.ios[i]);
    }
    rig.host = NULL;
}

void rig_destroy(void)
{
    assert_null(rig.host);
    meta_config_set_deinit(&rig.statics.file);
    meta_config_set_deinit(&rig.statics.command);
    sim_destroy(rig.sim);
    slog_set_sink(NULL);
}

void rig_until(bool (*condition)(void *context), void *context)
{
    assert_true(sim_run_until(rig.sim, condition, context, 1000 * NS_PER_S));
}

static bool rig_all_done(void *context)
{
    MAYBE(context == NULL);
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        if (!rig.shards[i].done) {
            return false;
        }
    }
    return true;
}

static void rig_done(void *context, int result)
{
    struct rig_shard *shard = context;

    assert_false(shard->done);
    shard->done = true;
    shard->result = result;
}

static void rig_part_done(void *context, int16_t error)
{
    MAYBE(error == 0);
    rig_done(context, ERR_OK);
}

/* One step of all shards, waited for; the first failure. */
static int rig_phase(void (*begin)(struct rig_shard *shard))
{
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        rig.shards[i].done = false;
    }
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        begin(&rig.shards[i]);
        assert_false(rig.shards[i].done);
    }
    rig_until(rig_all_done, NULL);
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        if (rig.shards[i].result < 0) {
            return rig.shards[i].result;
        }
    }
    return ERR_OK;
}

static void rig_begin_store(struct rig_shard *shard)
{
    store_open(shard->store, rig_done, shard);
}

static void rig_begin_meta(struct rig_shard *shard)
{
    meta_open(shard->meta, rig_done, shard);
}

static void rig_begin_meta_close(struct rig_shard *shard)
{
    meta_close(shard->meta, rig_done, shard);
}

static void rig_begin_parts_close(struct rig_shard *shard)
{
    part_table_close(shard->parts, rig_part_done, shard);
}

static void rig_begin_store_close(struct rig_shard *shard)
{
    store_close(shard->store, rig_done, shard);
}

int rig_start(void)
{
    struct io_host_options options = {.core_count = rig.core_count,
                                      .shard_count = rig.shard_count,
                                      .region_bytes_per_core = 16 * MIB,
                                      .budget_bytes_per_core = 128 * MIB};

    for (uint32_t i = 0; i < rig.core_count; i++) {
        rig.ios[i] = sim_io(rig.sim, 0, i);
    }
    rig.host = io_host_create(&options, rig.ios);
    sim_add_host(rig.sim, rig.host);
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        struct rig_shard    *shard = &rig.shards[i];
        struct store_options store_options = {
            .directory = shard->directory, .journal_bytes = 4 * MIB, .free_bytes_min = rig.free_bytes_min};

        *shard = (struct rig_shard){.shard = io_host_shard(rig.host, i)};
        (void)snprintf(shard->directory, sizeof(shard->directory), "data/shard-%u", i);
        assert_int_equal(io_volume_probe(shard->shard->io, ".", &store_options.volume), ERR_OK);
        shard->store = store_create(shard->shard, &store_options);
        shard->parts = part_table_create(shard->shard, shard->store);
        shard->meta = meta_create(shard->shard, &rig.meta_host, shard->store, shard->parts);
    }
    assert_int_equal(rig_phase(rig_begin_store), ERR_OK);
    return rig_phase(rig_begin_meta);
}

void rig_stop(void)
{
    assert_int_equal(rig_phase(rig_begin_meta_close), ERR_OK);
    assert_int_equal(rig_phase(rig_begin_parts_close), ERR_OK);
    assert_int_equal(rig_phase(rig_begin_store_close), ERR_OK);
    rig_bury();
}

/* The process ends politely on a dead machine, so that its memory comes back. */
void rig_crash(uint64_t seed, enum sim_crash_style style)
{
    sim_crash(rig.sim, 0, seed, style);
    sim_reap(rig.sim, 0);
    MAYBE(rig_phase(rig_begin_meta_close) == ERR_OK);
    MAYBE(rig_phase(rig_begin_parts_close) == ERR_OK);
    rig_bury();
}

/* --- changes ------------------------------------------------------------------------------------------------- */

static bool rig_is_answered(void *context)
{
    return *(bool *)context;
}

static void rig_answer(struct meta_change *change)
{
    MAYBE(change->error == 0);
    assert_false(rig.answered);
    rig.answered = true;
}

void rig_submit(uint32_t shard, struct meta_change *change)
{
    change->done = rig_answer;
    rig.answered = false;
    meta_submit(rig.shards[shard].meta, change);
    assert_false(rig.answered);
    rig_until(rig_is_answered, &rig.answered);
}

int16_t rig_create_entry(uint32_t shard, struct meta_create_topic *topic)
{
    struct meta_change change = {.kind = META_CREATE_TOPICS, .count = 1, .create_topics = topic};

    topic->error = 0; /* tests submit the same entry again */
    rig_submit(shard, &change);
    return change.error != 0 ? change.error : topic->error;
}

int16_t rig_create_topic(uint32_t shard, const char *name, int32_t partition_count)
{
    struct meta_create_topic topic = {
        .name = view_text(name), .partition_count = partition_count, .replication_factor = -1};

    return rig_create_entry(shard, &topic);
}

int16_t rig_delete_topic(uint32_t shard, const char *name)
{
    struct meta_delete_topic entry = {.name = view_text(name)};
    struct meta_change       change = {.kind = META_DELETE_TOPICS, .count = 1, .delete_topics = &entry};

    rig_submit(shard, &change);
    return change.error != 0 ? change.error : entry.error;
}

int16_t rig_add_partitions(uint32_t shard, struct meta_add_partitions *entry)
{
    struct meta_change change = {.kind = META_ADD_PARTITIONS, .count = 1, .add_partitions = entry};

    entry->error = 0; /* tests submit the same entry again */
    rig_submit(shard, &change);
    return change.error != 0 ? change.error : entry->error;
}

int16_t rig_alter(uint32_t shard, struct meta_alter_config *alter)
{
    struct meta_change change = {.kind = META_ALTER_CONFIGS, .count = 1, .alter_configs = alter};

    alter->error = 0; /* tests submit the same entry again */
    rig_submit(shard, &change);
    return change.error != 0 ? change.error : alter->error;
}

int16_t rig_set_config(int8_t type, const char *resource, const char *name, const char *value)
{
    struct meta_alter_entry  entry = {.name = view_text(name),
                                      .value = value == NULL ? (struct view){0} : view_text(value),
                                      .op = value == NULL ? META_CONFIG_DELETE : META_CONFIG_SET};
    struct meta_alter_config alter = {
        .resource_type = type, .resource_name = view_text(resource), .entries = &entry, .entry_count = 1};

    return rig_alter(0, &alter);
}

/* --- looking ------------------------------------------------------------------------------------------------- */

const struct meta_topic *rig_topic(uint32_t shard, const char *name)
{
    return meta_topic(rig.shards[shard].meta, view_text(name));
}

struct part *rig_part(const char *topic, int32_t partition)
{
    const struct meta_topic *known = rig_topic(0, topic);

    assert_non_null(known);
    return part_find_id(rig.shards[known->partitions[partition].leader - RIG_NODE].parts, known->id, partition);
}

static void rig_appended(struct part_append *append)
{
    MAYBE(append->error == 0);
    rig.answered = true;
}

int64_t rig_append(const char *topic, int32_t partition, const char *value)
{
    struct part_append append = {.zstd_allowed = true, .wait_durable = true, .done = rig_appended};
    struct rec_builder builder;
    struct arena       arena;

    arena_init(&arena, MEM_TEST, 4096, MIB);
    rec_builder_init(&builder, &arena);
    rec_builder_add(&builder, io_wall_ms(rig.ios[0]), view_text("key"), view_text(value), NULL, 0);
    assert_int_equal(rec_builder_finish(&builder, REC_NONE, 0, &append.records), ERR_OK);
    rig.answered = false;
    part_append(rig_part(topic, partition), &append);
    rig_until(rig_is_answered, &rig.answered);
    arena_deinit(&arena);
    return append.error == 0 ? append.base_offset : -1;
}

struct rig_text {
    char  *text;
    size_t len;
    size_t capacity;
};

static void rig_print(struct rig_text *out, const char *format, ...) PRINTF_LIKE(2, 3);
static void rig_print(struct rig_text *out, const char *format, ...)
{
    char    line[1024];
    int     len;
    va_list arguments;

    va_start(arguments, format);
    len = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    assert_in_range(len, 0, sizeof(line) - 1);
    while (out->len + (size_t)len + 1 > out->capacity) {
        out->capacity = MAX(out->capacity * 2, (size_t)4096);
        out->text = mem_realloc(MEM_TEST, out->text, out->capacity);
    }
    memcpy(out->text + out->len, line, (size_t)len + 1);
    out->len += (size_t)len;
}

static void rig_print_id(struct rig_text *out, const char *what, struct uuid id)
{
    char text[UUID_TEXT_BYTES];

    uuid_format(id, text);
    rig_print(out, " %s=%s", what, text);
}

static void rig_print_configs(struct rig_text *out, const char *what, const struct meta_config_set *set)
{
    MAP_EACH(&set->values, entry) {
        rig_print(out, "  %s %.*s=%s\n", what, (int)entry->key_len, (const char *)entry->key,
                  (const char *)entry->value);
    }
}

static void rig_print_broker(struct rig_text *out, const struct meta_image *image, uint32_t shard)
{
    const struct meta_broker *broker = &image->brokers[shard];

    rig_print(out, "broker %d shard %u", broker->node_id, broker->shard);
    rig_print_id(out, "incarnation", broker->incarnation_id);
    rig_print_id(out, "directory", broker->directory_id);
    rig_print(out, " rack=%.*s partitions=%" PRId64 "\n", (int)broker->rack.len, (const char *)broker->rack.base,
              image->shard_partitions[shard]);
    for (uint32_t i = 0; i < broker->endpoint_count; i++) {
        const struct meta_endpoint *endpoint = &broker->endpoints[i];

        rig_print(out, "  %.*s://%.*s:%u\n", (int)endpoint->listener.len, (const char *)endpoint->listener.base,
                  (int)endpoint->host.len, (const char *)endpoint->host.base, endpoint->port);
    }
    rig_print_configs(out, "config", &image->broker_configs[shard]);
}

static void rig_print_topic(struct rig_text *out, const struct meta_topic *topic)
{
    rig_print(out, "topic %.*s internal=%d", (int)topic->name.len, (const char *)topic->name.base, topic->internal);
    rig_print_id(out, "id", topic->id);
    rig_print(out, "\n");
    for (int32_t i = 0; i < topic->partition_count; i++) {
        rig_print(out, "  %d: leader %d epoch %d/%d\n", i, topic->partitions[i].leader,
                  topic->partitions[i].leader_epoch, topic->partitions[i].partition_epoch);
    }
    rig_print_configs(out, "config", &topic->configs);
}

char *rig_dump(uint32_t shard)
{
    const struct meta_image *image = meta_image(rig.shards[shard].meta);
    struct rig_text          out = {0};

    rig_print(&out, "partitions %" PRId64 " next producer id %" PRId64 "\n", image->partition_total,
              image->next_producer_id);
    for (uint32_t i = 0; i < image->broker_count; i++) {
        rig_print_broker(&out, image, i);
    }
    rig_print_configs(&out, "default", &image->broker_default_configs);
    MAP_EACH(&image->topics_by_name, entry) {
        rig_print_topic(&out, entry->value);
        assert_ptr_equal(meta_topic_by_id(rig.shards[shard].meta, ((struct meta_topic *)entry->value)->id),
                         entry->value);
    }
    assert_int_equal(map_count(&image->topics_by_name), map_count(&image->topics_by_id));
    assert_int_equal(map_count(&image->topics_by_name), map_count(&image->topics_by_fold));
    return out.text;
}

void rig_text_free(char *text)
{
    mem_free(MEM_TEST, text);
}

static void rig_assert_parts(uint32_t shard)
{
    const struct meta_image *image = meta_image(rig.shards[shard].meta);
    size_t                   count = 0;

    MAP_EACH(&image->topics_by_name, entry) {
        const struct meta_topic *topic = entry->value;

        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct part *part = part_find_id(rig.shards[shard].parts, topic->id, i);

            if (topic->partitions[i].leader == RIG_NODE + (int32_t)shard) {
                count++;
                assert_non_null(part);
                assert_true(part_ready(part) && part_online(part));
                assert_int_equal(part_leader_epoch(part), topic->partitions[i].leader_epoch);
            } else {
                assert_null(part);
            }
        }
    }
    assert_int_equal(part_table_count(rig.shards[shard].parts), count);
    assert_int_equal(image->shard_partitions[shard], count);
}

void rig_assert_agree(void)
{
    char   *first = rig_dump(0);
    int64_t last_offset = meta_image(rig.shards[0].meta)->last_offset;

    for (uint32_t i = 0; i < rig.shard_count; i++) {
        char *other = rig_dump(i);

        assert_string_equal(first, other);
        assert_int_equal(meta_image(rig.shards[i].meta)->last_offset, last_offset);
        rig_text_free(other);
        rig_assert_parts(i);
    }
    rig_text_free(first);
}
