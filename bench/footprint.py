#!/usr/bin/env python3
"""What many partitions and many connections cost on one shard: memory, start-up, idle CPU.

  bench/footprint.py                        10,000 partitions, 5,000 connections
  bench/footprint.py --partitions 1000 --connections 500 --json
"""

import argparse
import json
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import time

import brokers


def request(port, body, sock=None):
    """One request on a fresh or given connection; the answer's bytes behind the correlation id."""
    own = sock is None
    sock = sock or socket.create_connection(("127.0.0.1", port), timeout=120)
    sock.sendall(struct.pack(">i", len(body)) + body)
    head = b""
    while len(head) < 4:
        head += sock.recv(4 - len(head))
    left = struct.unpack(">i", head)[0]
    answer = b""
    while len(answer) < left:
        answer += sock.recv(min(1 << 20, left - len(answer)))
    if own:
        sock.close()
    return answer[4:]


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def header(key, version):
    return struct.pack(">hhi", key, version, 1) + text("footprint")


def create_topics(port, names, partitions):
    body = header(19, 2) + struct.pack(">i", len(names))
    for name in names:
        body += text(name) + struct.pack(">ihii", partitions, 1, 0, 0)
    answer = request(port, body + struct.pack(">ib", 120000, 0))
    at = 8
    for _ in names:
        size = struct.unpack_from(">h", answer, at)[0]
        error = struct.unpack_from(">h", answer, at + 2 + size)[0]
        if error != 0:
            sys.exit(f"CreateTopics failed with error {error}")
        at += 2 + size + 2
        message = struct.unpack_from(">h", answer, at)[0]
        at += 2 + max(message, 0)


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


def batch(payload):
    """One record batch (magic 2) with one record that has a value only."""
    record = b"\0\0\0\x01" + varint(len(payload)) + payload + b"\0"
    record = varint(len(record)) + record
    now = int(time.time() * 1000)
    tail = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    crc, table = 0xFFFFFFFF, crc32c_table()
    for byte in tail:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    tail = struct.pack(">ibI", -1, 2, crc ^ 0xFFFFFFFF) + tail
    return struct.pack(">qi", 0, len(tail)) + tail


def varint(value):
    value <<= 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def produce(port, topics, partitions):
    """One record into every partition, a topic a request."""
    records = batch(b"x" * 100)
    with socket.create_connection(("127.0.0.1", port), timeout=300) as sock:
        for name in topics:
            body = header(0, 3) + struct.pack(">hhi", -1, -1, 60000) + struct.pack(">i", 1) + text(name)
            body += struct.pack(">i", partitions)
            body += b"".join(struct.pack(">ii", index, len(records)) + records for index in range(partitions))
            answer = request(port, body, sock)
            at = 4 + 2 + len(name) + 4
            for _ in range(partitions):
                error = struct.unpack_from(">ih", answer, at)[1]
                if error != 0:
                    sys.exit(f"Produce failed with error {error}")
                at += 4 + 2 + 8 + 8


def idle_cpu_percent(broker, seconds):
    before = brokers.cpu_seconds(broker.pid)
    time.sleep(seconds)
    return 100 * (brokers.cpu_seconds(broker.pid) - before) / seconds


def settle(broker, limit_seconds):
    """Seconds until the broker is at rest: what it acknowledged from the journal has gone to its segments."""
    begin = time.monotonic()
    while time.monotonic() - begin < limit_seconds:
        if idle_cpu_percent(broker, 2) == 0:
            break
    return time.monotonic() - begin


def restart(broker, number):
    stop_seconds = broker.stop(number)
    broker.start()
    return stop_seconds, broker.ready_seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=10000)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--build", default=os.path.join(brokers.ROOT, "build", "release"))
    parser.add_argument("--directory", default=tempfile.gettempdir())
    parser.add_argument("--idle-seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if limit < args.connections + 200:
        sys.exit(f"this shell may open {limit} files; {args.connections} connections need more (ulimit -n)")
    per_topic = min(args.partitions, 1000)
    topics = [f"many-{i}" for i in range(args.partitions // per_topic)]
    broker = brokers.Millrace(args.directory, "0", os.path.join(args.build, "millrace"))
    out = {"partitions": per_topic * len(topics), "connections": args.connections}
    try:
        broker.start()
        out["start_empty_s"] = round(broker.ready_seconds, 3)
        out["rss_empty_mib"] = round(brokers.status_kib(broker.pid, "VmRSS") / 1024, 1)
        begin = time.monotonic()
        create_topics(broker.port, topics, per_topic)
        out["create_s"] = round(time.monotonic() - begin, 3)
        rss = brokers.status_kib(broker.pid, "VmRSS")
        out["kib_per_partition_created"] = round((rss - out["rss_empty_mib"] * 1024) / out["partitions"], 2)
        begin = time.monotonic()
        produce(broker.port, topics, per_topic)
        out["produce_one_each_s"] = round(time.monotonic() - begin, 3)
        out["settle_s"] = round(settle(broker, 120), 1)
        rss = brokers.status_kib(broker.pid, "VmRSS")
        out["kib_per_partition_used"] = round((rss - out["rss_empty_mib"] * 1024) / out["partitions"], 2)
        out["idle_cpu_percent_partitions"] = round(idle_cpu_percent(broker, args.idle_seconds), 2)
        out["open_files"] = len(os.listdir(f"/proc/{broker.pid}/fd"))
        out["stop_clean_s"], out["start_clean_s"] = [round(value, 3) for value in restart(broker, signal.SIGTERM)]
        _, out["start_after_kill_s"] = [round(value, 3) for value in restart(broker, signal.SIGKILL)]
        rss = brokers.status_kib(broker.pid, "VmRSS")
        begin = time.monotonic()
        sockets = [socket.create_connection(("127.0.0.1", broker.port), timeout=30) for _ in range(args.connections)]
        out["connect_s"] = round(time.monotonic() - begin, 3)
        for sock in sockets:
            request(broker.port, header(18, 0), sock)
        out["kib_per_connection"] = round((brokers.status_kib(broker.pid, "VmRSS") - rss) / args.connections, 2)
        out["idle_cpu_percent_connections"] = round(idle_cpu_percent(broker, args.idle_seconds), 2)
        for sock in sockets:
            sock.close()
    finally:
        broker.stop()
        broker.remove()
    if args.json:
        print(json.dumps(out))
    else:
        for name, value in out.items():
            print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
