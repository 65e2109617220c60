#!/usr/bin/env python3
"""Nexmark queries: events per CPU second, beside Apache Flink when it can be had.

  bench/sql.py                                all queries, three rounds, Millrace alone
  bench/sql.py q0 q5 --events 2000000         some of them
  bench/sql.py --flink DIR --rounds 2         A-B-A-B with Flink: DIR holds run.sh QUERY WARM EVENTS, which appends one
                                              line of tab-separated figures to $OUT (a head names them; the column
                                              k_events_per_cpu_s counts)
  bench/sql.py q17 --profile                  where the time goes (perf)

Both read the same events from a warm source (page cache; the broker beside Flink) on one core, into a sink that
takes every column of every row, and show what changed every 50,000 rows. CPU is user and system time of the whole
process; of Flink without its start, its planning and its warm-up. Results are printed and appended to
docs/perf/history/sql.jsonl.
"""

import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QUERIES = os.path.join(ROOT, "tests", "data", "sql", "nexmark")
HISTORY = os.path.join(ROOT, "docs", "perf", "history", "sql.jsonl")
# Query -> thousands of events per CPU second of Flink 2.2 (the better of two runs on another machine), must, stretch.
TARGETS = {
    "q0": (358.7, 10, 13), "q1": (392.5, 10, 13), "q2": (374.1, 10, 13), "q3": (337.8, 10, 13),
    "q5": (216.9, 10, 13), "q7": (105.3, 10, 13), "q8": (320.2, 10, 13), "q10": (341.5, 10, 13),
    "q11": (232.0, 10, 13), "q12": (307.2, 10, 13), "q14": (370.1, 10, 13), "q15": (193.5, 6, 10),
    "q16": (112.5, 4, 8), "q17": (248.6, 10, 13), "q18": (181.7, 6, 10), "q19": (165.2, 6, 10),
    "q20": (167.0, 6, 10), "q21": (245.2, 10, 13), "q22": (317.7, 10, 13),
}


def script(query, folder):
    """The query with a sink that keeps nothing; its file."""
    with open(os.path.join(QUERIES, query + ".sql"), encoding="utf-8") as file:
        text = file.read()
    head, tail = text.split("CREATE TABLE out_", 1)
    tail = re.sub(r"(?:,\s*PRIMARY KEY \([^)]*\) NOT ENFORCED)?\s*\) WITH \(.*?\);",
                  "\n) WITH ('connector' = 'blackhole');", tail, count=1, flags=re.S)
    head = re.sub(r",\s*'scan.bounded.specific-offsets' = '[^']*'", "", head)
    head = head.replace("'specific-offsets'", "'latest-offset'")
    path = os.path.join(folder, query + ".sql")
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + "CREATE TABLE out_" + tail)
    return path


def machine_seconds():
    """CPU seconds that the whole machine has used."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def run_millrace(args, path, events):
    """Figures of one run: the process's own CPU, and what others used meanwhile."""
    command = ["taskset", "-c", args.core, args.program, "sql", "--local", "-q", "-s", "-o", "json", "--flush", "50000",
               "-f", path, "-i", f"nexmark={events}"]
    before, begin = machine_seconds(), time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    says = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall, used = time.monotonic() - begin, usage.ru_utime + usage.ru_stime
    if child.returncode != 0:
        return {"failed": says.strip().split("\n")[0]}
    page = json.loads(says)
    return {"k_events_per_cpu_s": args.events / used / 1000, "cpu_s": used, "wall_s": wall,
            "other_cpu_s": machine_seconds() - before - used, "rss_mb": usage.ru_maxrss / 1024,
            "rows_out": sum(sink["inserted"] + sink["updated"] + sink["deleted"] for sink in page["sinks"])}


