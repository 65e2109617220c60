#!/usr/bin/env python3
"""What coordinators cost on one core, beside Apache Kafka: committed offsets, heartbeats, loading after a restart.

  bench/coordinators.py                                    Millrace; 10,000 groups with 10 members
  bench/coordinators.py --kafka LIBS                       Apache Kafka after it, from the jars in LIBS
  bench/coordinators.py --groups 2000 --seconds 5 --rounds 1

The generator (bench/groups) runs on CPU 1, the broker on CPU 0 (Kafka on both). Nothing else should run.
"""

import argparse
import os
import signal
import subprocess
import sys
import time

import brokers

# A short delay: Kafka answers one request of a connection at a time, so that groups form one after another there.
SETTINGS = ["group.initial.rebalance.delay.ms=20", "log.cleaner.enable=false"]


class Kafka(brokers.Kafka):
    """With the same group settings."""

    def spawn(self, command, log_name):
        if log_name == "kafka.log":
            with open(os.path.join(self.directory, "server.properties"), "a", encoding="ascii") as file:
                file.write("\n".join(SETTINGS + self.extra) + "\n")
        super().spawn(command, log_name)


def make(options, kind, extra):
    if kind == "millrace":
        return brokers.Millrace("/var/tmp", "0", options.binary, settings=SETTINGS + extra)
    broker = Kafka("/var/tmp", "0,1", options.kafka, fsync=False)
    broker.extra = extra
    return broker


def generate(options, broker, *words):
    done = subprocess.run(["taskset", "-c", "1", options.generator, words[0], "--port", str(broker.port), "--pid",
                           str(broker.pid), *words[1:]], capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stdout}{done.stderr[-500:]}")
    return done.stdout.strip().split("\n")


def settle(options, broker):
    """The topic is there and its coordinators serve; the code is warm."""
    generate(options, broker, "wait")
    time.sleep(5)
    generate(options, broker, "commit", "--groups", "100", "--offsets", "10", "--seconds", "3")


def measure(options, kind):
    seconds = ["--seconds", str(options.seconds)]
    broker = make(options, kind, []).start()
    try:
        settle(options, broker)
        for offsets in (10, 1):
            for line in generate(options, broker, "commit", "--groups", "1000", "--offsets", str(offsets),
                                 "--connections", "20", "--window", "32", *seconds)[:1]:
                print(f"{kind}: {offsets} offsets in a commit: {line}")
        for line in generate(options, broker, "beat", "--groups", str(options.groups), "--members", "10", "--window",
                             "64", *seconds):
            print(f"{kind}: {line}")
    finally:
        broker.stop()
        broker.remove()
    broker = make(options, kind, ["offsets.topic.num.partitions=1"]).start()
    try:
        settle(options, broker)
        line = generate(options, broker, "commit", "--groups", "1000", "--offsets", "50", "--seconds",
                        str(4 * options.seconds))[0]
        print(f"{kind}: one partition: {line}")
        broker.stop(signal.SIGTERM)
        broker.start()
        print(f"{kind}: after a restart: {generate(options, broker, 'wait')[-1]} (from the first try on)")
        time.sleep(0.5)
        if kind == "millrace":
            with open(broker.log_path, encoding="utf-8", errors="replace") as log:
                print("".join(f"{kind}: {text}" for text in log if "records read" in text), end="")
    finally:
        broker.stop()
        broker.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = os.path.join(brokers.ROOT, "build", "release")
    parser.add_argument("--binary", default=os.path.join(build, "millrace"))
    parser.add_argument("--generator", default=os.path.join(build, "bench", "groups", "groups"))
    parser.add_argument("--kafka", default="", help="folder of Apache Kafka's jars")
    parser.add_argument("--groups", type=int, default=10000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    for _ in range(options.rounds):
        for kind in ["millrace"] + (["kafka"] if options.kafka else []):
            measure(options, kind)


main()
