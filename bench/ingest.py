#!/usr/bin/env python3
"""Durable ingest beside Apache Kafka: broker CPU per GiB and MB/s, in alternating runs on fresh data.

  bench/ingest.py                          five rounds, 128 KiB and 16 KiB batches, Kafka if its jars can be had
  bench/ingest.py --rounds 3 --batches 4096 --kafka-libs DIR
  bench/ingest.py --no-kafka --seconds 5

Millrace runs one shard on CPU 0, the generator on CPU 1; Kafka gets both CPUs. acks=all everywhere. After each run
everything is read back and every CRC and offset is checked. Results are printed and appended to
docs/perf/history/ingest.jsonl.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile

import brokers


def run(broker, load, batch, args):
    """One measured run against a started broker; the generator's own report."""
    common = ["--bootstrap", f"127.0.0.1:{broker.port}", "--topic", "ingest", "--pid", str(broker.pid)]
    produce = ["taskset", "-c", "1", load, "produce"] + common + [
        "--partitions", "16", "--connections", "8", "--inflight", "5", "--batch-bytes", str(batch), "--record-bytes",
        str(args.record_bytes), "--seconds", str(args.seconds), "--warm", str(args.warm)]
    result = json.loads(subprocess.run(produce, check=True, capture_output=True, text=True).stdout)
    verify = subprocess.run(["taskset", "-c", "1", load, "verify"] + common, check=False, capture_output=True,
                            text=True)
    result["verify"] = json.loads(verify.stdout) if verify.returncode == 0 else None
    if result["verify"] is None:
        sys.exit(f"{broker.name}: what was produced could not be read back: {verify.stderr}{verify.stdout}")
    result["command"] = " ".join(produce).replace(load, os.path.relpath(load, brokers.ROOT))
    return result


def measure(make, load, batch, args):
    broker = make()
    try:
        broker.start()
        return run(broker, load, batch, args)
    finally:
        broker.stop()
        broker.remove()


def spread(values):
    return f"{statistics.median(values):8.2f} ({min(values):.2f} .. {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm", type=float, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[131072, 16384])
    parser.add_argument("--record-bytes", type=int, default=1024)
    parser.add_argument("--build", default=os.path.join(brokers.ROOT, "build", "release"))
    parser.add_argument("--kafka-libs")
    parser.add_argument("--no-kafka", action="store_true")
    parser.add_argument("--directory", default=tempfile.gettempdir(), help="where the data goes: the disk to measure")
    parser.add_argument("--history", default=os.path.join(brokers.ROOT, "docs", "perf", "history", "ingest.jsonl"))
    args = parser.parse_args()
    binary = os.path.join(args.build, "millrace")
    load = os.path.join(args.build, "bench", "load", "load")
    libs = None if args.no_kafka else brokers.kafka_libs(args.kafka_libs)
    makers = [lambda: brokers.Millrace(args.directory, "0", binary)]
    if libs:
        makers += [lambda: brokers.Kafka(args.directory, "0,1", libs, False),
                   lambda: brokers.Kafka(args.directory, "0,1", libs, True)]
    rows = {}
    for batch in args.batches:
        for number in range(args.rounds):
            for make in makers:
                broker = make
                instance = broker()
                name = instance.name
                instance.remove()
                result = measure(make, load, batch, args)
                rows.setdefault((batch, name), []).append(result)
                print(f"round {number + 1} {name:12} {batch:7} B: {result['mb_per_s']:8.1f} MB/s "
                      f"{result['broker_cpu_s_per_gib']:7.3f} CPU s/GiB  "
                      f"p50 {result['p50_us']} us  p99 {result['p99_us']} us  "
                      f"{result['verify']['records']} records read back", flush=True)
                os.makedirs(os.path.dirname(args.history), exist_ok=True)
                with open(args.history, "a", encoding="utf-8") as history:
                    when = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
                    history.write(json.dumps({"when": when, "system": name, "batch": batch,
                                              "machine": brokers.machine(), **result}) + "\n")
    print(f"\n{'batch':>7} {'system':12} {'CPU s/GiB: median (min .. max)':>34} {'MB/s':>34} {'p99 us':>10}")
    for (batch, name), results in rows.items():
        print(f"{batch:7} {name:12} {spread([r['broker_cpu_s_per_gib'] for r in results]):>34} "
              f"{spread([r['mb_per_s'] for r in results]):>34} "
              f"{statistics.median([r['p99_us'] for r in results]):10.0f}")


if __name__ == "__main__":
    main()
