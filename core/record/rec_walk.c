/* The walker: checks records as their bytes come by, in pieces of any size.
 *
 * A record that lies whole within a piece is parsed in one go (rec__fields_parse). One that crosses pieces is taken
 * field by field, and contents of keys, values and headers are passed over without being kept. Both ways end in
 * judge(), and the unit tests hold them against each other for every way of cutting. */
#include "core/base/check.h"
#include "core/record/rec_internal.h"

/* What a step over one field found. */
enum step {
    STEP_DONE, /* the field is behind us */
    STEP_MORE, /* the piece ends within it */
    STEP_BAD,
};

const char rec__reason_malformed[] = "malformed record";

static size_t      walk_whole(struct rec_walker *walker, struct view piece);
static enum step   walk_field(struct rec_walker *walker, struct view piece, size_t *at);
static enum step   field_int(struct rec_walker *walker, struct view piece, size_t *at, int32_t *out_value);
static enum step   field_length(struct rec_walker *walker, struct view piece, size_t *at, bool nullable);
static inline void judge(struct rec_walker *walker, const struct rec_fields *fields);
static void        refuse_record(struct rec_walker *walker, const struct rec_fields *fields);
static void        refuse(struct rec_walker *walker, enum rec_verdict verdict, const char *reason);

void rec__walk_init(struct rec_walker *walker, const struct rec_batch *batch, const struct rec_rules *rules,
                    struct rec_found *found)
{
    *walker = (struct rec_walker){.batch = batch, .rules = rules, .found = found, .verdict = REC_OK};
    if (rules->log_append_time || rules->timestamp_before_max_ms == INT64_MAX ||
        __builtin_sub_overflow(rules->now_ms, rules->timestamp_before_max_ms, &walker->timestamp_min_ms)) {
        walker->timestamp_min_ms = INT64_MIN;
    }
    if (rules->log_append_time || rules->timestamp_after_max_ms == INT64_MAX ||
        __builtin_add_overflow(rules->now_ms, rules->timestamp_after_max_ms, &walker->timestamp_max_ms)) {
        walker->timestamp_max_ms = INT64_MAX;
    }
}

size_t rec__walk(struct rec_walker *walker, struct view piece)
{
    size_t at = 0;

    while (walker->verdict == REC_OK && at < piece.len) {
        enum step step;

        if (walker->skip > 0) {
            size_t passed = MIN((size_t)walker->skip, piece.len - at);

            walker->skip -= (uint32_t)passed;
            walker->record_left -= (uint32_t)passed;
            at += passed;
            continue;
        }
        if (walker->field == REC_WALK_LENGTH && walker->index == walker->batch->record_count) {
            refuse(walker, REC_INVALID_RECORD, "more bytes than the declared records");
            break;
        }
        if (walker->field == REC_WALK_LENGTH) {
            size_t used = walk_whole(walker, view_of(piece.base + at, piece.len - at));

            at += used;
            if (used > 0 || walker->verdict != REC_OK) {
                continue;
            }
        }
        step = walk_field(walker, piece, &at);
        if (step == STEP_BAD) {
            refuse(walker, REC_INVALID_RECORD, rec__reason_malformed);
        } else if (step == STEP_MORE) {
            break;
        }
    }
    return at;
}

enum rec_verdict rec__walk_finish(struct rec_walker *walker, size_t left)
{
    if (walker->verdict != REC_OK) {
        return walker->verdict;
    }
    if (left > 0 || walker->skip > 0 || walker->field != REC_WALK_LENGTH) {
        refuse(walker, REC_INVALID_RECORD, "the last record is cut short");
    } else if (walker->index != walker->batch->record_count) {
        refuse(walker, REC_INVALID_RECORD, "fewer records than the batch declares");
    }
    return walker->verdict;
}

