"""What producers were told and what is in the log: one check over both, in one pass, and the check's own test.

An attempt is one record that a producer handed over. A partition's log is a list of (offset, value). The rules:

1. An acknowledged record stands at its offset, with its value.          4. No value stands there that nobody sent.
2. No two acknowledgements name the same offset.                         5. Offsets rise, without holes.
3. A record acknowledged later than another was begun later than it      6. A value stands at most once (a producer that
   has the larger offset (what `known` of an attempt says).                 may send twice by itself is told apart).
                                                                         7. Each producer's records stand in its order.
What a reader saw at any time must be in the final log, unchanged: rule 8.
"""


class Attempt:
    """One record: `known` is the highest acknowledged offset of the partition when it was handed over."""

    __slots__ = ("producer", "number", "partition", "value", "known", "offset", "error")

    def __init__(self, producer, number, partition, value, known):
        self.producer, self.number, self.partition, self.value, self.known = producer, number, partition, value, known
        self.offset = None  # acknowledged at; -1 = acknowledged without an offset
        self.error = None

    def is_acknowledged(self):
        return self.offset is not None


def check_partition(attempts, log, seen=()):
    """Findings, as texts; none when all is well. `seen`: (offset, value) pairs a reader got while it ran."""
    findings = []
    by_value = {attempt.value: attempt for attempt in attempts}
    at_offset, places = {}, {}
    last = None
    for offset, value in log:
        if last is not None and offset != last + 1:
            findings.append(f"5: offset {offset} follows {last}")
        last = offset
        at_offset[offset] = value
        if value not in by_value:
            findings.append(f"4: nobody sent what stands at offset {offset}")
        elif value in places:
            findings.append(f"6: offsets {places[value]} and {offset} hold the same record")
        else:
            places[value] = offset
    findings += check_acknowledged(attempts, at_offset, places)
    findings += check_order(attempts, places)
    for offset, value in seen:
        if at_offset.get(offset) != value:
            findings.append(f"8: what a reader saw at offset {offset} is not there any more")
    return findings


def check_acknowledged(attempts, at_offset, places):
    findings, owners = [], {}
    for attempt in attempts:
        name = f"{attempt.producer}-{attempt.number}"
        place = places.get(attempt.value)
        if attempt.is_acknowledged():
            if place is None:
                findings.append(f"1: {name} was acknowledged at offset {attempt.offset} and is lost")
            if attempt.offset >= 0:
                if at_offset.get(attempt.offset) != attempt.value:
                    findings.append(f"1: {name} was acknowledged at offset {attempt.offset}, which holds another")
                if attempt.offset in owners:
                    findings.append(f"2: {name} and {owners[attempt.offset]} were acknowledged at {attempt.offset}")
                owners[attempt.offset] = name
        if place is not None and place <= attempt.known:
            findings.append(f"3: {name} stands at offset {place}, {attempt.known} was known when it was begun")
    return findings


def check_order(attempts, places):
    findings, last = [], {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.number):
        place = places.get(attempt.value)
        if place is None:
            continue
        if place < last.get(attempt.producer, -1):
            findings.append(f"7: {attempt.producer}-{attempt.number} stands before an earlier one of its producer")
        last[attempt.producer] = max(place, last.get(attempt.producer, -1))
    return findings


# --- test of the check --------------------------------------------------------------------------------------------

def sample():
    """Two producers, ten records, the last one with an error but in the log; a good history."""
    attempts, log = [], []
    for i in range(10):
        attempt = Attempt("ab"[i % 2], i, 0, b"value-%d" % i, i - 1)
        attempt.offset = i
        attempts.append(attempt)
        log.append((i, attempt.value))
    attempts[9].offset, attempts[9].error = None, "timed out"
    return attempts, log, [(2, b"value-2")]


def spoil_lost(attempts, log, _seen):
    attempts[9].offset = 9
    del log[9]


def spoil_moved(_attempts, log, _seen):
    log[3], log[4] = (3, log[4][1]), (4, log[3][1])


def spoil_twice_acknowledged(attempts, _log, _seen):
    attempts[4].offset = 3


def spoil_known(attempts, _log, _seen):
    attempts[5].known = 5


def spoil_phantom(_attempts, log, _seen):
    log.append((10, b"never sent"))


def spoil_hole(_attempts, log, _seen):
    log[9] = (10, log[9][1])


def spoil_duplicate(_attempts, log, _seen):
    log.append((10, b"value-9"))


def spoil_order(attempts, log, _seen):
    attempts[8].offset = attempts[6].offset = None
    attempts[8].known = 0
    log[6], log[8] = (6, log[8][1]), (8, log[6][1])


def spoil_seen(_attempts, _log, seen):
    seen.append((7, b"value-8"))


def miss_error_absent(_attempts, log, _seen):
    del log[9]


def miss_no_offset(attempts, _log, _seen):
    attempts[3].offset = -1


def self_test():
    """Texts of what is wrong with the check itself."""
    wrong = []
    spoilers = {spoil_lost: "1", spoil_moved: "1", spoil_twice_acknowledged: "2", spoil_known: "3", spoil_phantom: "4",
                spoil_hole: "5", spoil_duplicate: "6", spoil_order: "7", spoil_seen: "8"}
    for spoil, rule in spoilers.items():
        history = sample()
        spoil(*history)
        if not any(text.startswith(rule) for text in check_partition(*history)):
            wrong.append(f"{spoil.__name__} was not found by rule {rule}")
    for miss in (lambda *_: None, miss_error_absent, miss_no_offset):
        history = sample()
        miss(*history)
        findings = check_partition(*history)
        if findings:
            wrong.append(f"a good history was refused: {findings[:3]}")
    return wrong
