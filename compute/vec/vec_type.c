/* Types: how their values stand in memory and how Flink writes them. */
#include "compute/vec/vec.h"

#include "core/base/check.h"
#include "core/base/print.h"

static const char *const kind_names[VEC_KIND_COUNT] = {
    [VEC_NULL] = "NULL",
    [VEC_BOOLEAN] = "BOOLEAN",
    [VEC_TINYINT] = "TINYINT",
    [VEC_SMALLINT] = "SMALLINT",
    [VEC_INT] = "INT",
    [VEC_BIGINT] = "BIGINT",
    [VEC_FLOAT] = "FLOAT",
    [VEC_DOUBLE] = "DOUBLE",
    [VEC_DECIMAL] = "DECIMAL",
    [VEC_CHAR] = "CHAR",
    [VEC_VARCHAR] = "VARCHAR",
    [VEC_BINARY] = "BINARY",
    [VEC_VARBINARY] = "VARBINARY",
    [VEC_DATE] = "DATE",
    [VEC_TIME] = "TIME",
    [VEC_TIMESTAMP] = "TIMESTAMP",
    [VEC_TIMESTAMP_LTZ] = "TIMESTAMP_LTZ",
    [VEC_INTERVAL_MONTH] = "INTERVAL MONTH",
    [VEC_INTERVAL_DAY] = "INTERVAL SECOND(3)",
    [VEC_ROW] = "ROW",
    [VEC_ARRAY] = "ARRAY",
};

static enum vec_layout timestamp_layout(uint8_t precision)
{
    return precision <= 6 ? VEC_LAYOUT_INT64 : VEC_LAYOUT_INT128;
}

enum vec_layout vec_type_layout(struct vec_type type)
{
    static const enum vec_layout layouts[VEC_KIND_COUNT] = {
        [VEC_NULL] = VEC_LAYOUT_NONE,
        [VEC_BOOLEAN] = VEC_LAYOUT_BOOL,
        [VEC_TINYINT] = VEC_LAYOUT_INT8,
        [VEC_SMALLINT] = VEC_LAYOUT_INT16,
        [VEC_INT] = VEC_LAYOUT_INT32,
        [VEC_BIGINT] = VEC_LAYOUT_INT64,
        [VEC_FLOAT] = VEC_LAYOUT_FLOAT,
        [VEC_DOUBLE] = VEC_LAYOUT_DOUBLE,
        [VEC_CHAR] = VEC_LAYOUT_STRING,
        [VEC_VARCHAR] = VEC_LAYOUT_STRING,
        [VEC_BINARY] = VEC_LAYOUT_STRING,
        [VEC_VARBINARY] = VEC_LAYOUT_STRING,
        [VEC_DATE] = VEC_LAYOUT_INT32,
        [VEC_TIME] = VEC_LAYOUT_INT32,
        [VEC_INTERVAL_MONTH] = VEC_LAYOUT_INT32,
        [VEC_INTERVAL_DAY] = VEC_LAYOUT_INT64,
        [VEC_ROW] = VEC_LAYOUT_NONE,
        [VEC_ARRAY] = VEC_LAYOUT_LIST,
    };

    CHECK(type.kind < VEC_KIND_COUNT);
    if (type.kind == VEC_DECIMAL) {
        return type.precision <= 18 ? VEC_LAYOUT_INT64 : VEC_LAYOUT_INT128;
    }
    if (type.kind == VEC_TIMESTAMP || type.kind == VEC_TIMESTAMP_LTZ) {
        return timestamp_layout(type.precision);
    }
    return layouts[type.kind];
}

size_t vec_layout_bytes(enum vec_layout layout)
{
    static const size_t bytes[VEC_LAYOUT_COUNT] = {
        [VEC_LAYOUT_NONE] = 0,
        [VEC_LAYOUT_BOOL] = 1,
        [VEC_LAYOUT_INT8] = 1,
        [VEC_LAYOUT_INT16] = 2,
        [VEC_LAYOUT_INT32] = 4,
        [VEC_LAYOUT_INT64] = 8,
        [VEC_LAYOUT_INT128] = 16,
        [VEC_LAYOUT_FLOAT] = 4,
        [VEC_LAYOUT_DOUBLE] = 8,
        [VEC_LAYOUT_STRING] = sizeof(struct vec_string),
        [VEC_LAYOUT_LIST] = sizeof(struct vec_list),
    };

    CHECK(layout < VEC_LAYOUT_COUNT);
    return bytes[layout];
}

int64_t vec_timestamp_units(struct vec_type type)
{
    return type.precision <= 6 ? 1000000 : 1000000000;
}

bool vec_type_equal(struct vec_type a, struct vec_type b)
{
    if (a.kind != b.kind || a.child_count != b.child_count) {
        return false;
    }
    switch (a.kind) {
    case VEC_DECIMAL:
        return a.precision == b.precision && a.scale == b.scale;
    case VEC_TIME:
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        return a.precision == b.precision;
    case VEC_CHAR:
    case VEC_VARCHAR:
    case VEC_BINARY:
    case VEC_VARBINARY:
        return a.length == b.length;
    default:
        break;
    }
    for (uint32_t i = 0; i < a.child_count; i++) {
        if ((a.kind == VEC_ROW && !view_equal(a.children[i].name, b.children[i].name)) ||
            !vec_type_equal(a.children[i].type, b.children[i].type)) {
            return false;
        }
    }
    return true;
}

static void type_write(struct print *out, struct vec_type type);

static void type_write_children(struct print *out, struct vec_type type)
{
    print_put(out, "%s<", kind_names[type.kind]);
    for (uint32_t i = 0; i < type.child_count; i++) {
        if (i > 0) {
            print_put(out, ", ");
        }
        if (type.kind == VEC_ROW) {
            print_put(out, "`%.*s` ", (int)type.children[i].name.len, (const char *)type.children[i].name.base);
        }
        type_write(out, type.children[i].type);
    }
    print_put(out, ">");
}

static void type_write(struct print *out, struct vec_type type)
{
    switch (type.kind) {
    case VEC_DECIMAL:
        print_put(out, "DECIMAL(%d, %d)", type.precision, type.scale);
        break;
    case VEC_TIME:
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        print_put(out, "%s(%d)", kind_names[type.kind], type.precision);
        break;
    case VEC_CHAR:
    case VEC_VARCHAR:
    case VEC_BINARY:
    case VEC_VARBINARY:
        if (type.length == VEC_LENGTH_UNLIMITED && !(type.kind == VEC_CHAR || type.kind == VEC_BINARY)) {
            print_put(out, "%s", type.kind == VEC_VARCHAR ? "STRING" : "BYTES");
        } else {
            print_put(out, "%s(%" PRId32 ")", kind_names[type.kind], type.length);
        }
        break;
    case VEC_ROW:
    case VEC_ARRAY:
        type_write_children(out, type);
        break;
    default:
        print_put(out, "%s", kind_names[type.kind]);
        break;
    }
    if (!type.nullable && type.kind != VEC_NULL) {
        print_put(out, " NOT NULL");
    }
}

size_t vec_type_format(struct vec_type type, char *out_text, size_t capacity)
{
    struct print out = {.text = out_text, .capacity = capacity};

    CHECK(type.kind < VEC_KIND_COUNT);
    type_write(&out, type);
    return out.len;
}
