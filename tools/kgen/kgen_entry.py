"""Emits kp_entries.h/.c: keyed records of internal topics: a key starts with its type, a value with its version."""

from kgen_emit import NOTE, MessageEmitter, emit_source as emit_messages, guard

HEAD = """/* {name}: what stands in the internal topics: keys and values of the coordinators' records.
 *
 * kp_<entry>_key_write and kp_<entry>_value_write put the type and the version in front. For reading,
 * kp_entry_header_decode (kp_header.h) tells what a key is; then kp_<entry>_key_decode(reader, 0, out) reads the rest
 * of the key, and kp_<entry>_value_read(reader, out) a whole value: ERR_UNSUPPORTED when its version is unknown. */
"""


def emit_header(file_name, entries):
    mark = guard(file_name)
    lines = [HEAD.format(name=file_name) + NOTE + f"#ifndef {mark}", f"#define {mark}", "",
             '#include "core/proto/kp_reader.h"', '#include "core/proto/kp_writer.h"', "",
             "/* The int16 in front of a key. Each topic counts for itself. */", "enum kp_entry_type {"]
    lines += [f"    KP_ENTRY_{schema.snake().upper()} = {schema.key}," for schema in entries] + ["};", ""]
    for schema in entries:
        key, value = schema.messages
        upper = value.c_name.upper()
        lines += [f"/* ---- {schema.name} {schema.versions} ---- */", "",
                  f"#define KP_{upper}_VERSION_MIN {schema.versions.lo}",
                  f"#define KP_{upper}_VERSION_MAX {schema.versions.hi}", ""]
        lines += MessageEmitter(key).header() + MessageEmitter(value).header()
        lines += [
            f"void kp_{key.c_name}_write(struct kp_writer *writer, const struct kp_{key.c_name} *in);",
            f"void kp_{value.c_name}_write(struct kp_writer *writer, int16_t version,",
            f"    const struct kp_{value.c_name} *in);",
            f"MUST_USE int kp_{value.c_name}_read(struct kp_reader *reader, struct kp_{value.c_name} *out);", ""]
    return "\n".join(lines + ["#endif", ""])


def doors(schema):
    key, value = (message.c_name for message in schema.messages)
    lo, hi = schema.versions.lo, schema.versions.hi
    return f"""void kp_{key}_write(struct kp_writer *writer, const struct kp_{key} *in)
{{
    kp_write_int16(writer, KP_ENTRY_{schema.snake().upper()});
    kp_{key}_encode(writer, 0, in);
}}

void kp_{value}_write(struct kp_writer *writer, int16_t version, const struct kp_{value} *in)
{{
    kp_write_int16(writer, version);
    kp_{value}_encode(writer, version, in);
}}

int kp_{value}_read(struct kp_reader *reader, struct kp_{value} *out)
{{
    int16_t version = kp_read_int16(reader);

    if (reader->error == ERR_OK && (version < {lo} || version > {hi})) {{
        kp_reader_fail(reader, ERR_UNSUPPORTED);
    }}
    return reader->error == ERR_OK ? kp_{value}_decode(reader, version, out) : reader->error;
}}
"""


def emit_source(header_name, entries):
    return emit_messages(header_name, entries) + "\n" + "\n".join(doors(schema) for schema in entries)
