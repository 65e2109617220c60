"""Emits the structs, decoders and encoders of messages (kp_messages.h/.c, kp_records.h/.c)."""

import re

from kgen_model import LENGTHED, SCALARS

NOTE = "/* Made by tools/kgen from core/proto/schema. Not for editing. */\n"


def c_struct(struct):
    return f"struct kp_{struct.c_name}"


def c_base(field):
    """The C type of one element."""
    if field.is_struct():
        return c_struct(field.struct)
    return SCALARS[field.base][0] if field.base in SCALARS else "struct view"


def member_lines(field):
    base, name = c_base(field), field.name
    if field.array:
        const = "" if field.is_struct() else "const "
        return [f"{const}{base} *{name};", f"int32_t {name}_count;"]
    if field.is_pointer():
        return [f"{base} *{name};"]
    if field.base == "records":
        return [f"{base} {name};", f"const struct view *{name}_parts;", f"int32_t {name}_parts_count;"]
    return [f"{base} {name};"]


def member_note(field, message):
    notes = []
    if not field.versions.covers(message.versions):
        notes.append(f"versions {describe(field.versions, message)}")
    if field.nullable is not None:
        part = "" if field.nullable == field.versions else f" in {describe(field.nullable, message)}"
        notes.append(f"may be null{part}")
    if field.tag is not None:
        notes.append(f"tag {field.tag}")
    return f" /* {', '.join(notes)} */" if notes else ""


def describe(versions, message):
    if versions.hi >= message.versions.hi:
        return f"{versions.lo}+"
    return str(versions)


def condition(versions, outer):
    """C text that is true in `versions`, given that the version is inside `outer`; None when always true."""
    parts = []
    if versions.lo > outer.lo:
        parts.append(f"version >= {versions.lo}")
    if versions.hi < outer.hi:
        parts.append(f"version <= {versions.hi}")
    return " && ".join(parts) or None


def flag(versions, outer):
    """A C truth value for "the version is inside `versions`"."""
    if versions is None or versions.cut(outer) is None:
        return "false"
    return condition(versions, outer) or "true"


def uses(word, lines):
    """True when C lines use the variable `word` (and not only a member of that name)."""
    return re.search(rf"(?<![.>\w]){word}\b", "\n".join(lines)) is not None


def default_value(field):
    """The C initialiser of a field that is not all zero bytes, or None."""
    default = field.default
    if default == "null":
        return "-1" if field.array else None  # an array's count; pointers and views are zero already
    if field.array or field.base in ("struct", "uuid"):
        return None
    if field.base in LENGTHED:
        return f'view_text("{default or ""}")'
    if default is None or default in ("0", "false"):
        return None
    if field.base in ("bool", "float64"):
        return default
    value = int(default, 0)
    bits = 8 * SCALARS[field.base][2]
    if value == -2 ** (bits - 1):
        return f"INT{bits}_MIN"
    return f"INT64_C({value})" if bits == 64 else f"{value}U" if field.base[0] == "u" else str(value)


