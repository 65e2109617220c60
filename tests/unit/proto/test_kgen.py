#!/usr/bin/env python3
"""The schema language: what kgen accepts, what it refuses and why, and the comparison with Kafka's files.

Called with the path of kgen.py; the last line printed counts the cases."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

KGEN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "tools/kgen/kgen.py"

GOOD = """# A small API.
api Ping
key       9
versions  1-3
advertise 0-3
flexible  2+
scope     any

struct Spot
    place string 1+

request
    text     string   1+  null 2+ default null
    count    int32    1+  default 0x10
    spots    []Spot   2+
    spot     Spot     3+
    extra    struct   2+  tag 0
        level int8 2+ default -1

response
    code int16 1+
"""

KAFKA = {
    "apiKey": 9, "type": "request", "name": "PingRequest", "validVersions": "0-3", "flexibleVersions": "2+",
    "commonStructs": [{"name": "Spot", "versions": "0+", "fields": [
        {"name": "Place", "type": "string", "versions": "0+"}]}],
    "fields": [
        {"name": "Text", "type": "string", "versions": "0+", "nullableVersions": "2+", "default": "null"},
        {"name": "Count", "type": "int32", "versions": "0+", "default": "16"},
        {"name": "Spots", "type": "[]Spot", "versions": "2+"},
        {"name": "Spot", "type": "Spot", "versions": "3+"},
        {"name": "Extra", "type": "Extra", "versions": "2+", "taggedVersions": "2+", "tag": "0", "fields": [
            {"name": "Level", "type": "int8", "versions": "2+", "default": "-1"}]}]}
KAFKA_RESPONSE = {"apiKey": 9, "type": "response", "name": "PingResponse", "validVersions": "0-3",
                  "flexibleVersions": "2+", "fields": [{"name": "Code", "type": "int16", "versions": "0+"}]}

ENTRY = """# A keyed record.
entry Ping
log       offsets
key       7
versions  0-1
flexible  1+

key
    who string 0+

value
    count int32 0+
    seen  int64 1+ tag 0 default -1
