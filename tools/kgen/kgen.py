#!/usr/bin/env python3
"""Turns the schemas of core/proto/schema into C.

    kgen.py --out DIR FILE.kp ...           writes the generated files into DIR
    kgen.py --check-kafka DIR FILE.kp ...   compares the schemas with Kafka's own JSON files below DIR

Files: kp_messages.h .c, kp_records.h .c, kp_entries.h .c, kp_table.c, api_table.c, kp_random.h .c (for tests),
kp_show.c and protocol.md.
"""

import argparse
import os
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

import kgen_check
import kgen_emit
import kgen_entry
import kgen_parse
import kgen_random
import kgen_show
import kgen_table
from kgen_model import SchemaError


def outputs(apis, records, entries):
    return {
        "kp_messages.h": kgen_emit.emit_header("kp_messages.h", "the messages of the Kafka protocol.", apis, "api"),
        "kp_messages.c": kgen_emit.emit_source("kp_messages.h", apis),
        "kp_records.h": kgen_emit.emit_header("kp_records.h", "records of the metadata log.", records, "record"),
        "kp_records.c": kgen_emit.emit_source("kp_records.h", records),
        "kp_entries.h": kgen_entry.emit_header("kp_entries.h", entries),
        "kp_entries.c": kgen_entry.emit_source("kp_entries.h", entries),
        "kp_table.c": kgen_table.emit_table(apis, records, entries),
        "api_table.c": kgen_table.emit_api_table(apis),
        "kp_random.h": kgen_random.emit_header(apis + records + entries),
        "kp_random.c": kgen_random.emit_source(apis + records + entries),
        "kp_show.c": kgen_show.emit_source(records, entries),
        "protocol.md": kgen_table.emit_protocol(apis, records, entries),
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", metavar="DIR")
    options.add_argument("--check-kafka", metavar="DIR")
    options.add_argument("files", nargs="+", metavar="FILE.kp")
    given = options.parse_args()
    try:
        schemas = kgen_parse.parse_all(sorted(given.files))
    except (SchemaError, OSError) as error:
        print(f"kgen: {error}", file=sys.stderr)
        return 1
    if given.check_kafka is not None:
        return kgen_check.compare(schemas, given.check_kafka)
    if given.out is not None:
        apis = [schema for schema in schemas if schema.kind == "api"]
        records = [schema for schema in schemas if schema.kind == "record"]
        entries = [schema for schema in schemas if schema.kind == "entry"]
        os.makedirs(given.out, exist_ok=True)
        for name, text in outputs(apis, records, entries).items():
            with open(os.path.join(given.out, name), "w", encoding="ascii") as file:
                file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
