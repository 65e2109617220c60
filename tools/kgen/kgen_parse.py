"""Reads .kp files (the language: core/proto/README.md) into the objects of kgen_model."""

import os
import re

from kgen_model import (KINDS, LENGTHED, LOGS, SCALARS, SCOPES, Field, Message, Range, Schema, SchemaError, Struct,
                        resolve, snake)

INDENT = 4
HEAD_WORDS = {"api": ("key", "versions", "advertise", "flexible", "scope", "handler"),
              "record": ("key", "versions", "flexible"),
              "entry": ("log", "key", "versions", "flexible")}
MUST_HAVE = {"api": ("scope",), "record": (), "entry": ("log",)}


def read_lines(path):
    """(where, depth, words) of every line that is not blank or comment."""
    with open(path, encoding="ascii") as file:
        for number, line in enumerate(file, 1):
            text = line.split("#", 1)[0].rstrip()
            if not text:
                continue
            where = f"{path}:{number}"
            blank = len(text) - len(text.lstrip(" "))
            if "\t" in text or blank % INDENT != 0:
                raise SchemaError(f"{where}: indent with multiples of {INDENT} spaces")
            yield where, blank // INDENT, text.split()


def parse_range(text, where):
    try:
        return Range.parse(text)
    except ValueError as error:
        raise SchemaError(f"{where}: {error}") from None


def parse_field(words, where):
    if len(words) < 3:
        raise SchemaError(f"{where}: a field is: name type versions [null R] [tag N] [default V]")
    name, kind, versions = words[:3]
    if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None:
        raise SchemaError(f"{where}: field name '{name}' is not lower_snake_case")
    array = kind.startswith("[]")
    base = kind[2:] if array else kind
    shared = None
    if base not in SCALARS and base not in LENGTHED and base != "struct":
        if re.fullmatch(r"[A-Z][A-Za-z0-9]*", base) is None:
            raise SchemaError(f"{where}: unknown type '{kind}'")
        shared, base = base, "struct"
    field = Field(name, base, array, parse_range(versions, where), where)
    field.shared = shared
    if base == "records" and array:
        raise SchemaError(f"{where}: an array of records does not exist")
    rest = words[3:]
    while rest:
        if len(rest) < 2:
            raise SchemaError(f"{where}: '{rest[0]}' needs a value")
        word, value, rest = rest[0], rest[1], rest[2:]
        if word == "null" and field.nullable is None:
            field.nullable = parse_range(value, where)
        elif word == "tag" and field.tag is None and value.isdigit():
            field.tag = int(value)
        elif word == "default" and field.default is None:
            field.default = value
        else:
            raise SchemaError(f"{where}: cannot read '{word} {value}'")
    return field


def parse_fields(lines, at, depth):
    """The run of fields at `depth` that starts at lines[at], with everything nested below."""
    fields = []
    while at < len(lines) and lines[at][1] >= depth:
        where, found, words = lines[at]
        if found > depth:
            raise SchemaError(f"{where}: indented deeper than the line above allows")
        field = parse_field(words, where)
        field.children, at = parse_fields(lines, at + 1, depth + 1)
        if field.children and (not field.is_struct() or field.shared is not None):
            raise SchemaError(f"{where}: '{field.name}' cannot hold fields")
        if not field.children and field.is_struct() and field.shared is None:
            raise SchemaError(f"{where}: struct '{field.name}' holds no fields")
        fields.append(field)
    return fields, at


def build_struct(c_name, fields):
    for field in fields:
        if field.children:
            field.struct = build_struct(f"{c_name}_{field.name}", field.children)
    return Struct(c_name, fields)


def parse_head(schema, words, where):
    word = words[0]
    if word not in HEAD_WORDS[schema.kind] or len(words) != 2 or getattr(schema, word) is not None:
        raise SchemaError(f"{where}: cannot read '{' '.join(words)}'")
    value = words[1]
    if word == "key":
        schema.key = int(value)
    elif word == "scope":
        if value not in SCOPES:
            raise SchemaError(f"{where}: scope is one of {', '.join(SCOPES)}")
        schema.scope = value
    elif word == "handler":
        if value != "none":
            raise SchemaError(f"{where}: 'handler none', or no such line when net/api answers")
        schema.handler = value
    elif word == "log":
        if value not in LOGS:
            raise SchemaError(f"{where}: log is one of {', '.join(LOGS)}")
        schema.log = value
    elif word == "flexible" and value == "never":
        schema.flexible = "never"
    else:
        setattr(schema, word, parse_range(value, where))


def check_head(schema, where):
    for word in ("key", "versions", "flexible") + MUST_HAVE[schema.kind]:
        if getattr(schema, word) is None:
            raise SchemaError(f"{where}: '{word}' is missing before this line")
    if schema.advertise is None:
        schema.advertise = schema.versions
    if not schema.advertise.hi == schema.versions.hi:
        raise SchemaError(f"{where}: advertised and decoded versions end differently")


def parse(path):
    """The schema in one file."""
    lines = list(read_lines(path))
    if not lines or lines[0][2][0] not in KINDS or len(lines[0][2]) != 2:
        raise SchemaError(f"{path}: starts with none of 'api Name', 'record Name' and 'entry Name'")
    schema = Schema(path, lines[0][2][0], lines[0][2][1])
    if os.path.basename(path) != schema.snake() + ".kp":
        raise SchemaError(f"{path}: holds {schema.name}, so it should be named {schema.snake()}.kp")
    parts = KINDS[schema.kind]
    shared, at = {}, 1
    while at < len(lines):
        where, depth, words = lines[at]
        if depth != 0:
            raise SchemaError(f"{where}: a field outside of {', '.join(parts)}")
        if words[0] == "struct" and len(words) == 2:
            fields, at = parse_fields(lines, at + 1, 1)
            shared[words[1]] = (fields, where)
        elif words[0] in parts and len(words) == 1:
            check_head(schema, where)
            fields, at = parse_fields(lines, at + 1, 1)
            add_message(schema, words[0], fields, shared, where)
            shared = {}
        else:
            parse_head(schema, words, where)
            at += 1
    if len(schema.messages) != len(parts):
        raise SchemaError(f"{path}: wants {' and '.join(parts)}")
    return schema


def add_message(schema, part, fields, shared, where):
    c_name = schema.snake() + ("" if part == "body" else f"_{part}")
    if c_name in [message.c_name for message in schema.messages]:
        raise SchemaError(f"{where}: second {part}")
    structs = {name: build_struct(f"{c_name}_{snake(name)}", inner) for name, (inner, _) in shared.items()}
    flexible = None if schema.flexible == "never" or part == "key" else schema.flexible
    versions = Range(0, 0) if part == "key" else schema.versions
    message = Message(c_name, schema.key, versions, flexible, build_struct(c_name, fields), structs)
    resolve(message, where)
    schema.messages.append(message)


def parse_all(paths):
    """Every schema, by key; keys and names unique per kind."""
    schemas, seen = [], set()
    for path in paths:
        schema = parse(path)
        for mark in ((schema.kind, schema.log, schema.key), (schema.kind == "entry", schema.snake())):
            if mark in seen:
                raise SchemaError(f"{path}: '{schema.name}' or key {schema.key} exists already")
            seen.add(mark)
        schemas.append(schema)
    return sorted(schemas, key=lambda schema: (schema.kind, schema.log or "", schema.key))