"""


class Kgen(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)

    def write(self, name, text):
        path = os.path.join(self.place.name, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def run_kgen(self, *words):
        done = subprocess.run([sys.executable, KGEN, *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def run_schema(self, text, name="ping.kp", more=()):
        record = self.write("mark_record.kp",
                            "record MarkRecord\nkey 1\nversions 0\nflexible 0+\n\nbody\n    a int8 0+\n")
        return self.run_kgen("--out", os.path.join(self.place.name, "out"), self.write(name, text), record,
                             *more)

    def read_output(self, name):
        with open(os.path.join(self.place.name, "out", name), encoding="ascii") as file:
            return file.read()

    def refuse(self, old, new, why):
        self.assertIn(old, GOOD)
        code, said = self.run_schema(GOOD.replace(old, new, 1))
        self.assertEqual(code, 1, said)
        self.assertIn(why, said)
        self.assertRegex(said, r"ping\.kp")

    def test_accepts(self):
        code, said = self.run_schema(GOOD)
        self.assertEqual((code, said), (0, ""))
        header = self.read_output("kp_messages.h")
        self.assertIn("struct kp_ping_request_spot *spots; /* versions 2+ */", header)
        self.assertIn("struct kp_ping_request_spot spot; /* versions 3+ */", header)
        self.assertIn("#define KP_PING_VERSION_MIN 1", header)
        self.assertIn("| 9 | Ping | 1-3 | 0-3 | 2 | any broker |", self.read_output("protocol.md"))
        self.assertIn("[9] = api_ping,", self.read_output("api_table.c"))

    def test_codecs_without_handler(self):
        code, said = self.run_schema(GOOD.replace("scope     any\n", "scope     any\nhandler   none\n"))
        self.assertEqual((code, said), (0, ""))
        self.assertIn(".answered = false,", self.read_output("kp_table.c"))
        self.assertNotIn("api_ping", self.read_output("api_table.c"))
        self.assertIn("nobody yet", self.read_output("protocol.md"))
        self.refuse("scope     any\n", "scope     any\nhandler   some\n", "handler none")

    def test_entries(self):
        """An entry may have the name of an API: request, response, key and value are all different messages."""
        os.makedirs(os.path.join(self.place.name, "coord"))
        entry = self.write("coord/ping.kp", ENTRY)
        code, said = self.run_schema(GOOD, more=[entry])
        self.assertEqual((code, said), (0, ""))
        self.assertIn("KP_ENTRY_PING = 7,", self.read_output("kp_entries.h"))
        self.assertIn("#define KP_PING_VALUE_VERSION_MAX 1", self.read_output("kp_entries.h"))
        self.assertIn(".log = KP_ENTRY_LOG_OFFSETS, .type = 7,", self.read_output("kp_table.c"))
        for old, new, why in (("log       offsets\n", "", "'log' is missing"),
                              ("log       offsets", "log       sales", "log is one of"),
                              ("key       7\n", "key       7\nscope any\n", "cannot read"),
                              ("    who string 0+", "    who string 1+", "lie outside 0")):
            self.write("coord/ping.kp", ENTRY.replace(old, new))
            code, said = self.run_schema(GOOD, more=[entry])
            self.assertEqual(code, 1, said)
            self.assertIn(why, said)

    def test_output_is_the_same_every_time(self):
        self.run_schema(GOOD)
        first = {name: self.read_output(name) for name in ("kp_messages.c", "kp_table.c", "kp_random.c")}
        self.run_schema(GOOD)
        for name, text in first.items():
            self.assertEqual(text, self.read_output(name))

    def test_refuses_versions(self):
        self.refuse("versions  1-3", "versions  3-1", "runs backwards")
        self.refuse("versions  1-3", "versions  one", "no version range")
        self.refuse("code int16 1+", "code int16 4+", "lie outside")
        self.refuse("null 2+", "null 4+", "lie outside")
        self.refuse("advertise 0-3", "advertise 0-2", "end differently")

    def test_refuses_names(self):
        self.refuse("    code int16 1+", "    code int16 1+\n    code int8 1+", "appears twice")
        self.refuse("    code int16 1+", "    a_count int16 1+\n    a []int8 1+", "appears twice")
        self.refuse("code int16", "Code int16", "lower_snake_case")
        self.refuse("code int16", "default int16", "word of C")
        self.refuse("api Ping", "api Pong", "should be named pong.kp")

    def test_refuses_types(self):
        self.refuse("code int16 1+", "code int17 1+", "unknown type")
        self.refuse("code int16 1+", "code Nowhere 1+", "unknown type")
        self.refuse("code int16 1+", "code []records 1+", "array of records")
        self.refuse("code int16 1+", "code struct 1+", "holds no fields")
        self.refuse("code int16 1+", "code int16 1+\n        inner int8 1+", "cannot hold fields")
        self.refuse("code int16 1+", "code int16 1+ null 1+", "cannot be null")

    def test_refuses_tags(self):
        self.refuse("2+  tag 0", "1+  tag 0", "not flexible")
        self.refuse("tag 0", "tag 1", "not 0..n-1")

    def test_refuses_defaults(self):
        self.refuse("default 0x10", "default ten", "no number")
        self.refuse("default -1", "default -129", "does not fit")
        self.refuse("code int16 1+", "code string 1+ default null", "never null")
        self.refuse("code int16 1+", "code uuid 1+ default 1", "only have default null")
        self.refuse("code int16 1+", "code bool 1+ default 1", "neither true nor false")

    def test_refuses_structure(self):
        self.refuse("scope     any\n", "", "'scope' is missing")
        self.refuse("scope     any", "scope     nobody", "scope is one of")
        self.refuse("key       9", "key       9\nkey 8", "cannot read")
        self.refuse("    code int16 1+", "   code int16 1+", "multiples of 4")
        self.refuse("    code int16 1+", "        code int16 1+", "deeper")
        self.refuse("code int16 1+", "code int16 1+ wide 3", "cannot read")
        self.refuse("response\n    code int16 1+\n", "", "request and response")

    def test_refuses_doubles(self):
        first, second = self.write("ping.kp", GOOD), self.write("pong.kp", GOOD.replace("Ping", "Pong"))
        code, said = self.run_kgen(first, second)
        self.assertEqual(code, 1)
        self.assertIn("exists already", said)

    def compare(self, request):
        folder = os.path.join(self.place.name, "kafka")
        os.makedirs(folder, exist_ok=True)
        for message in (request, KAFKA_RESPONSE):
            self.write(f"kafka/{message['name']}.json", "// a comment\n" + json.dumps(message, indent=1))
        return self.run_kgen("--check-kafka", folder, self.write("ping.kp", GOOD))

    def test_same_as_kafka(self):
        code, said = self.compare(KAFKA)
        self.assertEqual(code, 0, said)
        self.assertIn("0 differences", said)

    def test_differs_from_kafka(self):
        theirs = json.loads(json.dumps(KAFKA))
        theirs["fields"][1]["default"] = "17"
        theirs["fields"][2]["versions"] = "3+"
        theirs["fields"][4]["fields"][0]["type"] = "int16"
        theirs["fields"].append({"name": "More", "type": "bool", "versions": "3+"})
        code, said = self.compare(theirs)
        self.assertEqual(code, 1)
        for text in ("ping_request.count: default 16, in Kafka 17", "ping_request.spots: versions 2-3, in Kafka 3",
                     "ping_request.extra.level: type int8, in Kafka int16", "'more' is missing here"):
            self.assertIn(text, said)


if __name__ == "__main__":
    unittest.main()
