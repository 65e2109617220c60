#!/usr/bin/env python3
"""Reading, beside Apache Kafka and the limits of the machine: broker CPU per GiB and MB/s, in alternating runs.

  bench/fetch.py                             five rounds: hot, cold with 1 and 4 connections, a reader beside producers
  bench/fetch.py --rounds 4 --cases cold --millrace OLD/millrace --no-kafka    two builds, one after the other
  bench/fetch.py --cold-gib 2 --no-kafka --history ''

hot: the newest --hot-mib of a topic, read again and again; the limit is `bench/limits send`. cold: --cold-gib that are
in no memory (Kafka: page cache dropped, as root); the limit is `bench/limits read`, reads of 1 MiB, four at once.
catch-up: p99 of producers at --rate without and with one reader of everything, as fast as it can. Millrace runs one
shard on CPU 0, the reader on CPU 1; Kafka gets --kafka-cpus. CRCs and offsets of a cold reading are checked once more
after the measured rounds. Results are printed and appended to docs/perf/history/fetch.jsonl.
"""

import argparse

import brokers
import measure
import twelve

CASES = ("hot", "cold", "catch-up")


def limit(args, probe, size, *words):
    row = measure.probe(args, probe, size, *words)
    return {"system": "limit", "broker_cpu_s_per_gib": row["cpu_s_per_gib"], "mb_per_s": row["mb_per_s"],
            "foreign_cpu_percent": row["foreign_cpu_percent"], "probe": row}


def produced(args, broker, topic, amount):
    """So many bytes in four partitions, 128 KiB batches."""
    seconds, args.seconds, args.warm = args.seconds, amount / 100e6, 0
    measure.bench(args, broker, "produce", topic, "-p", "4", "-B", "128K", "--rate", "100M", verify=False)
    args.seconds = seconds


def hot(args, makers):
    for _ in range(args.rounds):
        yield "hot", limit(args, "send", 1 << 20, "--connections", "4", "--in-flight", "1")
        for make in makers:
            with measure.running(make) as broker:
                produced(args, broker, "hot", args.hot_mib << 20)
                passes = max(1, int(args.seconds * 1.5e9 / (args.hot_mib << 20)))
                found = measure.bench(args, broker, "consume", "hot", "--passes", str(passes), verify=False)
                yield "hot", {"system": broker.label, **found}


def cold(args, makers):
    """One filled broker of each kind for all rounds; they take turns."""
    running = []
    try:
        for make in makers:
            broker = make()
            running.append(broker)
            broker.start()
            twelve.fill(args, broker, int(args.cold_gib * 2**30))
        for _ in range(args.rounds):
            yield "cold", limit(args, "read", 1 << 20, "--depth", "4", "--file-size", "1G")
            for connections in args.connections:
                for broker in running:
                    kind = twelve.drop_caches() if broker.name != "millrace" else "direct reads"
                    found = measure.bench(args, broker, "consume", "suite", "-C", str(connections), verify=False)
                    yield f"cold, {connections} connections", {"system": broker.label, "cache": kind, **found}
        for broker in running:
            measure.bench(args, broker, "consume", "suite")
    finally:
        for broker in running:
            broker.stop()
            broker.remove()


def catch_up(args, makers):
    for _ in range(args.rounds):
        for make in makers:
            with measure.running(make) as broker:
                twelve.fill(args, broker, int(args.cold_gib * 2**30))
                for readers in (0, 1):
                    words = ["-B", "16K", "-C", "4", "--rate", args.rate, "--consumers", "1",
                             "--rereaders", str(readers)]
                    found = measure.bench(args, broker, "mixed", "suite", *words, verify=False)
                    yield f"{readers} catching up", {"system": broker.label, **found}


def makers_of(args):
    """What is compared: a build, perhaps another one, Kafka without fsync (reading knows no other)."""
    def labelled(label, make):
        def start():
            broker = make()
            broker.label = label
            return broker
        return start
    found = [labelled("millrace", lambda: brokers.Millrace(args.directory, "0", measure.binary(args)))]
    if args.millrace:
        found.append(labelled("other", lambda: brokers.Millrace(args.directory, "0", args.millrace)))
    libs = None if args.no_kafka else brokers.kafka_libs(args.kafka_libs)
    if libs:
        found.append(labelled("kafka", lambda: brokers.Kafka(args.directory, args.kafka_cpus, libs, False)))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measure.add_options(parser)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4], help="of the cold reader")
    parser.add_argument("--hot-mib", type=int, default=20, help="less than millrace.cache.bytes")
    parser.add_argument("--cold-gib", type=float, default=4)
    parser.add_argument("--rate", default="20M", help="of producers beside a reader that catches up")
    parser.add_argument("--millrace", help="another build's binary, to be compared")
    args = parser.parse_args()
    rows = {}
    for name, function in (("hot", hot), ("cold", cold), ("catch-up", catch_up)):
        if name not in args.cases:
            continue
        for case, row in function(args, makers_of(args)):
            rows.setdefault((case, row["system"]), []).append(row)
            measure.keep(args, "fetch", {"case": case, **row})
            print(f"{case:22} {row['system']:10} {row['mb_per_s']:8.1f} MB/s {row['broker_cpu_s_per_gib']:7.3f} "
                  f"CPU s/GiB{'  disturbed' if measure.disturbed(row) else ''}", flush=True)
    print()
    measure.table(["case", "system", "CPU s/GiB", "MB/s", "p99 us of an append"],
                  [[case, system, measure.spread(found, "broker_cpu_s_per_gib", 3),
                    measure.spread(found, "mb_per_s", 0),
                    measure.spread(found, "acknowledged_p99_us", 0) if "acknowledged_p99_us" in found[0] else "-"]
                   for (case, system), found in rows.items()])
    measure.note_disturbed([row for found in rows.values() for row in found])


if __name__ == "__main__":
    main()
