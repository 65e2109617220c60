/* broker_properties.h: Java properties text, as java.util.Properties reads it: comments (# and !), `key=value`, `key:
 * value`, `key value`, continuation by a trailing backslash, escapes (\t \n \r \f \uXXXX). Pure. */
#ifndef MILLRACE_BROKER_PROPERTIES_H
#define MILLRACE_BROKER_PROPERTIES_H

#include "core/base/arena.h"
#include "core/base/err.h"

/* line: 1-based, where the entry starts. key and value are UTF-8 and valid during the call only. False stops with
 * ERR_CANCELED. */
typedef bool broker_property_fn(void *context, uint32_t line, struct view key, struct view value);

/* ERR_OK; ERR_INVALID with *out_line set: a malformed \u escape; ERR_NO_MEMORY. */
MUST_USE int broker_properties_parse(struct view text, struct arena *arena, broker_property_fn *each, void *context,
                                     uint32_t *out_line);

#endif
