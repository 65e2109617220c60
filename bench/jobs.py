#!/usr/bin/env python3
"""Streaming jobs: what the whole broker uses for a million events, beside Apache Flink and its Kafka broker; what jobs
do to producers; how long an event takes to committed output.

  bench/jobs.py cost                       q0 q1 q10 exactly once into a topic, q17 into upsert-kafka, q0 into nothing
  bench/jobs.py cost --flink DIR           the same by turns with Flink; DIR as for bench/sql.py
  bench/jobs.py produce                    p99 of another topic's producers, without and with jobs at full speed
  bench/jobs.py share                      1, 2, 4 and 8 jobs on one topic that is being written, then behind in it
  bench/jobs.py share --other BUILD        the same by turns with another build
  bench/jobs.py latency                    from a record's making to a read_committed reader, epochs of 100 ms and 1 s
  bench/jobs.py latency --load 300000      the same under load: what half a core is shows the line that is printed

The broker has one shard on CPU 0, all else is on CPU 1. `cost`: events lie in a topic of one partition (cold: they are
read from the disk); CPU is user and system time of the whole broker from the statement to the job's end; beside it
stands what `millrace sql --local` uses for the same query over the same events, into nothing. Figures are printed and
appended to docs/perf/history/jobs.jsonl.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

import brokers
import measure

QUERIES = os.path.join(brokers.ROOT, "tests", "data", "sql", "nexmark")
COST = ("q0", "q1", "q10", "q17", "q0-blackhole")


def nexmark(query, topic, epoch_ms):
    """The query's file with an exactly-once sink of its own; `-blackhole`: with one that keeps nothing."""
    name, _, kind = query.partition("-")
    with open(os.path.join(QUERIES, name + ".sql"), encoding="utf-8") as file:
        head, tail = file.read().split("CREATE TABLE out_", 1)
    head = re.sub(r",\s*'scan.bounded.specific-offsets' = '[^']*'", "", head)
    head = head.replace("'specific-offsets'", "'latest-offset'")
    options, end = re.search(r"\) WITH \((.*?)\);", tail, re.S), ""
    if kind == "blackhole":
        end = "\n) WITH ('connector' = 'blackhole');"
        tail = re.sub(r"(?:,\s*PRIMARY KEY \([^)]*\) NOT ENFORCED)?\s*\) WITH \(.*?\);", end, tail, count=1, flags=re.S)
    else:
        given = re.sub(r"'topic' = '[^']*'", f"'topic' = '{topic}'", options.group(1).rstrip())
        given = re.sub(r",\s*'sink\.[^']*' = '[^']*'", "", given)
        end = (f") WITH ({given},\n  'sink.delivery-guarantee' = 'exactly-once',\n"
               f"  'sink.transactional-id-prefix' = '{topic}'\n);")
        tail = tail[:options.start()] + end + tail[options.end():]
    tables = f"out_{topic}_"  # names of the catalogue outlive a statement
    return (f"SET 'table.dml-sync' = 'true';\nSET 'execution.checkpointing.interval' = '{epoch_ms} ms';\n"
            "SET 'table.exec.mini-batch.enabled' = 'true';\nSET 'table.exec.mini-batch.allow-latency' = '2 s';\n"
            "SET 'table.exec.mini-batch.size' = '50000';\n"
            + (head + "CREATE TABLE out_" + tail).replace("out_", tables))


def millrace(args, settings=()):
    http = brokers.free_port(1)
    broker = brokers.Millrace(args.directory, "0", measure.binary(args),
                              settings=[f"millrace.http.listener=127.0.0.1:{http}", *settings])
    broker.http = f"http://127.0.0.1:{http}"
    return broker


