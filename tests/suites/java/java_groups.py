"""A group of four VerifiableConsumers beside a VerifiableProducer, for both protocols of groups: a member is killed,
another takes its place, and every record is read; what a member has committed is not read again."""
import json
import signal
import subprocess
import threading
import time

PACKAGE = "org.apache.kafka.tools."
RECORDS = 20000
MEMBERS = 4
KILLS = 2
WAIT_S = 120


class Member:
    """One VerifiableConsumer; its lines of JSON are read as they come."""

    def __init__(self, s, group, topic, protocol):
        # Without a session timeout on the command line the consumer protocol's is the broker's.
        session = ["--session-timeout", "6000"] if protocol == "classic" else []
        self.process = subprocess.Popen(
            [*s.program.command, PACKAGE + "VerifiableConsumer", "--bootstrap-server", s.bootstrap[1], "--group-id",
             group, "--topic", topic, "--group-protocol", protocol, *session, "--reset-policy", "earliest",
             "--verbose"], text=True, errors="replace", stdout=subprocess.PIPE, stderr=s.log, stdin=subprocess.DEVNULL)
        self.records, self.committed, self.assigned = [], {}, 0
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if said.get("name") == "record_data":
                self.records.append((said["partition"], said["offset"], said["value"]))
            elif said.get("name") == "offsets_committed" and said.get("success"):
                for entry in said["offsets"]:
                    self.committed[entry["partition"]] = max(entry["offset"], self.committed.get(entry["partition"], 0))
            elif said.get("name") == "partitions_assigned":
                self.assigned += len(said["partitions"])

    def end(self, how):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.thread.join()


def wait_for(condition):
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return False


def read_beside_kills(s, protocol, topic):
    """None, or what is wrong."""
    members = [Member(s, f"verifiable-{protocol}", topic, protocol) for _ in range(MEMBERS)]
    gone = []
    producer = subprocess.Popen(
        [*s.program.command, PACKAGE + "VerifiableProducer", *s.bootstrap, "--topic", topic, "--max-messages",
         str(RECORDS), "--throughput", "1000"], stdout=subprocess.DEVNULL, stderr=s.log, stdin=subprocess.DEVNULL)
    try:
        if not wait_for(lambda: all(member.assigned for member in members)):
            return f"not all members had a partition within {WAIT_S} s"
        for _ in range(KILLS):
            victim = members.pop(0)
            wait_for(lambda victim=victim: victim.committed)
            victim.end(signal.SIGKILL)
            gone.append(victim)
            members.append(Member(s, f"verifiable-{protocol}", topic, protocol))
            time.sleep(3)
        everyone = gone + members
        if producer.wait(timeout=WAIT_S) != 0:
            return f"the producer ended with code {producer.returncode}"
        values = {str(i) for i in range(RECORDS)}
        if not wait_for(lambda: values == {value for member in everyone for _, _, value in list(member.records)}):
            missing = values - {value for member in everyone for _, _, value in member.records}
            return f"{len(missing)} of {RECORDS} records were not read"
        for member in members:
            member.end(signal.SIGTERM)
        return read_again(gone, members)
    finally:
        for process in [producer, *[member.process for member in gone + members]]:
            if process.poll() is None:
                process.kill()


def read_again(gone, members):
    """What a killed member had committed before its end must not come to those who joined after it."""
    for at, victim in enumerate(gone):
        later = gone[MEMBERS + at:] + members[-(KILLS - at):]
        for partition, offset in victim.committed.items():
            twice = [read for member in later for read in member.records if read[0] == partition and read[1] < offset]
            if twice:
                return f"partition {partition}: {len(twice)} records below the committed offset {offset} came again"
    return None


def groups(s):
    for protocol in ("classic", "consumer"):
        topic = f"tools-group-{protocol}"
        s.step(f"TopicCommand --create, for the {protocol} group", lambda text: None, PACKAGE + "TopicCommand",
               "--create", "--topic", topic, "--partitions", "8")
        name = f"VerifiableConsumer, four in a {protocol} group, {KILLS} killed"
        if not s.wanted.search(name):
            continue
        begin = time.monotonic()
        reason = read_beside_kills(s, protocol, topic)
        s.table.add(s.program.client, s.program.version, s.shards, name, "fail" if reason else "pass",
                    time.monotonic() - begin, reason or "")
