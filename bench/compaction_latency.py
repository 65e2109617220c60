#!/usr/bin/env python3
"""What compaction does to the produce latency of another partition on the same shard.

  bench/compaction_latency.py                          three pairs: without, with; 500 MiB to compact
  bench/compaction_latency.py --megabytes 100 --pairs 1

The broker has one shard on CPU 0, generator and keys come from CPU 1. In each round the log of one topic is filled with
keyed records first; then the load goes to another topic for a while: without compaction, and while compaction works.
Nothing else should run.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import brokers

KEYS = 200000
VALUE_BYTES = 180


def records(megabytes):
    """Lines of key:value, each key over and over."""
    count = megabytes * 1024 * 1024 // 200
    value = "v" * VALUE_BYTES
    step = 10000
    for first in range(0, count, step):
        yield "".join(f"key-{i % KEYS:09d}:{value}\n" for i in range(first, min(first + step, count))).encode()


def run(options, broker, *words, cpu="0,1", **more):
    return subprocess.run(["taskset", "-c", cpu, options.binary, *words, "-b", f"127.0.0.1:{broker.port}"], check=True,
                          capture_output=True, **more)


def fill(options, broker):
    run(options, broker, "topic", "create", "compacted", "-p", "1", "-c", "cleanup.policy=compact", "-c",
        "min.cleanable.dirty.ratio=0.99", "-c", "segment.bytes=67108864", "-c", "min.compaction.lag.ms=3600000")
    feed = subprocess.Popen(["taskset", "-c", "1", options.binary, "produce", "compacted", "-K", ":", "-b",
                             f"127.0.0.1:{broker.port}", "--timeout", "300s"], stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL)
    for block in records(options.megabytes):
        feed.stdin.write(block)
    feed.stdin.close()
    if feed.wait() != 0:
        sys.exit("the records could not be produced")


def load(options, broker):
    done = run(options, broker, "bench", "produce", "latency", "-p", "1", "-i", "16", "-B", "4K", "--rate", "2M", "-w",
               "1s", "-d", f"{options.seconds}s", "-q", "-o", "json", "--broker-pid", str(broker.pid), cpu="1")
    report = json.loads(done.stdout)
    return {**{name: report["run"][name] for name in ("bytes_per_s", "errors", "sent_late", "broker_cpu_percent")},
            **report["latency"][0]}


def measure(options):
    broker = brokers.Millrace(options.directory, "0", options.binary,
                              settings=["log.cleaner.backoff.ms=200", "log.cleaner.enable=true"]).start()
    try:
        fill(options, broker)
        time.sleep(2)
        yield "without", load(options, broker)
        run(options, broker, "config", "set", "topic", "compacted", "min.cleanable.dirty.ratio=0.01",
            "min.compaction.lag.ms=0")
        yield "with", load(options, broker)
        with open(broker.log_path, encoding="utf-8", errors="replace") as log:
            for line in log:
                if "compacted" in line:
                    print(line, end="")
    finally:
        broker.stop()
        broker.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = os.path.join(brokers.ROOT, "build", "release")
    parser.add_argument("--binary", default=os.path.join(build, "millrace"))
    parser.add_argument("--directory", default="/var/tmp")
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    for _ in range(options.pairs):
        for kind, found in measure(options):
            print(f"{kind}: {json.dumps(found)}", flush=True)


main()
