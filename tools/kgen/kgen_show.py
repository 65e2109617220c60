"""Emits kp_show.c: names and places of the fields of metadata records and internal topics' entries, for printing them
(core/proto/kp_show.h)."""

from kgen_emit import NOTE, c_base, c_struct
from kgen_model import SCALARS


def type_name(field):
    return "STRUCT" if field.is_struct() else field.base.upper()


def emit_struct(struct):
    lines = []
    if struct.fields:
        lines.append(f"static const struct kp_show_field {struct.c_name}_fields[] = {{")
    for field in struct.fields:
        form = "ARRAY" if field.array else "POINTER" if field.is_pointer() else "VALUE"
        parts = [f".name = \"{field.name}\"", f".type = KP_SHOW_{type_name(field)}", f".form = KP_SHOW_{form}",
                 f".at = offsetof({c_struct(struct)}, {field.name})"]
        if field.array:
            parts.append(f".count_at = offsetof({c_struct(struct)}, {field.name}_count)")
            parts.append(f".element_bytes = sizeof({c_base(field)})")
        parts.append(f".version_min = {field.versions.lo}, .version_max = {min(field.versions.hi, 32767)}")
        if field.is_struct():
            parts.append(f".inner = &{field.struct.c_name}_show")
        lines += ["    {" + ",\n     ".join(parts) + "},"]
    if struct.fields:
        lines += ["};", ""]
    fields = f"{struct.c_name}_fields" if struct.fields else "NULL"
    count = len(struct.fields)
    return lines + [f"static const struct kp_show_struct {struct.c_name}_show = "
                    f"{{.fields = {fields}, .field_count = {count}}};", ""]


def emit_source(records, entries):
    assert all(base in SCALARS or base in ("string", "bytes", "struct") for base in
               {field.base for schema in records + entries for message in schema.messages
                for struct in message.structs() for field in struct.fields})
    lines = [NOTE + '#include "core/proto/kp_show.h"', "", '#include "core/proto/kp_entries.h"',
             '#include "core/proto/kp_records.h"', ""]
    for schema in records + entries:
        for message in schema.messages:
            for struct in message.structs():
                lines += emit_struct(struct)
    lines += ["const struct kp_show_struct *kp_show_record(int16_t key)", "{", "    switch (key) {"]
    for schema in records:
        lines += [f"    case {schema.key}:", f"        return &{schema.messages[0].c_name}_show;"]
    lines += ["    default:", "        return NULL;", "    }", "}", "",
              "const struct kp_show_struct *kp_show_entry(enum kp_entry_log log, int16_t type, bool value)", "{"]
    for schema in entries:
        key, value = (message.c_name for message in schema.messages)
        lines += [f"    if (log == KP_ENTRY_LOG_{schema.log.upper()} && type == {schema.key}) {{",
                  f"        return value ? &{value}_show : &{key}_show;", "    }"]
    return "\n".join(lines + ["    return NULL;", "}", ""])
