/* kp_show.h: names, types and places of the fields of metadata records and internal topics' entries, so that tools can
 * print any of them without knowing it. The table is generated (kp_show.c) and compiled by tools only. Read only. */
#ifndef MILLRACE_KP_SHOW_H
#define MILLRACE_KP_SHOW_H

#include "core/proto/kp_table.h"

enum kp_show_type {
    KP_SHOW_BOOL,
    KP_SHOW_INT8,
    KP_SHOW_INT16,
    KP_SHOW_UINT16,
    KP_SHOW_INT32,
    KP_SHOW_UINT32,
    KP_SHOW_INT64,
    KP_SHOW_FLOAT64,
    KP_SHOW_UUID,
    KP_SHOW_STRING, /* struct view */
    KP_SHOW_BYTES,  /* struct view */
    KP_SHOW_STRUCT,
};

enum kp_show_form {
    KP_SHOW_VALUE,
    KP_SHOW_ARRAY,   /* a pointer at `at`, an int32_t count at `count_at`, -1 for null */
    KP_SHOW_POINTER, /* to a struct, NULL for null */
};

struct kp_show_struct;

struct kp_show_field {
    const char                  *name; /* Kafka's, in snake case */
    enum kp_show_type            type;
    enum kp_show_form            form;
    size_t                       at, count_at, element_bytes;
    int16_t                      version_min, version_max; /* elsewhere the field does not exist */
    const struct kp_show_struct *inner;                    /* of KP_SHOW_STRUCT */
};

struct kp_show_struct {
    const struct kp_show_field *fields;
    size_t                      field_count;
};

/* NULL: unknown. Of the structs that kp_record_table and kp_entry_table decode. */
const struct kp_show_struct *kp_show_record(int16_t key);
const struct kp_show_struct *kp_show_entry(enum kp_entry_log log, int16_t type, bool value);

#endif
