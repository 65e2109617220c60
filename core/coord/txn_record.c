/* Transactional ids in `__transaction_state`, in Kafka's form (TransactionLogKey 0, TransactionLogValue 0 and 1).
 *
 * Written is version 1, which knows what transactions of version 2 need: Kafka does so as soon as transaction.version
 * is 1 or higher. What a damaged disk or a foreign program left is refused here, so that nobody behind this file has
 * to think about it: an unknown state, no producer, a name or a partition that cannot be. */
#include "core/base/arena.h"
#include "core/coord/txn.h"
#include "core/proto/kp_entries.h"

#define VALUE_VERSION        1
#define RECORD_FIXED_BYTES   160 /* key and value without texts and partitions: below 100, tags included */
#define TOPIC_FIXED_BYTES    16  /* lengths and counts */
#define TOPIC_NAME_BYTES_MAX 249

size_t txn__record_bytes(const struct txn_partitions *set, size_t id_bytes)
{
    return RECORD_FIXED_BYTES + id_bytes + set->name_bytes + set->topic_count * (size_t)TOPIC_FIXED_BYTES +
           set->total * sizeof(int32_t);
}

static struct view record_bytes(struct kp_writer *writer, struct span place)
{
    CHECK(writer->error == ERR_OK); /* the sizes were measured */
    return view_of(place.base, writer->bytes_total);
}

struct view txn__record_key(struct arena *arena, struct view transactional_id)
{
    struct kp_transaction_log_key key;
    struct kp_writer              writer;
    struct span                   place;

    kp_transaction_log_key_init(&key);
    key.transactional_id = transactional_id;
    kp_writer_init_measure(&writer);
    kp_transaction_log_key_write(&writer, &key);
    place = span_of(arena_alloc(arena, writer.bytes_total), writer.bytes_total);
    if (place.base == NULL || writer.error != ERR_OK) {
        return (struct view){0};
    }
    kp_writer_init_span(&writer, place);
    kp_transaction_log_key_write(&writer, &key);
    return record_bytes(&writer, place);
}

static bool value_partitions(struct arena *arena, const struct txn_partitions *set,
                             struct kp_transaction_log_value *out)
{
    struct kp_transaction_log_value_transaction_partitions *rows =
        arena_alloc_array(arena, set->topic_count, sizeof(*rows));

    if (rows == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < set->topic_count; i++) {
        const struct txn_topic *topic = &set->topics[i];

        rows[i].topic = view_of(topic->name, topic->name_len);
        rows[i].partition_ids = topic->partitions;
        rows[i].partition_ids_count = (int32_t)topic->partition_count;
    }
    out->transaction_partitions = rows;
    out->transaction_partitions_count = (int32_t)set->topic_count;
    return true;
}

struct view txn__record_value(struct arena *arena, const struct txn_values *values, const struct txn_partitions *set)
{
    struct kp_transaction_log_value out;
    struct kp_writer                writer;
    struct span                     place;

    kp_transaction_log_value_init(&out);
    out.producer_id = values->producer_id;
    out.previous_producer_id = values->previous_producer_id;
    out.next_producer_id = values->next_producer_id;
    out.producer_epoch = values->producer_epoch;
    out.transaction_timeout_ms = values->timeout_ms;
    out.transaction_status = (int8_t)values->state;
    out.transaction_last_update_timestamp_ms = values->update_ms;
    out.transaction_start_timestamp_ms = values->start_ms;
    out.client_transaction_version = values->client_version;
    out.transaction_partitions_count = -1;
    if (values->state != TXN_EMPTY && !value_partitions(arena, set, &out)) { /* a new id has no set, and is EMPTY */
        return (struct view){0};
    }
    kp_writer_init_measure(&writer);
    kp_transaction_log_value_write(&writer, VALUE_VERSION, &out);
    place = span_of(arena_alloc(arena, writer.bytes_total), writer.bytes_total);
    if (place.base == NULL || writer.error != ERR_OK) {
        return (struct view){0};
    }
    kp_writer_init_span(&writer, place);
    kp_transaction_log_value_write(&writer, VALUE_VERSION, &out);
    return record_bytes(&writer, place);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static bool values_sound(const struct kp_transaction_log_value *in)
{
    return in->transaction_status >= 0 && in->transaction_status < TXN_STATE_COUNT && in->producer_id >= 0 &&
           in->producer_epoch >= 0 && in->transaction_timeout_ms >= 0 && in->previous_producer_id >= TXN_ID_NONE &&
           in->next_producer_id >= TXN_ID_NONE && in->client_transaction_version >= 0;
}

static bool set_read(const struct kp_transaction_log_value *in, struct txn_partitions *out_set)
{
    for (int32_t i = 0; i < in->transaction_partitions_count; i++) {
        const struct kp_transaction_log_value_transaction_partitions *row = &in->transaction_partitions[i];

        if (row->topic.len == 0 || row->topic.len > TOPIC_NAME_BYTES_MAX) {
            return false;
        }
        for (int32_t j = 0; j < row->partition_ids_count; j++) {
            int32_t partition = row->partition_ids[j];

            if (partition < 0) {
                return false;
            }
            txn__partitions_add(out_set, row->topic, partition);
        }
    }
    return true;
}

static enum txn_record_kind value_read(struct arena *arena, struct view value, struct txn_values *out_values,
                                       struct txn_partitions *out_set)
{
    struct kp_transaction_log_value in;
    struct kp_reader                reader;
    int                             error;

    kp_reader_init(&reader, value, arena);
    error = kp_transaction_log_value_read(&reader, &in);
    if (error == ERR_UNSUPPORTED) {
        return TXN_RECORD_OTHER;
    }
    if (error != ERR_OK || !values_sound(&in)) {
        return TXN_RECORD_DAMAGED;
    }
    *out_values = (struct txn_values){.state = (enum txn_state)in.transaction_status,
                                      .timeout_ms = in.transaction_timeout_ms,
                                      .producer_id = in.producer_id,
                                      .previous_producer_id = in.previous_producer_id,
                                      .next_producer_id = in.next_producer_id,
                                      .producer_epoch = in.producer_epoch,
                                      .last_epoch = TXN_EPOCH_NONE,
                                      .client_version = in.client_transaction_version,
                                      .start_ms = in.transaction_start_timestamp_ms,
                                      .update_ms = in.transaction_last_update_timestamp_ms};
    if (in.transaction_status != TXN_EMPTY && !set_read(&in, out_set)) {
        txn__partitions_clear(out_set);
        return TXN_RECORD_DAMAGED;
    }
    return TXN_RECORD_VALUE;
}

enum txn_record_kind txn__record_read(struct arena *arena, struct view key, struct view value, struct view *out_id,
                                      struct txn_values *out_values, struct txn_partitions *out_set)
{
    struct kp_transaction_log_key in;
    struct kp_reader              reader;
    int16_t                       type;

    kp_reader_init(&reader, key, arena);
    type = kp_read_int16(&reader);
    if (reader.error == ERR_OK && type != KP_ENTRY_TRANSACTION_LOG) {
        return TXN_RECORD_OTHER;
    }
    if (reader.error != ERR_OK || kp_transaction_log_key_decode(&reader, 0, &in) != ERR_OK) {
        return TXN_RECORD_DAMAGED;
    }
    *out_id = in.transactional_id;
    return value.base == NULL ? TXN_RECORD_TOMBSTONE : value_read(arena, value, out_values, out_set);
}
