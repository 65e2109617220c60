"""Groups of the consumer protocol (KIP-848), by members of our own over the wire: what each state answers, as Apache
Kafka 4.3 does, and what no two members may hold while brokers and members die.
"""
import time

from harness import case, check, check_equal, wait_until
from wire import Wire, WireError

TOPIC = "shared"
SETTINGS = {"group.initial.rebalance.delay.ms": 0, "group.consumer.assignment.interval.ms": 0}
COMING = (14, 15, 16)  # the coordinator is being read, is not there, is elsewhere


def create(broker, name, partitions):
    with broker.wire() as wire:
        reply = wire.call("CreateTopics", 7, {"timeout_ms": 10000, "topics": [
            {"name": name, "num_partitions": partitions, "replication_factor": -1, "assignments": [], "configs": []}]})
    check_equal(reply["topics"][0]["error_code"], 0, "the topic's creation")
    return reply["topics"][0]["topic_id"]


def coordinator(broker, group):
    def find():
        with broker.wire() as wire:
            place = wire.call("FindCoordinator", 4, {"key_type": 0, "coordinator_keys": [group]})["coordinators"][0]
        return (place["host"], place["port"]) if place["error_code"] == 0 else None
    return Wire(*wait_until(find, 20, "a coordinator"), 10.0)


class Member:
    """Does what it is told, one step at a time."""

    def __init__(self, broker, group, name, topic, topic_id):
        self.broker, self.group, self.name, self.topic, self.topic_id = broker, group, name, topic, topic_id
        self.epoch, self.owned, self.told, self.full, self.wire = 0, set(), set(), True, None

    def request(self, **fields):
        """None: the coordinator is not there; the next heartbeat says everything again."""
        try:
            self.wire = self.wire or coordinator(self.broker, self.group)
            reply = self.wire.call("ConsumerGroupHeartbeat", 1, {
                "group_id": self.group, "member_id": self.name, "member_epoch": self.epoch, **fields})
        except (WireError, OSError):
            self.close()
            return None
        if reply["error_code"] in COMING:
            time.sleep(0.1)
            self.close()
            return None
        return reply

    def close(self):
        if self.wire is not None:
            self.wire.close()
        self.wire, self.full = None, True

    def beat(self, **fields):
        owned = [{"topic_id": self.topic_id, "partitions": sorted(self.owned)}] if self.owned else []
        if self.full:
            fields = {"rebalance_timeout_ms": 60000, "subscribed_topic_names": [self.topic], **fields}
        reply = self.request(topic_partitions=owned, **fields)
        if reply is None:
            return None
        if reply["error_code"] in (25, 110):
            self.epoch, self.owned, self.told, self.full = 0, set(), set(), True
            return reply["error_code"]
        check_equal(reply["error_code"], 0, f"a heartbeat's error ({reply['error_message']})")
        self.epoch, self.full = reply["member_epoch"], False
        if reply["assignment"] is not None:
            self.told = {part for topic in reply["assignment"]["topic_partitions"] for part in topic["partitions"]}
        return 0

    def follow(self):
        """Gives up first; takes what is new only when it has just been told."""
        self.owned &= self.told
        if self.beat() == 0:
            self.owned = set(self.told)

    def commit(self, partition, offset):
        if self.wire is None:
            return None
        try:
            reply = self.wire.call("OffsetCommit", 9, {
                "group_id": self.group, "generation_id_or_member_epoch": self.epoch, "member_id": self.name,
                "topics": [{"name": self.topic, "partitions": [
                    {"partition_index": partition, "committed_offset": offset, "committed_leader_epoch": -1,
                     "committed_metadata": ""}]}]})
        except (WireError, OSError):
            self.close()
            return None
        return reply["topics"][0]["partitions"][0]["error_code"]


def describe(wire, group):
    return wire.call("ConsumerGroupDescribe", 1, {"group_ids": [group]})["groups"][0]


