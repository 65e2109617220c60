#include "core/proto/kp_header.h"

#include "core/base/check.h"

#define KP_RECORD_FRAME_VERSION 1

const struct kp_api *kp_api_known(int16_t key)
{
    if (key < 0 || key >= KP_API_KEY_COUNT || kp_api_table[key].name == NULL) {
        return NULL;
    }
    return &kp_api_table[key];
}

const struct kp_api *kp_api_find(int16_t key)
{
    const struct kp_api *api = kp_api_known(key);

    return api != NULL && api->answered ? api : NULL;
}

const struct kp_entry *kp_entry_find(enum kp_entry_log log, int16_t type)
{
    for (int32_t i = 0; i < kp_entry_table_count; i++) {
        if (kp_entry_table[i].log == log && kp_entry_table[i].type == type) {
            return &kp_entry_table[i];
        }
    }
    return NULL;
}

const struct kp_record *kp_record_find(int16_t key)
{
    if (key < 0 || key >= kp_record_table_count || kp_record_table[key].name == NULL) {
        return NULL;
    }
    return &kp_record_table[key];
}

bool kp_api_is_flexible(const struct kp_api *api, int16_t version)
{
    return version >= api->flexible_from;
}

static bool kp_api_speaks(const struct kp_api *api, int16_t version)
{
    return api != NULL && version >= api->version_min && version <= api->version_max;
}

int kp_request_header_decode(struct kp_reader *reader, struct kp_request_header *out)
{
    struct kp_request_header header = {0};
    const struct kp_api     *api;

    header.api_key = kp_read_int16(reader);
    header.api_version = kp_read_int16(reader);
    header.correlation_id = kp_read_int32(reader);
    if (reader->error != ERR_OK) {
        return reader->error;
    }
    api = kp_api_find(header.api_key);
    if (!kp_api_speaks(api, header.api_version)) {
        *out = header;
        return ERR_UNSUPPORTED;
    }
    header.client_id = kp_read_string(reader, false, true);
    if (kp_api_is_flexible(api, header.api_version)) {
        kp_tags_skip(reader);
    }
    if (reader->error == ERR_OK) {
        *out = header;
    }
    return reader->error;
}

void kp_request_header_encode(struct kp_writer *writer, const struct kp_request_header *in)
{
    const struct kp_api *api = kp_api_known(in->api_key);

    if (!kp_api_speaks(api, in->api_version)) {
        kp_writer_fail(writer, ERR_INVALID);
        return;
    }
    kp_write_int16(writer, in->api_key);
    kp_write_int16(writer, in->api_version);
    kp_write_int32(writer, in->correlation_id);
    kp_write_string(writer, false, true, in->client_id);
    if (kp_api_is_flexible(api, in->api_version)) {
        kp_write_uvarint(writer, 0);
    }
}

static bool kp_response_header_has_tags(int16_t api_key, int16_t api_version)
{
    const struct kp_api *api = kp_api_known(api_key);

    return api != NULL && api_key != KP_API_VERSIONS_KEY && kp_api_is_flexible(api, api_version);
}

void kp_response_header_encode(struct kp_writer *writer, int16_t api_key, int16_t api_version, int32_t correlation_id)
{
    kp_write_int32(writer, correlation_id);
    if (kp_response_header_has_tags(api_key, api_version)) {
        kp_write_uvarint(writer, 0);
    }
}

int kp_response_header_decode(struct kp_reader *reader, int16_t api_key, int16_t api_version,
                              int32_t *out_correlation_id)
{
    int32_t correlation_id = kp_read_int32(reader);

    if (kp_response_header_has_tags(api_key, api_version)) {
        kp_tags_skip(reader);
    }
    if (reader->error == ERR_OK) {
        *out_correlation_id = correlation_id;
    }
    return reader->error;
}

int kp_record_header_decode(struct kp_reader *reader, int16_t *out_key, int16_t *out_version)
{
    uint32_t                frame = kp_read_uvarint(reader);
    uint32_t                key = kp_read_uvarint(reader);
    uint32_t                version = kp_read_uvarint(reader);
    const struct kp_record *record;

    if (reader->error == ERR_OK && (key > INT16_MAX || version > INT16_MAX)) {
        kp_reader_fail(reader, ERR_INVALID);
    }
    if (reader->error != ERR_OK) {
        return reader->error;
    }
    *out_key = (int16_t)key;
    *out_version = (int16_t)version;
    record = kp_record_find(*out_key);
    if (frame != KP_RECORD_FRAME_VERSION || record == NULL || *out_version < record->version_min ||
        *out_version > record->version_max) {
        return ERR_UNSUPPORTED;
    }
    return ERR_OK;
}

void kp_record_header_encode(struct kp_writer *writer, int16_t key, int16_t version)
{
    CHECK(key >= 0 && version >= 0);
    kp_write_uvarint(writer, KP_RECORD_FRAME_VERSION);
    kp_write_uvarint(writer, (uint32_t)key);
    kp_write_uvarint(writer, (uint32_t)version);
}

int kp_entry_header_decode(struct kp_reader *reader, enum kp_entry_log log, const struct kp_entry **out_entry)
{
    int16_t type = kp_read_int16(reader);

    if (reader->error == ERR_OK) {
        *out_entry = kp_entry_find(log, type);
    }
    return reader->error;
}
