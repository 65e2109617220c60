"""What a schema file says, as objects, and the rules every schema must obey."""

import re

SCALARS = {
    # name: (C type, reader and writer suffix, bytes on the wire)
    "bool": ("bool", "bool", 1),
    "int8": ("int8_t", "int8", 1),
    "int16": ("int16_t", "int16", 2),
    "uint16": ("uint16_t", "uint16", 2),
    "int32": ("int32_t", "int32", 4),
    "uint32": ("uint32_t", "uint32", 4),
    "int64": ("int64_t", "int64", 8),
    "float64": ("double", "float64", 8),
    "uuid": ("struct uuid", "uuid", 16),
}
LENGTHED = {"string": 2, "bytes": 4, "records": 4}  # bytes of the old-style length
SCOPES = ("any", "controller", "owner", "own")
KINDS = {"api": ("request", "response"), "record": ("body",), "entry": ("key", "value")}  # with their messages
LOGS = ("offsets", "transactions", "jobs")  # internal topics that hold entries
VERSION_MAX = 32767
C_KEYWORDS = set(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool".split())


class SchemaError(Exception):
    """A schema that breaks the language; the text names file and line."""


class Range:
    """Versions lo..hi, both included."""

    def __init__(self, lo, hi):
        self.lo, self.hi = lo, hi

    @staticmethod
    def parse(text):
        found = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
        if found is None:
            raise ValueError(f"'{text}' is no version range (3, 3+ or 3-7)")
        lo = int(found[1])
        hi = VERSION_MAX if found[2] else int(found[3]) if found[3] else lo
        if hi < lo:
            raise ValueError(f"version range '{text}' runs backwards")
        return Range(lo, hi)

    def cut(self, outer):
        """The part inside `outer`, or None."""
        lo, hi = max(self.lo, outer.lo), min(self.hi, outer.hi)
        return Range(lo, hi) if lo <= hi else None

    def covers(self, inner):
        return self.lo <= inner.lo and inner.hi <= self.hi

    def has(self, version):
        return self.lo <= version <= self.hi

    def __eq__(self, other):
        return isinstance(other, Range) and (self.lo, self.hi) == (other.lo, other.hi)

    def __str__(self):
        if self.hi == VERSION_MAX:
            return f"{self.lo}+"
        return str(self.lo) if self.lo == self.hi else f"{self.lo}-{self.hi}"


class Struct:
    """Fields that stand together; c_name is the C struct without `kp_`."""

    def __init__(self, c_name, fields):
        self.c_name, self.fields = c_name, fields
        self.range = None  # versions in which it can appear

    def tagged(self):
        return sorted((f for f in self.fields if f.tag is not None), key=lambda f: f.tag)

    def plain(self):
        return [f for f in self.fields if f.tag is None]


class Field:
    """One line of a schema. `base` is a scalar, string, bytes, records or struct; `shared` names a shared struct."""

    def __init__(self, name, base, array, versions, where):
        self.name, self.base, self.array, self.versions, self.where = name, base, array, versions, where
        self.nullable = None
        self.tag = None
        self.default = None  # text as written
        self.shared = None
        self.struct = None
        self.children = []

    def is_struct(self):
        return self.base == "struct"

    def is_pointer(self):
        """A nullable single struct is a pointer, NULL for null."""
        return self.is_struct() and not self.array and self.nullable is not None


class Message:
    """A request, a response or a record: a root struct with its versions."""

    def __init__(self, c_name, key, versions, flexible, root, shared):
        self.c_name, self.key, self.versions, self.flexible = c_name, key, versions, flexible
        self.root, self.shared = root, shared

    def structs(self):
        """Every struct once, inner ones first."""
        seen, order = set(), []

        def visit(struct):
            if struct.c_name in seen:
                return
            seen.add(struct.c_name)
            for field in struct.fields:
                if field.struct is not None:
                    visit(field.struct)
            order.append(struct)

        visit(self.root)
        return order


class Schema:
    """One .kp file: an API (request and response), a record of the metadata log, or an entry of an internal topic."""

    def __init__(self, path, kind, name):
        self.path, self.kind, self.name = path, kind, name
        self.key = None
        self.versions = None
        self.advertise = None
        self.flexible = None  # Range, or None for never
        self.scope = None
        self.handler = None  # "none": only its codecs exist
        self.log = None  # of an entry
        self.messages = []

    def snake(self):
        return snake(self.name)


def snake(name):
    text = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text).lower()


def resolve(message, where):
    """Binds shared structs, cuts version ranges to where fields can appear, checks every rule that needs the whole."""
    flexible = message.flexible

    def fail(field, text):
        raise SchemaError(f"{field.where if field else where}: {text}")

    def check_field(field, outer):
        if field.name in C_KEYWORDS:
            fail(field, f"'{field.name}' is a word of C")
        cut = field.versions.cut(outer)
        if cut is None:
            fail(field, f"versions {field.versions} of '{field.name}' lie outside {outer}")
        field.versions = cut
        if field.nullable is not None:
            if field.base in SCALARS and not field.array:
                fail(field, f"a {field.base} cannot be null")
            field.nullable = field.nullable.cut(cut)
            if field.nullable is None:
                fail(field, f"nullable versions of '{field.name}' lie outside its versions")
        if field.tag is not None and (flexible is None or not flexible.covers(cut)):
            fail(field, f"tagged field '{field.name}' in versions that are not flexible")
        check_default(field, fail)

    def spread(struct, outer):
        """Sets the versions in which `struct` can appear: for a shared one, from its first use to its last."""
        if struct.range is not None:
            outer = Range(min(outer.lo, struct.range.lo), max(outer.hi, struct.range.hi))
        struct.range = outer
        for field in struct.fields:
            if field.shared is not None:
                if field.shared not in message.shared:
                    fail(field, f"unknown type '{field.shared}'")
                field.struct = message.shared[field.shared]
            cut = field.versions.cut(outer)
            if field.struct is not None and cut is not None:
                spread(field.struct, cut)

    def check_struct(struct):
        names, tags = set(), []
        for field in struct.fields:
            names_of = [field.name] + ([field.name + "_count"] if field.array else [])
            if field.base == "records":
                names_of += [field.name + "_parts", field.name + "_parts_count"]
            for name in names_of:
                if name in names:
                    fail(field, f"'{name}' appears twice in one struct")
                names.add(name)
            check_field(field, struct.range)
            if field.tag is not None:
                tags.append(field.tag)
        if sorted(tags) != list(range(len(tags))):
            fail(struct.fields[0] if struct.fields else None, f"tags of {struct.c_name} are not 0..n-1")

    spread(message.root, message.versions)
    for struct in message.structs():
        check_struct(struct)


def check_default(field, fail):
    default = field.default
    if default is None:
        return
    if default == "null":
        if field.nullable is None:
            fail(field, f"'{field.name}' has default null and is never null")
        return
    if field.array or field.base in ("struct", "bytes", "records", "uuid"):
        fail(field, f"'{field.name}' can only have default null")
    if field.base == "bool" and default not in ("true", "false"):
        fail(field, f"default of '{field.name}' is neither true nor false")
    if field.base.startswith(("int", "uint")):
        try:
            value = int(default, 0)
        except ValueError:
            fail(field, f"default of '{field.name}' is no number")
        bits = 8 * SCALARS[field.base][2]
        lo, hi = (0, 2 ** bits - 1) if field.base[0] == "u" else (-2 ** (bits - 1), 2 ** (bits - 1) - 1)
        if not lo <= value <= hi:
            fail(field, f"default of '{field.name}' does not fit {field.base}")