/* As many records as lie whole at the head of the piece; the bytes they take. */
static size_t walk_whole(struct rec_walker *walker, struct view piece)
{
    const uint8_t *end = piece.base + piece.len;
    const uint8_t *at = piece.base;

    while (walker->index < walker->batch->record_count) {
        struct rec_fields fields;
        int32_t           length = 0;
        const uint8_t    *body = rec__varint32(at, end, &length);

        if (body == NULL || length < 0 || length > end - body) {
            break;
        }
        if (!rec__fields_parse(body, (size_t)length, &fields)) {
            refuse(walker, REC_INVALID_RECORD, rec__reason_malformed);
            break;
        }
        judge(walker, &fields);
        if (walker->verdict != REC_OK) {
            break;
        }
        at = body + length;
    }
    return (size_t)(at - piece.base);
}

/* The end of a record crossing pieces. */
static enum step walk_record_end(struct rec_walker *walker)
{
    static const uint8_t some_key = 0;
    struct rec_fields    fields = {
           .timestamp_delta = walker->timestamp_delta,
           .offset_delta = walker->offset_delta,
           .key = view_of(walker->has_key ? &some_key : NULL, 0),
    };

    if (walker->record_left != walker->skip) {
        return STEP_BAD;
    }
    walker->field = REC_WALK_LENGTH;
    judge(walker, &fields);
    return STEP_DONE;
}

static enum step walk_length(struct rec_walker *walker, struct view piece, size_t *at)
{
    int32_t length = 0;
    size_t  left = piece.len - *at;
    size_t  used = varint32_read(piece.base + *at, left, &length);

    if (used == 0) {
        return left < VARINT32_BYTES_MAX ? STEP_MORE : STEP_BAD;
    }
    if (length < (int32_t)REC_RECORD_BODY_BYTES_MIN) {
        return STEP_BAD;
    }
    *at += used;
    walker->record_left = (uint32_t)length;
    if (walker->record_left > walker->rules->inflated_bytes_max) {
        refuse(walker, REC_TOO_LARGE, "a record is larger than the limit on decompressed bytes");
    }
    walker->field = REC_WALK_ATTRIBUTES;
    return STEP_DONE;
}

static enum step walk_timestamp(struct rec_walker *walker, struct view piece, size_t *at)
{
    size_t left = MIN(piece.len - *at, (size_t)walker->record_left);
    size_t used = varint64_read(piece.base + *at, left, &walker->timestamp_delta);

    if (used == 0) {
        return left < VARINT64_BYTES_MAX && left < walker->record_left ? STEP_MORE : STEP_BAD;
    }
    *at += used;
    walker->record_left -= (uint32_t)used;
    return STEP_DONE;
}

static enum step walk_header_count(struct rec_walker *walker, struct view piece, size_t *at)
{
    enum step step = field_int(walker, piece, at, &walker->headers_left);

    if (step != STEP_DONE) {
        return step;
    }
    if (walker->headers_left < 0 || (size_t)walker->headers_left > walker->record_left / REC_HEADER_FIELD_BYTES_MIN) {
        return STEP_BAD;
    }
    walker->field = REC_WALK_HEADER_KEY;
    return walker->headers_left == 0 ? walk_record_end(walker) : STEP_DONE;
}

/* One field of a record crossing pieces. A field moves on only when it is whole, so STEP_MORE can be repeated. */
static enum step walk_field(struct rec_walker *walker, struct view piece, size_t *at)
{
    enum rec_walk_field field = walker->field;
    enum step           step;

    switch (field) {
    case REC_WALK_LENGTH:
        return walk_length(walker, piece, at);
    case REC_WALK_ATTRIBUTES:
        *at += 1;
        walker->record_left -= 1;
        step = STEP_DONE;
        break;
    case REC_WALK_TIMESTAMP:
        step = walk_timestamp(walker, piece, at);
        break;
    case REC_WALK_OFFSET:
        step = field_int(walker, piece, at, &walker->offset_delta);
        break;
    case REC_WALK_HEADER_COUNT:
        return walk_header_count(walker, piece, at);
    case REC_WALK_KEY:
    case REC_WALK_VALUE:
    case REC_WALK_HEADER_KEY:
    case REC_WALK_HEADER_VALUE:
    default:
        step = field_length(walker, piece, at, field != REC_WALK_HEADER_KEY);
        break;
    }
    if (step != STEP_DONE) {
        return step;
    }
    if (field != REC_WALK_HEADER_VALUE) {
        walker->field = field + 1;
        return STEP_DONE;
    }
    walker->field = REC_WALK_HEADER_KEY;
    return --walker->headers_left == 0 ? walk_record_end(walker) : STEP_DONE;
}

