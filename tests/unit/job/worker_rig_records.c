/* worker_rig_records.c: what the tests append; see worker_rig.h. */
#include "tests/unit/job/worker_rig.h"

struct appending {
    struct part_append append;
    struct part_marker marker;
    bool               done;
};

static void appended(struct part_append *append)
{
    CONTAINER_OF(append, struct appending, append)->done = true;
}

static void marked(struct part_marker *marker)
{
    CONTAINER_OF(marker, struct appending, marker)->done = true;
}

static bool is_appended(void *context)
{
    return ((struct appending *)context)->done;
}

static struct view view_or_null(const char *text)
{
    return text == NULL ? (struct view){0} : view_text(text);
}

int64_t wr_append(const char *topic, int32_t partition, const struct wr_record *records, size_t count,
                  const struct wr_batch *batch)
{
    struct appending appending = {
        .append = {.internal = true, .zstd_allowed = true, .wait_durable = true, .done = appended}};
    struct arena       arena;
    struct rec_builder builder;

    arena_init(&arena, MEM_TEST, 16 * KIB, SIZE_MAX);
    rec_builder_init(&builder, &arena);
    for (size_t i = 0; i < count; i++) {
        rec_builder_add(&builder, records[i].timestamp_ms, view_or_null(records[i].key), view_or_null(records[i].value),
                        NULL, 0);
    }
    if (batch != NULL && batch->producer_id >= 0) {
        builder.producer_id = batch->producer_id;
        builder.producer_epoch = batch->producer_epoch;
        builder.base_sequence = batch->sequence;
        builder.attributes |= batch->transactional ? REC_ATTR_TRANSACTIONAL : 0;
    }
    assert_int_equal(
        rec_builder_finish(&builder, batch == NULL ? REC_NONE : batch->codec, 0, &appending.append.records), ERR_OK);
    part_append(rig_part(topic, partition), &appending.append);
    rig_until(is_appended, &appending);
    assert_int_equal(appending.append.error, 0);
    arena_deinit(&arena);
    return appending.append.base_offset;
}

int64_t wr_value(const char *topic, int32_t partition, const char *value)
{
    return wr_append(topic, partition, &(struct wr_record){.value = value, .timestamp_ms = 1000}, 1, NULL);
}

void wr_marker(const char *topic, int32_t partition, int64_t producer_id, int16_t epoch, bool commit)
{
    struct appending appending = {
        .marker = {.producer_id = producer_id, .producer_epoch = epoch, .commit = commit, .done = marked}};

    part_append_marker(rig_part(topic, partition), &appending.marker);
    rig_until(is_appended, &appending);
    assert_int_equal(appending.marker.error, 0);
}