class MessageEmitter:
    """One message: its structs as C text."""

    def __init__(self, message):
        self.message = message

    # -- header ------------------------------------------------------------------------------------------------------

    def header(self):
        lines = []
        for struct in self.message.structs():
            lines += [f"{c_struct(struct)} {{"]
            for field in struct.fields:
                members = member_lines(field)
                members[0] += member_note(field, self.message)
                lines += ["    " + text for text in members]
            if not struct.fields:
                lines += ["    uint8_t nothing; /* this message has no fields */"]
            lines += ["};", ""]
        for struct in self.message.structs():
            lines.append(f"void kp_{struct.c_name}_init({c_struct(struct)} *out);")
        name = self.message.c_name
        lines += [
            f"MUST_USE int kp_{name}_decode(struct kp_reader *reader, int16_t version, struct kp_{name} *out);",
            f"void kp_{name}_encode(struct kp_writer *writer, int16_t version, const struct kp_{name} *in);", ""]
        return lines

    # -- source ------------------------------------------------------------------------------------------------------

    def source(self):
        lines = []
        for struct in self.message.structs():
            lines += self.init(struct) + self.decode(struct) + self.encode(struct)
        return lines + self.doors()

    def init(self, struct):
        name = struct.c_name
        lines = [f"void kp_{name}_init(struct kp_{name} *out)", "{", f"    *out = (struct kp_{name}){{0}};"]
        for field in struct.fields:
            value = default_value(field)
            if value is not None:
                lines.append(f"    out->{field.name}{'_count' if field.array else ''} = {value};")
            elif field.is_struct() and not field.array and not field.is_pointer():
                lines.append(f"    kp_{field.struct.c_name}_init(&out->{field.name});")
        return lines + ["}", ""]

    def wrap(self, body, test, depth=1):
        """`body` under a condition."""
        pad = "    " * depth
        if test is None:
            return [pad + text for text in body]
        return [f"{pad}if ({test}) {{"] + [pad + "    " + text for text in body] + [pad + "}"]

    def prologue(self, struct, body):
        """Declares `compact` when the body asks for it, and names an unused `version`."""
        lines = []
        if uses("compact", body):
            lines += [f"    const bool compact = {flag(self.message.flexible, struct.range)};", ""]
        if not uses("version", lines + body):
            lines.append("    (void)version;")
        return lines

    def decode(self, struct):
        body = []
        for field in struct.plain():
            body += self.wrap(self.read(field), condition(field.versions, struct.range))
        body += self.read_tags(struct)
        lines, name = self.elements_min(struct), struct.c_name
        lines += [f"static void {name}_read(struct kp_reader *reader, int16_t version, struct kp_{name} *out)", "{"]
        lines += self.prologue(struct, body) + [f"    kp_{name}_init(out);"] + body
        return lines + ["}", ""]

    def read(self, field, outer=None):
        """Statements that read one field."""
        name, outer = f"out->{field.name}", outer or field.versions
        nullable = flag(field.nullable, outer)
        if field.array and field.is_struct():
            inner = field.struct.c_name
            return [
                f"{name}_count = kp_read_count(reader, compact, {nullable}, {inner}_bytes_min(version));",
                f"{name} = kp_read_alloc(reader, {name}_count, sizeof(*{name}));",
                f"for (int32_t i = 0; reader->error == ERR_OK && i < {name}_count; i++) {{",
                f"    {inner}_read(reader, version, &{name}[i]);", "}"]
        if field.array:
            return [f"{name} = kp_read_{field.base}_array(reader, compact, {nullable}, &{name}_count);"]
        if field.is_pointer():
            read = [f"{name} = kp_read_alloc(reader, 1, sizeof(*{name}));", f"if ({name} != NULL) {{",
                    f"    {field.struct.c_name}_read(reader, version, {name});", "}"]
            if field.tag is not None:  # Kafka has another marker there, an unsigned varint
                return self.wrap(read, "kp_read_uvarint(reader) != 0", 0)
            return self.wrap(read, "kp_read_present(reader)" if nullable == "true"
                             else f"!({nullable}) || kp_read_present(reader)", 0)
        if field.is_struct():
            return [f"{field.struct.c_name}_read(reader, version, &{name});"]
        if field.base in SCALARS:
            return [f"{name} = kp_read_{SCALARS[field.base][1]}(reader);"]
        door = "string" if field.base == "string" else "bytes"
        return [f"{name} = kp_read_{door}(reader, compact, {nullable});"]

    def read_tags(self, struct):
        if self.message.flexible is None or self.message.flexible.cut(struct.range) is None:
            return []
        if not struct.tagged():
            return self.wrap(["kp_tags_skip(reader);"], condition(self.message.flexible, struct.range))
        body = ["struct kp_tags tags;", "", "kp_tags_open(reader, &tags);", "while (kp_tags_next(reader, &tags)) {",
                "    switch (tags.tag) {"]
        for field in struct.tagged():
            read = self.read(field, field.versions) + ["tags.known = true;"]
            body += [f"    case {field.tag}:"] + self.wrap(read, condition(field.versions, struct.range), 2)
            body += ["        break;"]
        body += ["    default:", "        break;", "    }", "    kp_tags_close(reader, &tags);", "}"]
        test = condition(self.message.flexible, struct.range)
        return self.wrap(body, test) if test else ["    {"] + ["        " + text for text in body] + ["    }"]

    def encode(self, struct):
        body = []
        for field in struct.plain():
            body += self.wrap(self.write(field), condition(field.versions, struct.range))
        body += self.write_tags(struct)
        lines, name = self.is_default(struct) + self.tag_writers(struct), struct.c_name
        lines += [f"static void {name}_write(struct kp_writer *writer, int16_t version, const struct kp_{name} *in)",
                  "{"]
        lines += self.prologue(struct, body)
        if not struct.fields:
            lines.append("    (void)in;")
        return lines + body + ["}", ""]

    def write(self, field):
        name, nullable = f"in->{field.name}", flag(field.nullable, field.versions)
        if field.array and field.is_struct():
            return [f"kp_write_count(writer, compact, {nullable}, {name}_count);",
                    f"for (int32_t i = 0; i < {name}_count; i++) {{",
                    f"    {field.struct.c_name}_write(writer, version, &{name}[i]);", "}"]
        if field.array:
            return [f"kp_write_{field.base}_array(writer, compact, {nullable}, {name}, {name}_count);"]
        if field.is_pointer() and field.tag is not None:
            write = f"    {field.struct.c_name}_write(writer, version, {name});"
            return [f"kp_write_uvarint(writer, {name} != NULL ? 1 : 0);", f"if ({name} != NULL) {{", write, "}"]
        if field.is_pointer():
            present = self.wrap([f"kp_write_present(writer, {name} != NULL);"],
                                None if nullable == "true" else nullable, 0)
            write = f"    {field.struct.c_name}_write(writer, version, {name});"
            return present + [f"if ({name} != NULL) {{", write, "}"]
        if field.is_struct():
            return [f"{field.struct.c_name}_write(writer, version, &{name});"]
        if field.base in SCALARS:
            return [f"kp_write_{SCALARS[field.base][1]}(writer, {name});"]
        if field.base == "records":
            return [f"kp_write_records(writer, compact, {nullable}, {name}, {name}_parts, {name}_parts_count);"]
        return [f"kp_write_{field.base}(writer, compact, {nullable}, {name});"]

    def tag_writers(self, struct):
        lines = []
        for field in struct.tagged():
            body = ["    " + text for text in self.write(field)]
            lines += [f"static void {struct.c_name}_write_tag_{field.tag}(struct kp_writer *writer, int16_t version, "
                      f"const {c_struct(struct)} *in)", "{"]
            if uses("compact", body):
                lines += ["    const bool compact = true; /* tags exist in flexible versions only */", ""]
            if not uses("version", body):
                lines += ["    (void)version;"]
            lines += body + ["}", ""]
        return lines

    def write_tags(self, struct):
        flexible = self.message.flexible
        if flexible is None or flexible.cut(struct.range) is None:
            return []
        if not struct.tagged():
            return self.wrap(["kp_write_uvarint(writer, 0);"], condition(flexible, struct.range))
        body, send = ["uint32_t count = 0;"], []
        for field in struct.tagged():
            test = [f"!({self.default_test(field)})"]
            if condition(field.versions, struct.range):
                test.insert(0, condition(field.versions, struct.range))
            here = f"has_{field.tag}"
            body.append(f"const bool {here} = {' && '.join(test)};")
            send += [f"if ({here}) {{", "    struct kp_writer measure;", "",
                     "    kp_writer_init_measure(&measure);",
                     f"    {struct.c_name}_write_tag_{field.tag}(&measure, version, in);",
                     f"    kp_write_uvarint(writer, {field.tag});",
                     "    kp_write_uvarint(writer, (uint32_t)measure.bytes_total);",
                     f"    {struct.c_name}_write_tag_{field.tag}(writer, version, in);", "}"]
        body += [""] + [f"count += has_{field.tag} ? 1 : 0;" for field in struct.tagged()]
        body += ["kp_write_uvarint(writer, count);"] + send
        test = condition(flexible, struct.range)
        return self.wrap(body, test) if test else ["    {"] + ["        " + text for text in body] + ["    }"]

    def is_default(self, struct):
        """Only structs that stand in a tagged field need the question."""
        for owner in self.message.structs():
            if any(f.struct is struct and not f.array and not f.is_pointer() for f in owner.tagged()):
                tests = " &&\n           ".join(self.default_test(field) for field in struct.fields)
                return [f"static bool {struct.c_name}_is_default(const {c_struct(struct)} *in)", "{",
                        f"    return {tests};", "}", ""]
        return []

    def default_test(self, field):
        name = f"in->{field.name}"
        if field.array:
            return f"{name}_count < 0" if field.default == "null" else f"{name}_count == 0"
        if field.is_pointer():  # without a default of null, Kafka reads an absent tag as an empty struct
            return f"{name} == NULL" if field.tag is None or field.default == "null" else "false"
        if field.is_struct():
            return f"{field.struct.c_name}_is_default(&{name})"
        if field.base == "uuid":
            return f"uuid_is_zero({name})"
        if field.base in LENGTHED:
            if field.default == "null":
                parts = f" && {name}_parts_count <= 0" if field.base == "records" else ""
                return f"{name}.base == NULL{parts}"
            empty = f"view_equal({name}, {default_value(field)})"
            return empty if field.nullable is None else f"{name}.base != NULL && {empty}"
        if field.base == "float64":
            return f"!({name} < {field.default or 0} || {name} > {field.default or 0})"
        return f"{name} == {default_value(field) or ('false' if field.base == 'bool' else '0')}"

    def doors(self):
        """The public functions: version check, then the static ones."""
        name, versions = self.message.c_name, self.message.versions
        known = " || ".join(([f"version < {versions.lo}"]) + [f"version > {versions.hi}"])
        return [
            f"int kp_{name}_decode(struct kp_reader *reader, int16_t version, struct kp_{name} *out)", "{",
            f"    if ({known}) {{", "        kp_reader_fail(reader, ERR_INVALID);", "    } else {",
            f"        {name}_read(reader, version, out);", "    }", "    return reader->error;", "}", "",
            f"void kp_{name}_encode(struct kp_writer *writer, int16_t version, const struct kp_{name} *in)", "{",
            f"    if ({known}) {{", "        kp_writer_fail(writer, ERR_INVALID);", "    } else {",
            f"        {name}_write(writer, version, in);", "    }", "}", ""]

    # -- smallest sizes ----------------------------------------------------------------------------------------------

    def elements_min(self, struct):
        """A function for the smallest encoding of `struct`, for structs that stand in arrays."""
        owners = [f for owner in self.message.structs() for f in owner.fields if f.struct is struct and f.array]
        if not owners:
            return []
        steps = []
        for version in range(struct.range.lo, struct.range.hi + 1):
            size = max(1, self.struct_min(struct, version))
            if not steps or steps[-1][1] != size:
                steps.append((version, size))
        lines = [f"static size_t {struct.c_name}_bytes_min(int16_t version)", "{"]
        if len(steps) == 1:
            lines.append("    (void)version;")
        for version, size in reversed(steps[1:]):
            lines += [f"    if (version >= {version}) {{", f"        return {size};", "    }"]
        return lines + [f"    return {steps[0][1]};", "}", ""]

    def struct_min(self, struct, version):
        flexible = self.message.flexible is not None and self.message.flexible.has(version)
        size = 1 if flexible else 0
        for field in struct.plain():
            if field.versions.has(version):
                size += self.field_min(field, version, flexible)
        return size

    def field_min(self, field, version, flexible):
        if field.array:
            return 1 if flexible else 4
        if field.is_struct():
            if field.nullable is not None and field.nullable.has(version):
                return 1
            return self.struct_min(field.struct, version)
        if field.base in SCALARS:
            return SCALARS[field.base][2]
        return 1 if flexible else LENGTHED[field.base]


