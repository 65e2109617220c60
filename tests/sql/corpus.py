"""Cases of the SQL corpus: what stands in a file of tests/data/sql/edge, and what a final table is.

A case is one file of bytes:

    # what is asked, in a line or more
    == input TOPIC [PARTITION]        the records of a partition (0 when not named), one a line
    == input TOPIC PARTITION escaped  the same with \\n, \\r, \\t, \\\\ and \\xHH for bytes that a line cannot hold,
                                      and with \\*COUNT:TEXT; for a text many times
    == script                         SQL as Flink runs it, unchanged but for the address of the brokers
    == output TOPIC [escaped]         the final table that Flink wrote: its rows as bytes, sorted
    == answer ok|failed|refused TEXT  what became of the script: failed while it ran, refused before
    == millrace refuses TEXT          when Flink answers and Millrace does not yet: what it says instead
    == millrace differs TEXT          known to be wrong, and how; the test fails once it is right

Everything but input, script and the last section is written by tests/suites/flink/run.
"""
import glob
import os
import re

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
EDGE = os.path.join(ROOT, "tests", "data", "sql", "edge")
NEXMARK = os.path.join(ROOT, "tests", "data", "sql", "nexmark")
ADDRESS = "localhost:9092"
TOPIC = re.compile(r"('topic'\s*=\s*')([^']+)(')")
ESCAPE = re.compile(rb"\\(n|r|t|\\|x[0-9a-fA-F]{2}|\*(\d+):([^;]*);)")
PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}


class Case:
    def __init__(self, name):
        self.name, self.title, self.script = name, "", ""
        self.inputs = []      # (topic, partition, escaped, [record as in the file])
        self.outputs = {}     # topic -> sorted rows
        self.answer, self.reason = None, ""
        self.refusal = self.difference = None

    def records(self):
        """topic -> {partition: [bytes]}"""
        found = {}
        for topic, partition, escaped, lines in self.inputs:
            found.setdefault(topic, {}).setdefault(partition, []).extend(
                [ESCAPE.sub(unescape, line) for line in lines] if escaped else lines)
        return found

    def sinks(self):
        """Topics that the script writes: all that have no input."""
        fed = {topic for topic, *_ in self.inputs}
        return sorted({topic for _, topic, _ in TOPIC.findall(self.script)} - fed)


def unescape(match):
    word = match.group(1)
    if word[:1] == b"*":
        return match.group(3) * int(match.group(2))
    return bytes([int(word[1:], 16)]) if word[:1] == b"x" and len(word) == 3 else PLAIN[word]


def read_case(path):
    case = Case(os.path.splitext(os.path.basename(path))[0])
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    title, into, escaped = [], None, []
    for line in lines[:-1] if lines[-1] == b"" else lines:
        words = line.decode(errors="replace").split(" ")
        if words[0] != "==":
            if into is None:
                title.append(line.decode().removeprefix("#").strip())
            else:
                into.append(line)
            continue
        into = []
        if words[1] == "input":
            partition = int(words[3]) if len(words) > 3 else 0
            case.inputs.append((words[2], partition, len(words) > 4, into))
        elif words[1] == "script":
            case.script = into
        elif words[1] == "output":
            case.outputs[words[2]] = into
            escaped += words[2:3] if len(words) > 3 else []
        elif words[1] == "answer":
            case.answer, case.reason = words[2], " ".join(words[3:])
        elif words[1:3] == ["millrace", "refuses"]:
            case.refusal = " ".join(words[3:])
        elif words[1:3] == ["millrace", "differs"]:
            case.difference = " ".join(words[3:])
        else:
            raise ValueError(f"{path}: what is '{' '.join(words)}'?")
    for topic in escaped:
        case.outputs[topic] = sorted(ESCAPE.sub(unescape, row) for row in case.outputs[topic])
    case.title = "\n".join(title)
    case.script = b"\n".join(case.script).decode() + "\n"
    return case


def write_case(case, path):
    out = [f"# {line}".encode() for line in case.title.split("\n")]
    for topic, partition, escaped, lines in case.inputs:
        out += [f"== input {topic} {partition}{' escaped' if escaped else ''}".encode(), *lines]
    out += [b"== script", case.script.rstrip("\n").encode()]
    for topic, rows in sorted(case.outputs.items()):
        escaped = any(b"\n" in row for row in rows)
        out += [f"== output {topic}{' escaped' if escaped else ''}".encode(),
                *(row.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") if escaped else row for row in rows)]
    if case.answer is not None:
        out.append(f"== answer {case.answer} {case.reason}".rstrip().encode())
    if case.refusal is not None:
        out.append(f"== millrace refuses {case.refusal}".encode())
    if case.difference is not None:
        out.append(f"== millrace differs {case.difference}".encode())
    with open(path, "wb") as file:
        file.write(b"\n".join(out) + b"\n")


def edge_paths(names=()):
    paths = sorted(glob.glob(os.path.join(EDGE, "*.case")))
    return [path for path in paths
            if not names or any(os.path.basename(path).startswith(name) for name in names)]


def queries():
    """Names of the Nexmark queries that have one answer: all but q12, which is about the clock."""
    names = [name[:-4] for name in os.listdir(NEXMARK) if name.endswith(".sql") and name != "q12.sql"]
    return sorted(names, key=lambda name: (int(re.sub(r"\D", "", name)), name))


def fold(messages):
    """The final table of a topic: (key, value) pairs in order, None for null. Without keys every value is a row;
    with keys the last value of each key, and null deletes it."""
    rows, last = [], {}
    for key, value in messages:
        if key is None:
            rows.append(value)
        elif value is None:
            last.pop(key, None)
        else:
            last[key] = value
    return sorted(rows + list(last.values()))