static enum step field_int(struct rec_walker *walker, struct view piece, size_t *at, int32_t *out_value)
{
    size_t left = MIN(piece.len - *at, (size_t)walker->record_left);
    size_t used = varint32_read(piece.base + *at, left, out_value);

    if (used == 0) {
        return left < VARINT32_BYTES_MAX && left < walker->record_left ? STEP_MORE : STEP_BAD;
    }
    *at += used;
    walker->record_left -= (uint32_t)used;
    return STEP_DONE;
}

/* A length and the content behind it, which the walk passes over. */
static enum step field_length(struct rec_walker *walker, struct view piece, size_t *at, bool nullable)
{
    int32_t   length = 0;
    enum step step = field_int(walker, piece, at, &length);

    if (step != STEP_DONE) {
        return step;
    }
    if ((length < 0 && !nullable) || (length > 0 && (uint32_t)length > walker->record_left)) {
        return STEP_BAD;
    }
    walker->skip = length < 0 ? 0 : (uint32_t)length;
    if (walker->field == REC_WALK_KEY) {
        walker->has_key = length >= 0;
    }
    return STEP_DONE;
}

/* One branch for a record that is fine; what is wrong with another is worked out apart. */
static inline void judge(struct rec_walker *walker, const struct rec_fields *fields)
{
    int64_t timestamp_ms = 0;
    bool    overflow = __builtin_add_overflow(walker->batch->base_timestamp_ms, fields->timestamp_delta, &timestamp_ms);

    DCHECK(walker->index < walker->batch->record_count);
    if (UNLIKELY(overflow || fields->offset_delta != walker->index || timestamp_ms < walker->timestamp_min_ms ||
                 timestamp_ms > walker->timestamp_max_ms ||
                 (walker->rules->keys_required && fields->key.base == NULL))) {
        refuse_record(walker, fields);
        if (walker->verdict != REC_OK) {
            return;
        }
    }
    if (timestamp_ms > walker->found->max_timestamp_ms) {
        walker->found->max_timestamp_ms = timestamp_ms;
        walker->found->max_timestamp_delta = fields->offset_delta;
    }
    walker->index++;
}

/* Leaves the verdict alone when the only fault is a timestamp outside the limits and there is none. */
static void refuse_record(struct rec_walker *walker, const struct rec_fields *fields)
{
    int64_t timestamp_ms = 0;

    if (fields->offset_delta != walker->index) {
        refuse(walker, REC_INVALID_RECORD, "offsets within the batch are not 0, 1, 2, ...");
    } else if (walker->rules->keys_required && fields->key.base == NULL) {
        refuse(walker, REC_INVALID_RECORD, "compacted topic cannot accept a message without key");
    } else if (__builtin_add_overflow(walker->batch->base_timestamp_ms, fields->timestamp_delta, &timestamp_ms)) {
        refuse(walker, REC_INVALID_TIMESTAMP, "timestamp out of range");
    } else if (timestamp_ms != REC_NO_TIMESTAMP) {
        refuse(walker, REC_INVALID_TIMESTAMP, "timestamp outside message.timestamp.before.max.ms and after.max.ms");
    }
}

static void refuse(struct rec_walker *walker, enum rec_verdict verdict, const char *reason)
{
    walker->verdict = verdict;
    walker->found->reason = reason;
    walker->found->bad_record_index = walker->index;
}