def guard(name):
    return f"MILLRACE_{name.upper().replace('.', '_')}"


def emit_header(file_name, purpose, schemas, kind):
    """kind: "api" or "record", the prefix of the key enumeration."""
    mark = guard(file_name)
    lines = [f"/* {file_name}: {purpose} */", NOTE + f"#ifndef {mark}", f"#define {mark}", "",
             '#include "core/proto/kp_reader.h"', '#include "core/proto/kp_writer.h"', "", f"enum kp_{kind}_key {{"]
    lines += [f"    KP_{schema.snake().upper()}_KEY = {schema.key}," for schema in schemas]
    lines += ["};", "", f"/* One above the largest key. */",
              f"#define KP_{kind.upper()}_KEY_COUNT {max(schema.key for schema in schemas) + 1}", ""]
    for schema in schemas:
        upper = schema.snake().upper()
        lines += [f"/* ---- {schema.name} {schema.versions} ---- */", "",
                  f"#define KP_{upper}_VERSION_MIN {schema.versions.lo}",
                  f"#define KP_{upper}_VERSION_MAX {schema.versions.hi}", ""]
        for message in schema.messages:
            lines += MessageEmitter(message).header()
    return "\n".join(lines + ["#endif", ""])


def emit_source(header_name, schemas):
    lines = [NOTE + f'#include "core/proto/{header_name}"', ""]
    for schema in schemas:
        for message in schema.messages:
            lines += MessageEmitter(message).source()
    return "\n".join(lines)
