/* kp_error.h: the error codes of the Kafka protocol.
 *
 * Only net/api and clients of our own speak these; the rooms below return house errors (core/base/err.h). Constant
 * tables, any thread. Source: Kafka's Errors enumeration, up to release 4.3. */
#ifndef MILLRACE_KP_ERROR_H
#define MILLRACE_KP_ERROR_H

#include "core/base/base.h"

enum kp_error {
#define KP_ERR_ROW(name, code, retriable, text) KP_ERR_##name = (code),
#include "core/proto/kp_error.def"
#undef KP_ERR_ROW
};

/* "NOT_LEADER_OR_FOLLOWER"; "UNKNOWN_SERVER_ERROR" for codes that do not exist. */
const char *kp_error_name(int16_t code);
/* One line for people, in our words. */
const char *kp_error_text(int16_t code);
/* True when a client may send the same request again. */
bool kp_error_is_retriable(int16_t code);
/* The code of a name; false when there is none. */
MUST_USE bool kp_error_find(struct view name, int16_t *out_code);

#endif
