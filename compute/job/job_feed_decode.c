/* Records to a chunk: the value's and the key's columns, and which rows have a key.
 *
 * As Flink's DynamicKafkaDeserializationSchema: a record's row comes from its value; a table with a key format has no
 * row for a record whose key gives none; a column in both is the value's. */
#include "compute/job/job_feed.h"

#include <stdio.h>

static bool decode_failed(struct job_chunk *chunk, const struct format_decoder *decoder, bool of_key)
{
    const struct format_failure *failure = format_decoder_failure(decoder);

    (void)snprintf(chunk->failure, sizeof(chunk->failure), "%s%s", of_key ? "key: " : "", failure->message);
    chunk->failed_record = chunk->piece + failure->record;
    return false;
}

/* --- keys -----------------------------------------------------------------------------------------------------------
 */

/* Which key row belongs to which value row. */
static void match_keys(struct job_chunk *chunk)
{
    const struct format_rows *values = &chunk->rows, *keys = &chunk->key_rows;
    uint32_t                  key = 0;

    chunk->match_count = 0;
    for (uint32_t row = 0; row < values->chunk.row_count; row++) {
        while (key < keys->chunk.row_count && keys->record[key] < values->record[row]) {
            key++;
        }
        chunk->key_of_row[row] = 0;
        if (key < keys->chunk.row_count && keys->record[key] == values->record[row]) {
            chunk->key_of_row[row] = (uint16_t)key;
            chunk->matches[chunk->match_count++] = (uint16_t)row;
        }
    }
}

/* A key that is a JSON array gives several rows; Flink makes a row of each with the value's. */
static bool check_single_keys(struct job_chunk *chunk)
{
    const struct format_rows *keys = &chunk->key_rows;

    for (uint32_t i = 1; i < keys->chunk.row_count; i++) {
        if (keys->record[i] == keys->record[i - 1]) {
            (void)snprintf(chunk->failure, sizeof(chunk->failure),
                           "the key gives several rows: jobs read keys of one row only");
            chunk->failed_record = chunk->piece + keys->record[i];
            return false;
        }
    }
    return true;
}

/* The keys of the records that the values' rows come from. */
static bool decode_keys(struct job_chunk *chunk)
{
    const struct format_rows *values = &chunk->rows;
    size_t                    wanted = values->record_count;

    if (values->chunk.row_count > 0) { /* of a long array the record is not counted yet */
        wanted = MAX(wanted, (size_t)values->record[values->chunk.row_count - 1] + 1);
    }
    if (!format_decode(chunk->keys, chunk->records.keys + chunk->piece, wanted, &chunk->key_rows)) {
        return decode_failed(chunk, chunk->keys, true);
    }
    if (!check_single_keys(chunk)) {
        return false;
    }
    match_keys(chunk);
    return true;
}

/* Keys of one call are taken whole: as many records as that needs. */
static size_t key_limit(const struct job_records *records, size_t first)
{
    size_t bytes = 0, at = first;

    do {
        bytes += records->keys[at].len;
        at++;
    } while (at < records->count && bytes + records->keys[at].len < FORMAT_CHUNK_BYTES);
    return at - first;
}

/* --- a piece --------------------------------------------------------------------------------------------------------
 */

bool job__chunk_decode(struct job_chunk *chunk, size_t piece)
{
    const struct job_records *records = &chunk->records;
    size_t                    limit = chunk->keys != NULL ? key_limit(records, piece) : records->count - piece;

    chunk->piece = piece;
    if (!format_decode(chunk->values, records->values + piece, limit, &chunk->rows)) {
        return decode_failed(chunk, chunk->values, false);
    }
    return chunk->keys == NULL || decode_keys(chunk);
}
