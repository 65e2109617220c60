"""Emits kp_random.h/.c, for tests: random messages of every type and version, and equality."""

from kgen_emit import NOTE, c_base, c_struct, condition, flag
from kgen_model import SCALARS

HEADER = """/* kp_random.h: for tests: every message at random, in any version, and whether two are equal. */
{note}#ifndef MILLRACE_KP_RANDOM_H
#define MILLRACE_KP_RANDOM_H

#include "core/proto/kp_entries.h"
#include "core/proto/kp_records.h"
#include "core/proto/kp_table.h"
#include "tests/unit/proto/kp_random_source.h"

/* fill sets only what exists in `version`; everything else keeps its default. */
struct kp_random_row {{
    const char     *name;
    int16_t         version_min;
    int16_t         version_max;
    struct kp_codec codec;
    void (*fill)(struct kp_random *random, int16_t version, void *out);
    bool (*equal)(const void *a, const void *b);
}};

#define KP_RANDOM_ROWS_COUNT {count}

extern const struct kp_random_row kp_random_rows[KP_RANDOM_ROWS_COUNT];

#endif
"""

ROW_FUNCTIONS = """static void {name}_init_any(void *out)
{{
    kp_{name}_init(out);
}}

static int {name}_decode_any(struct kp_reader *reader, int16_t version, void *out)
{{
    return kp_{name}_decode(reader, version, out);
}}

static void {name}_encode_any(struct kp_writer *writer, int16_t version, const void *in)
{{
    kp_{name}_encode(writer, version, in);
}}

static void {name}_fill_any(struct kp_random *random, int16_t version, void *out)
{{
    {name}_fill(random, version, out);
}}

static bool {name}_equal_any(const void *a, const void *b)
{{
    return {name}_equal(a, b);
}}
"""


def emit_header(schemas):
    return HEADER.format(note=NOTE, count=sum(len(schema.messages) for schema in schemas))


def emit_source(schemas):
    lines, rows = [NOTE + '#include "core/proto/kp_random.h"', ""], []
    for schema in schemas:
        for message in schema.messages:
            for struct in message.structs():
                lines += fill(struct) + equal(struct)
            name = message.c_name
            lines.append(ROW_FUNCTIONS.format(name=name))
            rows += [f"    {{.name = \"{name}\", .version_min = {message.versions.lo}, "
                     f".version_max = {message.versions.hi},",
                     f"     .codec = {{.bytes = sizeof(struct kp_{name}), .init = {name}_init_any,",
                     f"               .decode = {name}_decode_any, .encode = {name}_encode_any}},",
                     f"     .fill = {name}_fill_any, .equal = {name}_equal_any}},"]
    lines += ["const struct kp_random_row kp_random_rows[KP_RANDOM_ROWS_COUNT] = {"] + rows + ["};", ""]
    return "\n".join(lines)


def fill(struct):
    body = []
    for field in struct.fields:
        test = condition(field.versions, struct.range)
        chance = "kp_random_keeps_default(random)"
        body += [f"    if (!{chance}{' && ' + test if test else ''}) {{"]
        body += ["        " + text for text in fill_field(field)] + ["    }"]
    name = struct.c_name
    return [f"static void {name}_fill(struct kp_random *random, int16_t version, struct kp_{name} *out)", "{",
            "    (void)random;", "    (void)version;", f"    kp_{struct.c_name}_init(out);"] + body + ["}", ""]


def fill_field(field):
    name, nullable = f"out->{field.name}", flag(field.nullable, field.versions)
    if field.array:
        if field.is_struct():
            one = f"{field.struct.c_name}_fill(random, version, &values[i]);"
        elif field.base in SCALARS:
            one = f"values[i] = kp_random_{SCALARS[field.base][1]}(random);"
        else:
            one = f"values[i] = kp_random_{field.base}(random, false);"
        return [f"int32_t count = kp_random_count(random, {nullable});",
                f"{c_base(field)} *values = kp_random_alloc(random, count, sizeof(*values));", "",
                "for (int32_t i = 0; i < count; i++) {", "    " + one, "}",
                f"{name} = values;", f"{name}_count = count;"]
    if field.is_pointer():
        return [f"{name} = kp_random_alloc(random, 1, sizeof(*{name}));",
                f"{field.struct.c_name}_fill(random, version, {name});"]
    if field.is_struct():
        return [f"{field.struct.c_name}_fill(random, version, &{name});"]
    if field.base in SCALARS:
        return [f"{name} = kp_random_{SCALARS[field.base][1]}(random);"]
    if field.base == "records":
        return [f"kp_random_records(random, {nullable}, &{name}, &{name}_parts, &{name}_parts_count);"]
    return [f"{name} = kp_random_{field.base}(random, {nullable});"]


def equal(struct):
    body = []
    for field in struct.fields:
        if field.array:
            body += equal_array(field)
        else:
            body += [f"    if (!({equal_field(field)})) {{", "        return false;", "    }"]
    return [f"static bool {struct.c_name}_equal(const {c_struct(struct)} *a, const {c_struct(struct)} *b)", "{",
            "    (void)a;", "    (void)b;"] + body + ["    return true;", "}", ""]


def equal_field(field):
    a, b = f"a->{field.name}", f"b->{field.name}"
    if field.is_pointer():
        return f"({a} == NULL) == ({b} == NULL) && ({a} == NULL || {field.struct.c_name}_equal({a}, {b}))"
    if field.is_struct():
        return f"{field.struct.c_name}_equal(&{a}, &{b})"
    if field.base == "records":
        return f"kp_random_records_equal({a}, {a}_parts, {a}_parts_count, {b}, {b}_parts, {b}_parts_count)"
    return equal_value(field, a, b)


def equal_value(field, a, b):
    if field.base == "uuid":
        return f"uuid_equal({a}, {b})"
    if field.base == "float64":
        return f"!({a} < {b} || {a} > {b})"
    return f"{a} == {b}" if field.base in SCALARS else f"kp_random_view_equal({a}, {b})"


def equal_array(field):
    a, b = f"a->{field.name}", f"b->{field.name}"
    one = equal_value(field, f"{a}[i]", f"{b}[i]")
    if field.is_struct():
        one = f"{field.struct.c_name}_equal(&{a}[i], &{b}[i])"
    return [f"    if ({a}_count != {b}_count) {{", "        return false;", "    }",
            f"    for (int32_t i = 0; i < {a}_count; i++) {{",
            f"        if (!({one})) {{", "            return false;", "        }", "    }"]
