/* kp_header.h: what stands in front of a body: request and response headers, and the frame of metadata records.
 *
 * Request header v1: key, version, correlation id, client id; v2, for flexible versions, adds tagged fields, and its
 * client id keeps the old-style length. (v0 was used by ControlledShutdown 0 alone, which is not spoken.) Response
 * header v0: correlation id; v1, for flexible versions, adds tagged fields; ApiVersions always answers with v0, because
 * a client that asks does not know yet what we speak.
 *
 * Source: Kafka's ApiMessageType generator and RequestHeader schema. */
#ifndef MILLRACE_KP_HEADER_H
#define MILLRACE_KP_HEADER_H

#include "core/proto/kp_table.h"

struct kp_request_header {
    int16_t     api_key;
    int16_t     api_version;
    int32_t     correlation_id;
    struct view client_id; /* base NULL for null; lives as long as the frame */
};

/* Reads the header and leaves the reader at the body. Results:
 *   ERR_OK           the API and version are spoken.
 *   ERR_UNSUPPORTED  they are not; key, version and correlation id are set, client_id is null.
 *   ERR_INVALID      too short or malformed.
 *
 * Kafka closes the connection for all but ERR_OK, except that an ApiVersions request of an unknown version is answered
 * in version 0 with UNSUPPORTED_VERSION. */
MUST_USE int kp_request_header_decode(struct kp_reader *reader, struct kp_request_header *out);
/* For clients: the API must be known, the version inside its range (else writer->error is ERR_INVALID). */
void kp_request_header_encode(struct kp_writer *writer, const struct kp_request_header *in);

void kp_response_header_encode(struct kp_writer *writer, int16_t api_key, int16_t api_version, int32_t correlation_id);
/* For clients, who know what they asked. ERR_OK or ERR_INVALID. */
MUST_USE int kp_response_header_decode(struct kp_reader *reader, int16_t api_key, int16_t api_version,
                                       int32_t *out_correlation_id);

/* The value of a record in the metadata log: frame version 1, record type and version as unsigned varints, then the
 * body. decode: ERR_UNSUPPORTED for another frame version, or a type or version that the table does not hold (type and
 * version are set); ERR_INVALID when malformed. */
MUST_USE int kp_record_header_decode(struct kp_reader *reader, int16_t *out_key, int16_t *out_version);
void         kp_record_header_encode(struct kp_writer *writer, int16_t key, int16_t version);

/* The type in front of an internal topic's key; leaves the reader at the key's body. *out_entry is NULL for a type that
 * is unknown in this log (Kafka has more kinds of groups); such records are skipped. ERR_OK, or ERR_INVALID when the
 * key is too short. */
MUST_USE int kp_entry_header_decode(struct kp_reader *reader, enum kp_entry_log log, const struct kp_entry **out_entry);

#endif