def sql(args, broker, text, timeout=600):
    done = subprocess.run(["taskset", "-c", "1", measure.binary(args), "sql", "--server", broker.http, "-e", text],
                          capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise measure.Failed(f"the job failed: {done.stderr.strip()}")
    return done.stdout


def cli(args, broker, *words, **more):
    return subprocess.run(["taskset", "-c", "1", measure.binary(args), *words, "-b", f"127.0.0.1:{broker.port}"],
                          check=True, capture_output=True, **more)


def fill(args, broker, events):
    cli(args, broker, "topic", "create", "nexmark", "-p", "1")
    with open(events, "rb") as file:
        cli(args, broker, "produce", "nexmark", "-q", "--timeout", "600s", stdin=file)


def make_events(args, folder):
    path = os.path.join(folder, "nexmark.jsonl")
    subprocess.run([measure.binary(args), "nexmark", "--events", str(args.events), "--seed", "1", "--output", path],
                   check=True, capture_output=True)
    return path


# --- cost ------------------------------------------------------------------------------------------------------------


def cost_job(args, broker, query, index):
    company, before, begin = measure.Company([broker.pid]), brokers.cpu_seconds(broker.pid), time.monotonic()
    topic = f"{query.replace('-', '_')}_{index}"
    sql(args, broker, nexmark(query, topic, args.epoch))
    used = brokers.cpu_seconds(broker.pid) - before
    row = {"system": "millrace", "query": query, "events": args.events, "cpu_s": round(used, 2),
           "k_events_per_cpu_s": round(args.events / used / 1000, 1), "wall_s": round(time.monotonic() - begin, 2),
           "epoch_ms": args.epoch, "foreign_cpu_percent": company.percent()}
    return row


def cost_local(args, query, events, folder):
    """The engine alone."""
    path = os.path.join(folder, "local.sql")
    with open(path, "w", encoding="utf-8") as file:
        file.write(nexmark(query.partition("-")[0] + "-blackhole", "local", args.epoch))
    child = subprocess.Popen(["taskset", "-c", "0", measure.binary(args), "sql", "--local", "-q", "--flush", "50000",
                              "-f", path, "-i", f"nexmark={events}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    says = child.stderr.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise measure.Failed(f"millrace sql --local: {says}")
    used = usage.ru_utime + usage.ru_stime
    return {"system": "engine alone", "query": query, "events": args.events, "cpu_s": round(used, 2),
            "k_events_per_cpu_s": round(args.events / used / 1000, 1)}


def cost_flink(args, query, folder):
    name, _, kind = query.partition("-")
    out = os.path.join(folder, "flink.tsv")
    sink = [] if kind else ["sink=kafka", "guarantee=exactly-once"]
    done = subprocess.run([os.path.join(args.flink, "run.sh"), name, "500000", str(args.flink_events), *sink],
                          env={**os.environ, "OUT": out, "TAG": "jobs", "CORE": "1", "FINALCKPT": "true",
                               "CKPT": f"{args.epoch}ms"}, check=False, capture_output=True, text=True)
    columns = ("query tag events wall_s busy_s k_events_s flink_cpu_s flink_cpu_s_per_M k_events_per_cpu_s broker_cpu_s"
               ).split()
    try:
        with open(out, encoding="utf-8") as file:
            found = dict(zip(columns, file.read().strip().split("\n")[-1].split("\t")))
        used = float(found["flink_cpu_s"]) + float(found["broker_cpu_s"])
    except (OSError, KeyError, ValueError):
        raise measure.Failed(f"Flink: {(done.stderr or done.stdout).strip()[-500:]}") from None
    return {"system": "flink+kafka", "query": query, "events": args.flink_events, "cpu_s": round(used, 2),
            "k_events_per_cpu_s": round(args.flink_events / used / 1000, 1), "wall_s": float(found["wall_s"]),
            "epoch_ms": args.epoch}


def cost(args):
    rows = []
    with tempfile.TemporaryDirectory(dir=args.directory) as folder:
        events = make_events(args, folder)
        for index in range(args.rounds):
            with measure.running(lambda: millrace(args)) as broker:
                fill(args, broker, events)
                for query in args.queries or COST:
                    rows.append(cost_job(args, broker, query, index))
                    rows.append(cost_local(args, query, events, folder))
            for query in (args.queries or COST) if args.flink and index < args.flink_rounds else ():
                rows.append(cost_flink(args, query, folder))
    for row in rows:
        measure.keep(args, "jobs", {"kind": "cost", **row})
    lines = []
    for query in args.queries or COST:
        line = [query]
        for system in ("millrace", "engine alone", "flink+kafka"):
            own = [row for row in rows if row["query"] == query and row["system"] == system]
            line.append(measure.spread(own, "k_events_per_cpu_s", 0) if own else "-")
        lines.append(line)
    print("thousands of events per CPU second, median (least .. most)")
    measure.table(["query", "millrace, job", "engine alone", "flink + kafka"], lines)
    measure.note_disturbed([row for row in rows if row["system"] == "millrace"])


# --- produce ---------------------------------------------------------------------------------------------------------


def endless(topic, epoch_ms, query="q17"):
    text = re.sub(r"\s*'scan.bounded.mode' = '[^']*',", "", nexmark(query, topic, epoch_ms))
    return text.replace("'table.dml-sync' = 'true'", "'table.dml-sync' = 'false'")


def produce(args):
    """By turns without and with jobs that have more to read than the time lasts."""
    rows = {"without": [], "with": []}
    args.warm = 1
    with tempfile.TemporaryDirectory(dir=args.directory) as folder, measure.running(lambda: millrace(args)) as broker:
        fill(args, broker, make_events(args, folder))
        cli(args, broker, "topic", "create", "other", "-p", "4")
        for index in range(args.rounds):
            for kind in rows:
                jobs = [sql(args, broker, endless(f"q17_{index}_{i}", args.epoch))
                        for i in range(args.jobs if kind == "with" else 0)]
                used = brokers.cpu_seconds(broker.pid)
                row = measure.bench(args, broker, "produce", "other", "--rate", args.rate, "-B", "16K", verify=False)
                row["broker_cpu_s"] = round(brokers.cpu_seconds(broker.pid) - used, 2)
                rows[kind].append(row)
                measure.keep(args, "jobs", {"kind": "produce", "job": kind, **row})
                for job in jobs:
                    sql(args, broker, f"STOP JOB '{re.search('[0-9a-f]{32}', job).group(0)}'")
    measure.table(["", "p50 us", "p99 us", "p99.9 us", "broker CPU s"],
                  [[kind, *[measure.spread(own, name, 0) for name in ("acknowledged_p50_us", "acknowledged_p99_us",
                                                                       "acknowledged_p999_us")],
                    measure.spread(own, "broker_cpu_s")] for kind, own in rows.items()])


# --- share -----------------------------------------------------------------------------------------------------------


def share_wait(broker, job_count, events):
    """Until every job has read all; what they took from each other."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{broker.http}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        read = [int(n) for n in re.findall(r"^flink_taskmanager_job_task_numRecordsIn\{.*\} (\d+)$", text, re.M)]
        if len(read) == job_count and min(read, default=events) >= events:
            return sum(int(n) for n in re.findall(r"^millrace_job_records_shared_total\{.*\} (\d+)$", text, re.M))
        time.sleep(0.05)
    raise measure.Failed("the jobs do not get on")


def share_run(args, build, job_count, events, behind):
    """Jobs of the queries in turn, exactly once into a topic each. behind: all lies there when they begin."""
    args.build, queries = build, args.queries or ("q0", "q1", "q17")
    with measure.running(lambda: millrace(args)) as broker:
        if behind:
            fill(args, broker, events)
        else:
            cli(args, broker, "topic", "create", "nexmark", "-p", "1")
        company, used, begin = measure.Company([broker.pid]), brokers.cpu_seconds(broker.pid), time.monotonic()
        for i in range(job_count):
            sql(args, broker, endless(f"s_{i}", args.epoch, queries[i % len(queries)]))
        if not behind:
            with open(events, "rb") as file:
                cli(args, broker, "produce", "nexmark", "-q", "--timeout", "600s", stdin=file)
        shared = share_wait(broker, job_count, args.events)
        used = brokers.cpu_seconds(broker.pid) - used
        return {"build": build, "jobs": job_count, "behind": behind, "events": args.events, "cpu_s": round(used, 3),
                "cpu_s_per_M": round(used * 1e6 / args.events, 3), "wall_s": round(time.monotonic() - begin, 2),
                "shared_percent": round(100 * shared / max(1, job_count * args.events)), "epoch_ms": args.epoch,
                "foreign_cpu_percent": company.percent()}


def share(args):
    rows, builds = [], [args.build] + ([args.other] if args.other else [])
    with tempfile.TemporaryDirectory(dir=args.directory) as folder:
        events = make_events(args, folder)
        for index in range(args.rounds):
            for behind in (False, True):
                for job_count in (1, 2, 4, 8) if behind else (0, 1, 2, 4, 8):
                    for build in builds if index % 2 == 0 else builds[::-1]:
                        rows.append(share_run(args, build, job_count, events, behind))
                        measure.keep(args, "jobs", {"kind": "share", **rows[-1]})
    print("CPU seconds of the broker for a million events, median (least .. most); records taken from another job")
    lines = []
    for behind, job_count in sorted({(row["behind"], row["jobs"]) for row in rows}):
        line = [f"{job_count} jobs, {'behind' if behind else 'writing and reading'}"]
        for build in builds:
            own = [row for row in rows if (row["behind"], row["jobs"], row["build"]) == (behind, job_count, build)]
            line += [measure.spread(own, "cpu_s_per_M"), f"{own[-1]['shared_percent']} %"]
        lines.append(line)
    measure.table(["", *[word for build in builds for word in (build, "shared")]], lines)
    measure.note_disturbed(rows)


# --- latency ---------------------------------------------------------------------------------------------------------


def latency(args):
    for epoch_ms in (100, 1000):
        with measure.running(lambda: millrace(args)) as broker:
            cli(args, broker, "topic", "create", "stamps", "-p", "1")
            cli(args, broker, "topic", "create", "seen", "-p", "1")
            sql(args, broker, f"""SET 'execution.checkpointing.interval' = '{epoch_ms} ms';
CREATE TABLE stamps (at_ms BIGINT) WITH (
  'connector' = 'kafka', 'topic' = 'stamps', 'properties.bootstrap.servers' = 'x:1',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE TABLE seen (at_ms BIGINT) WITH (
  'connector' = 'kafka', 'topic' = 'seen', 'properties.bootstrap.servers' = 'x:1', 'format' = 'json',
  'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'seen');
INSERT INTO seen SELECT at_ms FROM stamps;""")
            row = latency_run(args, broker)
            row.update({"epoch_ms": epoch_ms})
            measure.keep(args, "jobs", {"kind": "latency", **row})
            print(f"epochs of {epoch_ms} ms, {row['load']} records/s, {row['broker_cpu_percent']} % of a core: "
                  f"{row['count']} events, p50 {row['p50_ms']:.0f} ms, p99 {row['p99_ms']:.0f} ms, "
                  f"most {row['max_ms']:.0f} ms")


def latency_run(args, broker):
    """One record every 5 ms with the time in it, among --load others; a reader of committed records takes the
    difference."""
    start = ["taskset", "-c", "1", measure.binary(args)]
    where = ["-b", f"127.0.0.1:{broker.port}", "-q", "--timeout", "600s"]
    reader = subprocess.Popen([*start, "consume", "seen", *where],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
    writer = subprocess.Popen([*start, "produce", "stamps", "-X", "linger.ms=0", *where],
                              stdin=subprocess.PIPE, bufsize=0)
    count, found, rest = int(args.seconds * 200), [], b""
    others = b'{"at_ms":0}\n' * (args.load // 200)
    os.set_blocking(reader.stdout.fileno(), False)
    sent, begin, used = 0, time.time(), brokers.cpu_seconds(broker.pid)
    while len(found) < count and time.time() - begin < args.seconds + 30:
        while sent < count and time.time() >= begin + sent * 0.005:
            writer.stdin.write(others + b'{"at_ms":%d}\n' % (time.time() * 1000))
            sent += 1
            if sent == count:
                used = (brokers.cpu_seconds(broker.pid) - used) / (time.time() - begin)
        block = reader.stdout.read(1 << 20)
        if block:
            now = time.time() * 1000
            whole, line, rest = (rest + block).rpartition(b"\n")
            found += [now - int(stamp) for stamp in re.findall(rb'"at_ms":([1-9][0-9]*)', whole + line)]
        time.sleep(0.001)
    writer.stdin.close()
    writer.wait()
    reader.terminate()
    reader.wait()
    if len(found) < count:
        raise measure.Failed(f"{len(found)} of {count} events came out")
    found.sort()
    return {"count": count, "load": args.load + 200, "broker_cpu_percent": round(100 * used),
            "p50_ms": found[count // 2], "p99_ms": found[count * 99 // 100], "max_ms": found[-1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cost", "produce", "share", "latency"))
    parser.add_argument("queries", nargs="*")
    parser.add_argument("--events", type=int, default=2000000)
    parser.add_argument("--epoch", type=int, default=1000, help="ms between commits")
    parser.add_argument("--jobs", type=int, default=4, help="of `produce`, at once")
    parser.add_argument("--rate", default="20M", help="of the producers")
    parser.add_argument("--load", type=int, default=0, help="of `latency`: records a second beside the timed ones")
    parser.add_argument("--other", help="of `share`: the folder of another build, by turns with --build")
    parser.add_argument("--flink", help="folder with run.sh")
    parser.add_argument("--flink-events", type=int, default=1000000)
    parser.add_argument("--flink-rounds", type=int, default=1)
    measure.add_options(parser, rounds=3, seconds=8)
    args = parser.parse_args()
    try:
        {"cost": cost, "produce": produce, "share": share, "latency": latency}[args.what](args)
    except measure.Failed as failed:
        sys.exit(str(failed))


main()
