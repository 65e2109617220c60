#!/usr/bin/env python3
"""Nexmark in batch: DuckDB over columns in memory, beside Millrace that reads the same events as JSON, as a stream.

  bench/sql_duckdb.py                         all queries, 1,000,000 events, three rounds
  bench/sql_duckdb.py q5 q17 --events 3000000

No race between equals: DuckDB has all rows before it begins, decoded, and sorts and groups them once; its figures are a
bound for what a vectorized engine does without decoding. What it takes to decode is shown apart. One thread each, CPU
seconds. Needs the Python module duckdb.
"""

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "sql"))

import corpus  # noqa: E402
import duckdb_check  # noqa: E402


def children_cpu_s():
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


def run_millrace(program, query, events, out):
    begin = children_cpu_s()
    subprocess.run([program, "sql", "--local", "-q", "-f", os.path.join(corpus.NEXMARK, query + ".sql"), "--input",
                    f"nexmark={events}", "--output-file", f"{query}={out}"], check=True)
    return children_cpu_s() - begin


def run_duckdb(duck, query):
    begin = time.process_time()
    duck.execute(f"create or replace table g as {duckdb_check.QUERIES[query][1]}")
    return time.process_time() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queries", nargs="*")
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "millrace"))
    parser.add_argument("--events", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if importlib.util.find_spec("duckdb") is None:
        print("skipped: not installed: the Python module duckdb")
        return 77
    import duckdb
    with tempfile.TemporaryDirectory(prefix="millrace-duckdb-") as folder:
        events, out = os.path.join(folder, "events"), os.path.join(folder, "out")
        subprocess.run([args.program, "nexmark", "-q", "-s", "1", "-r", "100000", "-N", str(args.events), "-o", events],
                       check=True)
        duck = duckdb.connect()
        duck.execute("set timezone = 'UTC'")
        duck.execute("set threads = 1")
        begin = time.process_time()
        duckdb_check.load_events(duck, events)
        rate = args.events / (time.process_time() - begin) / 1000
        print(f"DuckDB {duckdb.__version__} decodes {rate:.0f} k events per CPU s\n"
              "query  Millrace, JSON to JSON  DuckDB, columns to columns   k events per CPU s")
        for query in args.queries or duckdb_check.QUERIES:
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(run_millrace(args.program, query, events, out))
                theirs.append(run_duckdb(duck, query))
            print(f"{query:6} {args.events / statistics.median(ours) / 1000:22.0f} "
                  f"{args.events / max(statistics.median(theirs), 0.001) / 1000:27.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
