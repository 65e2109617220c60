#!/usr/bin/env python3
"""Durable ingest beside Apache Kafka and the limit of the machine: broker CPU per GiB and MB/s, in alternating runs on
fresh data.

  bench/ingest.py                          five rounds, 128 KiB and 16 KiB batches, Kafka if its jars can be had
  bench/ingest.py --rounds 3 --batches 4096 --kafka-libs DIR
  bench/ingest.py --batches 131072 --record-bytes 100
  bench/ingest.py --batches 4096 --partitions 1000 --connections 100
  bench/ingest.py --no-kafka --seconds 5 --history ''
  bench/ingest.py --recycled --batches 131072 1048576

Millrace runs one shard on CPU 0, the generator (`millrace bench`) on CPU 1; Kafka gets both CPUs. acks=all everywhere.
After each run everything is read back and compared with what was sent. The limit is bench/limits: a program that
receives requests as large as the generator's from as many connections, one in a call, checks and copies them once,
writes them durably and answers.
Results are printed and appended to docs/perf/history/ingest.jsonl.
"""

import argparse

import brokers
import measure

RECYCLED_TOPIC = {"segment.bytes": 16 << 20, "retention.bytes": 16 << 20, "file.delete.delay.ms": 100}
RECYCLED_BYTES = 4 << 30


def limit(args, batch, request_bytes):
    """The probe with requests as large as the generator's really were: a batch holds whole records."""
    row = measure.probe(args, "receive", request_bytes, "--file", "recycled" if args.recycled else "fresh",
                        "--file-size", args.probe_size, "--connections", str(args.connections), "--in-flight",
                        str(args.in_flight))
    return {"system": "limit", "durability": "each request on stable storage", "batch": batch,
            "record_bytes": args.record_bytes, "broker_cpu_s_per_gib": row["cpu_s_per_gib"],
            "mb_per_s": row["mb_per_s"], "acknowledged_p99_us": row["p99_us"],
            "foreign_cpu_percent": row["foreign_cpu_percent"], "probe": row}


def recycling(args):
    """The same broker with small segments and small retention, which makes its files anew or uses them again."""
    def make(label, spare_bytes):
        broker = brokers.Millrace(args.directory, "0", measure.binary(args), settings=[
            f"millrace.recycle.bytes={spare_bytes}", "log.retention.check.interval.ms=200"])
        broker.label = label
        return broker
    return [lambda: make("new files", 0), lambda: make("used again", RECYCLED_BYTES)]


def run(args, make, batch):
    words = []
    if args.recycled:
        words = [word for name, value in RECYCLED_TOPIC.items() for word in ("-c", f"{name}={value}")]
    with measure.running(make) as broker:
        found = measure.bench(args, broker, "produce", "ingest", "-p", str(args.partitions), "-C",
                              str(args.connections), "-i", str(args.in_flight), "-B", str(batch), "-s",
                              str(args.record_bytes), *words, verify=not args.recycled)
        return {"system": getattr(broker, "label", broker.name), "durability": measure.durability(broker),
                "batch": batch, "record_bytes": args.record_bytes, "partitions": args.partitions,
                "connections": args.connections, **found}


def percent(rows, name, of_limit):
    """How near the limit a median is; above 100 only by chance."""
    limits = [row for row in rows if row["system"] == "limit"]
    mine = [row for row in rows if row["system"] == of_limit]
    a, b = measure.median(limits, name), measure.median(mine, name)
    return f"{100 * (b / a if name == 'mb_per_s' else a / b):.0f} %" if a and b else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measure.add_options(parser)
    parser.add_argument("--batches", type=int, nargs="+", default=[131072, 16384])
    parser.add_argument("--record-bytes", type=int, default=1024)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--in-flight", type=int, default=5, help="requests, on each connection")
    parser.add_argument("--probe-size", default="4G", help="of the file that the limit probe fills")
    parser.add_argument("--recycled", action="store_true",
                        help="Millrace alone, small segments and retention: files made anew and used again, by turns")
    args = parser.parse_args()
    makers = recycling(args) if args.recycled else measure.systems(args)
    rows = []
    for batch in args.batches:
        for number in range(args.rounds):
            request_bytes = batch
            for make in [*makers, None]:
                row = limit(args, batch, request_bytes) if make is None else run(args, make, batch)
                request_bytes = round(row["bytes"] / row["requests"]) if row.get("requests") else request_bytes
                rows.append(row)
                measure.keep(args, "ingest", row)
                print(f"round {number + 1} {row['system']:12} {batch:7} B: {row['mb_per_s']:8.1f} MB/s "
                      f"{row['broker_cpu_s_per_gib']:7.3f} CPU s/GiB  p99 {row['acknowledged_p99_us']:.0f} us"
                      f"{'  disturbed' if measure.disturbed(row) else ''}", flush=True)
    print()
    lines = []
    for batch in args.batches:
        here = [row for row in rows if row["batch"] == batch]
        for name in dict.fromkeys(row["system"] for row in here):
            mine = [row for row in here if row["system"] == name]
            lines.append([name, batch, measure.spread(mine, "broker_cpu_s_per_gib"),
                          percent(here, "broker_cpu_s_per_gib", name), measure.spread(mine, "mb_per_s", 0),
                          percent(here, "mb_per_s", name), f"{measure.median(mine, 'acknowledged_p99_us'):.0f}"])
    measure.table(["system", "batch", "CPU s/GiB", "of the limit", "MB/s", "of the limit", "p99 us"], lines)
    measure.note_disturbed(rows)


if __name__ == "__main__":
    main()
