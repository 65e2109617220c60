/* cli_dump_entry.c: records of the metadata log and entries of the internal topics, by their tables of fields. */
#include "core/proto/kp_header.h"
#include "tools/cli/cli_dump.h"

/* --- any struct -------------------------------------------------------------------------------------------------- */

static void show_struct(struct cli_json *json, const struct kp_show_struct *shape, const void *from, int16_t version);

static void show_uuid(struct cli_json *json, struct uuid id)
{
    char text[UUID_TEXT_BYTES];

    uuid_format(id, text);
    cli_json_text(json, text);
}

/* Bytes have no key here: base64 as text, with its mark. */
static void show_bytes(struct cli_json *json, struct view bytes)
{
    if (bytes.base == NULL) {
        cli_json_null(json);
        return;
    }
    cli_json_open(json, '{');
    cli_json_bytes(json, "bytes", bytes);
    cli_json_close(json, '}');
}

static void show_value(struct cli_json *json, const struct kp_show_field *field, const uint8_t *at, int16_t version)
{
    union {
        bool        truth;
        int8_t      int8;
        int16_t     int16;
        uint16_t    uint16;
        int32_t     int32;
        uint32_t    uint32;
        int64_t     int64;
        double      float64;
        struct uuid uuid;
        struct view view;
    } value;

#define SHOW_TAKE(member) memcpy(&value.member, at, sizeof(value.member))
    switch (field->type) {
    case KP_SHOW_BOOL:
        SHOW_TAKE(truth);
        cli_json_bool(json, value.truth);
        break;
    case KP_SHOW_INT8:
        SHOW_TAKE(int8);
        cli_json_number(json, value.int8);
        break;
    case KP_SHOW_INT16:
        SHOW_TAKE(int16);
        cli_json_number(json, value.int16);
        break;
    case KP_SHOW_UINT16:
        SHOW_TAKE(uint16);
        cli_json_number(json, value.uint16);
        break;
    case KP_SHOW_INT32:
        SHOW_TAKE(int32);
        cli_json_number(json, value.int32);
        break;
    case KP_SHOW_UINT32:
        SHOW_TAKE(uint32);
        cli_json_number(json, value.uint32);
        break;
    case KP_SHOW_INT64:
        SHOW_TAKE(int64);
        cli_json_number(json, value.int64);
        break;
    case KP_SHOW_FLOAT64:
        SHOW_TAKE(float64);
        cli_json_float(json, value.float64);
        break;
    case KP_SHOW_UUID:
        SHOW_TAKE(uuid);
        show_uuid(json, value.uuid);
        break;
    case KP_SHOW_STRING:
        SHOW_TAKE(view);
        cli_json_view(json, value.view);
        break;
    case KP_SHOW_BYTES:
        SHOW_TAKE(view);
        show_bytes(json, value.view);
        break;
    case KP_SHOW_STRUCT:
        show_struct(json, field->inner, at, version);
        break;
    }
#undef SHOW_TAKE
}

static void show_field(struct cli_json *json, const struct kp_show_field *field, const uint8_t *from, int16_t version)
{
    const uint8_t *elements = NULL;
    int32_t        count = 0;

    if (field->form == KP_SHOW_VALUE) {
        show_value(json, field, from + field->at, version);
        return;
    }
    memcpy(&elements, from + field->at, sizeof(elements));
    if (field->form == KP_SHOW_POINTER) {
        if (elements == NULL) {
            cli_json_null(json);
        } else {
            show_value(json, field, elements, version);
        }
        return;
    }
    memcpy(&count, from + field->count_at, sizeof(count));
    if (count < 0) {
        cli_json_null(json);
        return;
    }
    cli_json_open(json, '[');
    for (int32_t i = 0; i < count; i++) {
        show_value(json, field, elements + (size_t)i * field->element_bytes, version);
    }
    cli_json_close(json, ']');
}

static void show_struct(struct cli_json *json, const struct kp_show_struct *shape, const void *from, int16_t version)
{
    cli_json_open(json, '{');
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct kp_show_field *field = &shape->fields[i];

        if (version >= field->version_min && version <= field->version_max) {
            cli_json_key(json, field->name);
            show_field(json, field, from, version);
        }
    }
    cli_json_close(json, '}');
}

/* --- the three logs ---------------------------------------------------------------------------------------------- */

/* The decoded struct, or NULL. */
static void *entry_decode(struct dump *dump, struct kp_reader *reader, const struct kp_codec *codec, int16_t version)
{
    void *out = arena_alloc(&dump->scratch, codec->bytes);

    if (out == NULL) {
        return NULL;
    }
    return codec->decode(reader, version, out) == ERR_OK ? out : NULL;
}

static bool entry_metadata(struct dump *dump, const struct rec_record *record)
{
    struct kp_reader        reader;
    const struct kp_record *row;
    int16_t                 key = -1, version = -1;
    void                   *body;

    if (record->value.base == NULL) {
        return false;
    }
    kp_reader_init(&reader, record->value, &dump->scratch);
    if (kp_record_header_decode(&reader, &key, &version) != ERR_OK) {
        return false;
    }
    row = kp_record_find(key);
    body = row == NULL ? NULL : entry_decode(dump, &reader, &row->body, version);
    if (body == NULL || kp_show_record(key) == NULL) {
        return false;
    }
    dump_text(dump, "type", row->name);
    dump_number(dump, "version", version);
    show_struct(dump_inside(dump, "value"), kp_show_record(key), body, version);
    return true;
}

static bool entry_coordinator(struct dump *dump, enum kp_entry_log log, const struct rec_record *record)
{
    struct kp_reader       reader;
    const struct kp_entry *row = NULL;
    void                  *key, *value = NULL;
    int16_t                version = 0;

    if (record->key.base == NULL) {
        return false;
    }
    kp_reader_init(&reader, record->key, &dump->scratch);
    if (kp_entry_header_decode(&reader, log, &row) != ERR_OK || row == NULL) {
        return false;
    }
    key = entry_decode(dump, &reader, &row->key, 0);
    if (record->value.base != NULL) {
        kp_reader_init(&reader, record->value, &dump->scratch);
        version = kp_read_int16(&reader);
        value = reader.error != ERR_OK || version < row->version_min || version > row->version_max
                    ? NULL
                    : entry_decode(dump, &reader, &row->value, version);
    }
    if (key == NULL || (record->value.base != NULL && value == NULL)) {
        return false;
    }
    dump_text(dump, "type", row->name);
    dump_number(dump, "version", version);
    show_struct(dump_inside(dump, "key"), kp_show_entry(log, row->type, false), key, 0);
    if (value == NULL) {
        dump_view(dump, "value", (struct view){0});
    } else {
        show_struct(dump_inside(dump, "value"), kp_show_entry(log, row->type, true), value, version);
    }
    return true;
}

bool dump_entry(struct dump *dump, const struct rec_record *record)
{
    switch (dump->log) {
    case DUMP_METADATA:
        return entry_metadata(dump, record);
    case DUMP_OFFSETS:
        return entry_coordinator(dump, KP_ENTRY_LOG_OFFSETS, record);
    case DUMP_TRANSACTIONS:
        return entry_coordinator(dump, KP_ENTRY_LOG_TRANSACTIONS, record);
    case DUMP_JOBS:
        return entry_coordinator(dump, KP_ENTRY_LOG_JOBS, record);
    case DUMP_PLAIN:
        break;
    }
    return false;
}
