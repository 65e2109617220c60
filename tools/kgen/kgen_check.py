"""Compares the schemas with Kafka's own JSON message files, field by field, and prints every difference.

A difference is not always a mistake: Kafka's files may be older than a schema (newer fields are then ours alone) or
hold versions that are no longer decoded. The check says what to look at; a person decides."""

import json
import os

from kgen_model import VERSION_MAX, Range, snake


def load(folder):
    """Every message below `folder`, by name."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".json"):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    lines = [line for line in file if not line.lstrip().startswith("//")]
                message = json.loads("".join(lines))
                if "fields" in message:
                    found[message["name"]] = message
    return found


def kafka_range(text, outer):
    """The part of a Kafka version range inside `outer`; None for none."""
    return None if text in (None, "none") else Range.parse(text).cut(outer)


def versions_of(field):
    """A tagged field may name its versions there only."""
    return field.get("versions", field.get("taggedVersions"))


def default_of(text, base):
    """Defaults as both sides mean them: 0x10 and 16 are one, "" and absent are one."""
    text = None if text is None else str(text)
    if base == "bool":
        return (text or "false").lower()
    if base.startswith(("int", "uint")):
        return int(text or "0", 0)
    if base == "float64":
        return float(text or 0)
    return text or ""


class Comparison:
    """One message of ours against one of Kafka's. `outer`: the versions both know."""

    def __init__(self, message, theirs, outer):
        self.message, self.theirs, self.outer = message, theirs, outer
        self.shared = {struct["name"]: struct["fields"] for struct in theirs.get("commonStructs", [])}
        self.found = []

    def say(self, path, text):
        self.found.append(f"{path}: {text}")

    def run(self):
        name = self.message.c_name
        flexible = self.theirs.get("flexibleVersions")
        if str(self.message.flexible or "none") != str(flexible):
            self.say(name, f"flexible {self.message.flexible}, in Kafka {flexible}")
        self.struct(name, self.message.root.fields, self.theirs["fields"], self.outer)
        return self.found

    def struct(self, path, ours, theirs, outer):
        """Plain fields must come in the same order; tagged ones are matched by name."""
        here = [field for field in ours if field.versions.cut(outer)]
        there = [field for field in theirs if kafka_range(versions_of(field), outer)]
        names = [field.name for field in here]
        names_there = [snake(field["name"]) for field in there]
        for name in names:
            if name not in names_there:
                self.say(path, f"'{name}' is not in Kafka")
        for name in names_there:
            if name not in names:
                self.say(path, f"'{name}' is missing here")
        plain = [field.name for field in here if field.tag is None and field.name in names_there]
        plain_there = [snake(field["name"]) for field in there if "tag" not in field and snake(field["name"]) in names]
        if plain != plain_there:
            self.say(path, f"the order is {', '.join(plain)}; in Kafka {', '.join(plain_there)}")
        for field in here:
            if field.name in names_there:
                self.field(f"{path}.{field.name}", field, there[names_there.index(field.name)], outer)

    def field(self, path, ours, theirs, outer):
        base = theirs["type"].removeprefix("[]")
        is_struct = base[0].isupper()
        pairs = [
            ("array", ours.array, theirs["type"].startswith("[]")),
            ("type", ours.base, "struct" if is_struct else base),
            ("versions", ours.versions.cut(outer), kafka_range(versions_of(theirs), outer)),
            ("nullable", ours.nullable and ours.nullable.cut(outer), None),
            ("tag", ours.tag, None if "tag" not in theirs else int(theirs["tag"])),
        ]
        versions = kafka_range(versions_of(theirs), outer)
        nullable = kafka_range(theirs.get("nullableVersions"), outer)
        pairs[3] = ("nullable", pairs[3][1], nullable and nullable.cut(versions))
        if not is_struct:
            pairs.append(("default", default_of(ours.default, ours.base if not ours.array else "array"),
                          default_of(theirs.get("default"), base if not ours.array else "array")))
        for what, mine, kafka in pairs:
            if mine != kafka:
                self.say(path, f"{what} {mine}, in Kafka {kafka}")
        if is_struct and ours.struct is not None:
            fields = theirs.get("fields") or self.shared.get(base, [])
            self.struct(path, ours.struct.fields, fields, versions or outer)


def compare(schemas, folder):
    """Prints the differences; 1 when a message is missing or differs in versions both sides know."""
    kafka, count = load(folder), 0
    for schema in schemas:
        names = {"record": [schema.name], "api": [schema.name + "Request", schema.name + "Response"],
                 "entry": [schema.name + "Key", schema.name + "Value"]}[schema.kind]
        for message, name in zip(schema.messages, names):
            if name not in kafka:
                print(f"{name}: not in {folder}")
                count += 1
                continue
            theirs = kafka[name]
            known = Range.parse(theirs["validVersions"])
            if theirs.get("apiKey") != schema.key:
                print(f"{name}: key {schema.key}, in Kafka {theirs.get('apiKey')}")
                count += 1
            if known != message.versions:
                print(f"note: {name}: versions {message.versions}, in Kafka {known}")
            outer = message.versions.cut(Range(known.lo, min(known.hi, VERSION_MAX)))
            differences = Comparison(message, theirs, outer).run() if outer else []
            print("".join(f"{text}\n" for text in differences), end="")
            count += len(differences)
    print(f"{count} differences")
    return 1 if count else 0