@case("consumer-groups/answers")
def answers(run):
    """Each state's errors, as Apache Kafka 4.3 gave them to the same requests."""
    broker = run.broker(settings=SETTINGS)
    topic_id = create(broker, TOPIC, 4)
    with coordinator(broker, "g") as wire:
        def ask(member, epoch, **fields):
            return wire.call("ConsumerGroupHeartbeat", 1, {"group_id": "g", "member_id": member,
                                                           "member_epoch": epoch, **fields})["error_code"]

        def join(member, **fields):
            return ask(member, 0, **{"rebalance_timeout_ms": 60000, "subscribed_topic_names": [TOPIC],
                                     "topic_partitions": [], **fields})

        def owns(*partitions):
            return {"topic_partitions": [{"topic_id": topic_id, "partitions": list(partitions)}]}

        for found, expected, what in (
                (ask("m", 3), 69, "a heartbeat to no group"), (ask("m", -1), 69, "leaving no group"),
                (join("m", group_id=" "), 42, "a blank group"), (join(""), 42, "no member id"),
                (join("m", subscribed_topic_names=None), 42, "no subscription"),
                (join("m", rebalance_timeout_ms=-1), 42, "no timeout"), (join("m", **owns(0)), 42, "owning at first"),
                (join("m", topic_partitions=None), 42, "silence about what it owns"), (ask("m", -3), 42, "epoch -3"),
                (ask("m", -2), 42, "-2 without an instance"), (join("m", server_assignor="x"), 112, "an assignor"),
                (join("m", subscribed_topic_names=None, subscribed_topic_regex="("), 128, "an expression"),
                (join("m", instance_id=""), 42, "a blank instance"), (join("m", rack_id=""), 42, "a blank rack"),
                (join("m"), 0, "joining"), (join("m"), 0, "joining again"), (ask("m", 2), 0, "a heartbeat"),
                (ask("m", 3), 110, "an epoch ahead"), (ask("m", 1), 110, "an epoch behind"),
                (ask("n", 1), 25, "a stranger"), (join("n"), 0, "a second member"),
                (ask("m", 2, **owns(0, 1, 2, 3)), 0, "one that keeps"),
                (ask("m", 2, **owns(0, 1)), 0, "one that gives"),
                (ask("n", 3, topic_partitions=[]), 0, "one that takes"),
                (join("s", instance_id="i"), 0, "a static member"), (join("t", instance_id="i"), 111, "its double"),
                (ask("t", 4, instance_id="i"), 82, "a fenced one"), (ask("s", 4, instance_id="j"), 25, "an instance"),
                (ask("s", -2, instance_id="i"), 0, "going for a while"), (join("t", instance_id="i"), 0, "coming back"),
                (ask("s", -1, instance_id="i"), 82, "leaving as the former one")):
            check_equal(found, expected, what)
        check_equal(describe(wire, "none")["error_code"], 69, "a description of nothing")
        shown = describe(wire, "g")
        check_equal((shown["assignor_name"], len(shown["members"])), ("uniform", 3), "the description")
        check_equal(wire.call("DeleteGroups", 2, {"groups_names": ["g"]})["results"][0]["error_code"], 68, "deletion")
        listed = wire.call("ListGroups", 5, {"states_filter": [], "types_filter": ["consumer"]})["groups"]
        check_equal([(group["group_id"], group["group_type"]) for group in listed], [("g", "consumer")], "the list")
        for member in ("m", "n", "t"):
            check_equal(ask(member, -1), 0, "leaving")
        check_equal(describe(wire, "g")["group_state"], "Empty", "its state")
        check_equal(wire.call("DeleteGroups", 2, {"groups_names": ["g"]})["results"][0]["error_code"], 0, "deletion")
        check_equal(describe(wire, "g")["error_code"], 69, "what is left")


def check_apart(members):
    """Of members in the newest epoch they know of; one whose answer was lost takes nothing new (Member.follow)."""
    seen = {}
    for member in members:
        for partition in member.owned:
            check(partition not in seen, f"{member.name} and {seen.get(partition)} hold partition {partition}")
            seen[partition] = member.name


@case("consumer-groups/kills")
def kills(run):
    """Members come, go and vanish, the broker is killed: no two hold a partition, no commit is lost, all is shared."""
    partitions, group = 12, "kills"
    broker = run.broker(shards=3, settings={**SETTINGS, "group.consumer.session.timeout.ms": 3000})
    topic_id = create(broker, TOPIC, partitions)
    members, committed, number = [], {}, 0
    for round_number in range(60 if run.full else 25):
        if len(members) < 5 and run.random.random() < 0.4:
            number += 1
            members.append(Member(broker, group, f"m{number}", TOPIC, topic_id))
        if len(members) > 2 and run.random.random() < 0.15:
            member = members.pop(run.random.randrange(len(members)))
            if run.random.random() < 0.5:
                member.epoch = -1
                member.request()
            member.close()  # otherwise it vanishes, and its session ends
        if round_number % 9 == 8:
            broker.kill()
            broker.start()
        for member in members:
            member.follow()
            for partition in sorted(member.owned)[:2]:
                offset = committed.get(partition, 0) + 1
                if member.commit(partition, offset) == 0:
                    committed[partition] = offset
        check_apart(members)

    def shared():
        for member in members:
            member.follow()
        check_apart(members)
        return sum(len(member.owned) for member in members) == partitions
    wait_until(shared, 30, "every partition has a member")
    sizes = [len(member.owned) for member in members]
    check(max(sizes) - min(sizes) <= 1, f"uneven: {sizes}")
    with coordinator(broker, group) as wire:
        reply = wire.call("OffsetFetch", 8, {"groups": [{"group_id": group, "topics": [
            {"name": TOPIC, "partition_indexes": list(range(partitions))}]}], "require_stable": False})
    found = {part["partition_index"]: part["committed_offset"]
             for topic in reply["groups"][0]["topics"] for part in topic["partitions"]}
    for partition, offset in committed.items():
        check(found[partition] >= offset, f"partition {partition}: {offset} was committed, {found[partition]} is there")
    run.note(f"{number} members, {sum(committed.values())} commits")
    for member in members:
        member.close()