def run_flink(args, query, folder):
    out = os.path.join(folder, f"{query}.tsv")
    columns = ("query tag events wall_s busy_s k_events_s flink_cpu_s flink_cpu_s_per_M k_events_per_cpu_s").split()
    begin = machine_seconds()
    done = subprocess.run([os.path.join(args.flink, "run.sh"), query, str(args.flink_warm), str(args.flink_events)],
                          env={**os.environ, "OUT": out, "TAG": "bench", "CORE": args.core}, check=False,
                          capture_output=True, text=True)
    try:
        with open(out, encoding="utf-8") as file:
            figures = dict(zip(columns, file.read().strip().split("\n")[-1].split("\t")))
        return {"k_events_per_cpu_s": float(figures["k_events_per_cpu_s"]), "cpu_s": float(figures["flink_cpu_s"]),
                "wall_s": float(figures["wall_s"]), "machine_cpu_s": machine_seconds() - begin}
    except (OSError, KeyError, ValueError):
        return {"failed": (done.stderr or done.stdout).strip().split("\n")[-1]}


def profile(args, path, events, folder):
    data = os.path.join(folder, "perf.data")
    subprocess.run(["perf", "record", "-q", "-g", "-o", data, args.program, "sql", "--local", "-q", "-f", path, "-i",
                    f"nexmark={events}"], check=True)
    subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--percent-limit", "0.7"],
                   check=False)


def make_events(args, folder):
    path = args.data or os.path.join(folder, "nexmark.jsonl")
    if args.data is None:
        subprocess.run([args.program, "nexmark", "--events", str(args.events), "--rate", "100000", "--seed", "1",
                        "--output", path], check=True)
    with open(path, "rb") as file:  # into the page cache
        while file.read(1 << 24):
            pass
    return path


def median(runs):
    good = [run["k_events_per_cpu_s"] for run in runs if "failed" not in run]
    return statistics.median(good) if good else None


def report(query, runs):
    ours, theirs = median(runs["millrace"]), median(runs["flink"])
    known, must, stretch = TARGETS.get(query, (0, 0, 0))
    beside = theirs or known
    if ours is None:
        return f"{query:5} {runs['millrace'][0]['failed'][:100]}"
    ratio = ours / beside if beside else 0
    mark = "stretch" if ratio >= stretch else "must" if ratio >= must else "below"
    return (f"{query:5} {ours:10.0f} {beside:10.1f}{' ' if theirs else '*'} {ratio:8.1f} {must:6} {stretch:8}  {mark:8}"
            f" {runs['millrace'][0]['rss_mb']:7.0f} {runs['millrace'][0]['rows_out']:10}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queries", nargs="*", default=[])
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "millrace"))
    parser.add_argument("--events", type=int, default=5000000)
    parser.add_argument("--data", help="a file with these events")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", default="1")
    parser.add_argument("--flink", help="folder of run.sh")
    parser.add_argument("--flink-events", type=int, default=2000000)
    parser.add_argument("--flink-warm", type=int, default=1000000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--no-history", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-sql-") as folder:
        events = make_events(args, folder)
        queries = args.queries or [query for query in TARGETS if os.path.exists(os.path.join(QUERIES, query + ".sql"))]
        print("query  k events per CPU s        ratio   must  stretch  reached  RSS MiB   rows out\n"
              "        Millrace      Flink")
        for query in queries:
            path = script(query, folder)
            if args.profile:
                profile(args, path, events, folder)
                continue
            runs = {"millrace": [], "flink": []}
            for _ in range(args.rounds):
                runs["millrace"].append(run_millrace(args, path, events))
                if args.flink:
                    runs["flink"].append(run_flink(args, query, folder))
                    runs["millrace"].append(run_millrace(args, path, events))
            print(report(query, runs), flush=True)
            if not args.no_history:
                with open(HISTORY, "a", encoding="utf-8") as file:
                    json.dump({"time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                               "query": query, "events": args.events, "runs": runs}, file)
                    file.write("\n")
    if not args.flink:
        print("* measured earlier (TARGETS in this file), not in this run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
