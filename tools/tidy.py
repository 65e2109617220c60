"""The rules of the house that a machine can check. Prints one line per finding, `file:line: rule: what`, and exits 1.

    tidy.py [--root DIRECTORY]

Floors, doors, names, lengths, words, links. What may be longer than the limit stands in tools/tidy_allow.txt, which may
only shrink: an entry that is no longer needed, or larger than needed, is a finding too.
"""
import argparse
import os
import re
import subprocess
import sys

from tidy_links import Links

COLUMNS_MAX = 120
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600

# Room -> floor. A room includes its own headers and those of lower floors, never those of its own floor's other rooms.
FLOORS = {
    "core/base": 0,
    "io": 1,
    "core/proto": 1,
    "core/record": 1,
    "compute/vec": 1,
    "core/store": 2,
    "compute/expr": 2,
    "core/part": 3,
    "compute/exec": 3,
    "compute/format": 3,
    "core/meta": 4,
    "compute/sql": 4,
    "core/coord": 5,
    "core/cluster": 5,
    "compute/job": 6,
    "net/api": 7,
    "net/http": 8,
    "net/server": 8,
    "net/broker": 9,
}
# May include anything; nothing above may include them.
OUTSIDE = ("tests", "tools", "bench")
# The query engine knows no Kafka: its rooms see each other and the base only.
PURE = ("compute/vec", "compute/expr", "compute/exec", "compute/format", "compute/sql")

PROGRAM = ("net/broker/broker_banner.c", "net/broker/broker_config.c", "net/broker/broker_machine.c",
           "net/broker/broker_main.c")
# The HTTP thread and what it shares with the shards.
HTTP_THREAD = ("net/http/http_call.c", "net/http/http_listener.c")
KERNEL = ("io/uring/", *PROGRAM, *HTTP_THREAD, "tests/", "tools/", "bench/")
CODEC = ("core/record/",)
# Header (or its beginning) -> where it may be included. "one" = additionally in one file only.
DOORS = {
    "liburing": (("io/uring/", "tests/", "bench/"), ""),
    "linux/": (("io/uring/", "tests/", "bench/"), ""),
    "mimalloc": (("core/base/mem.c",), ""),
    "malloc.h": (("core/base/mem.c",), ""),
    "isa-l/crc.h": (("core/base/crc32c.c",), ""),
    "isa-l/igzip_lib.h": (CODEC, "one"),
    "lz4": (CODEC, "one"),
    "zstd": (CODEC, "one"),
    "snappy": (CODEC, "one"),
    "libdeflate": (CODEC, "one"),
    "zlib.h": (CODEC, "one"),
    "pcre2.h": (("core/coord/group_regex.c", "compute/expr/expr_regex.c"), ""),
    "cmocka.h": (("tests/",), ""),
    "microhttpd.h": (("net/http/",), ""),
    "jansson.h": (("net/http/", "tests/unit/http/", "tools/cli/cli_sql_answer.c"), ""),
    "histedit.h": (("tools/cli/cli_sql_line.c",), ""),
    "librdkafka/": (("tests/", "tools/", "bench/"), ""),
    "openssl/": (("net/", "compute/expr/expr_digest.c"), ""),
    "pthread.h": (KERNEL, ""),
    "threads.h": (KERNEL, ""),
    "semaphore.h": (KERNEL, ""),
    "sched.h": (KERNEL, ""),
    "time.h": (KERNEL, ""),
    "unistd.h": (KERNEL, ""),
    "fcntl.h": (KERNEL, ""),
    "signal.h": (KERNEL, ""),
    "dirent.h": (KERNEL, ""),
    "poll.h": (KERNEL, ""),
    "netdb.h": (KERNEL, ""),
    "sys/": ((*KERNEL, "core/base/mem.c"), ""),  # of memory: huge pages
    "netinet/": (KERNEL, ""),
    "arpa/inet.h": (("io/", *KERNEL), ""),  # the text form of addresses
    "net/if.h": (KERNEL, ""),
}
# Private halves of a room that only some rooms may name.
BACK_ENDS = {"io/uring/": ("io/", *PROGRAM), "io/sim/": ("io/",)}

# Written in halves, or this file would find itself.
WORDS = (r"TO" r"DO", r"FIX" r"ME", r"X" r"XX", r"HA" r"CK", r"st" r"ub(bed|s)?", r"not (yet )?imple" r"mented",
         r"for " r"now", r"place" r"holder")
WORD_PATTERN = re.compile(r"\b(" + "|".join(WORDS) + r")\b")
PATH_PATTERN = re.compile(r"(?<![\w.])/(wo" r"rk|fa" r"rm|ro" r"ot|home/\w+)/")

INCLUDE_PATTERN = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
STRING_PATTERN = re.compile(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])+\'')
FUNCTION_PATTERN = re.compile(r"(\w+)\(")
TABLES = (".tsv", ".csv", ".jsonl")  # an empty last field ends a line with its separator
SHARED_NAMES = {"meson.build", "README.md", "__init__.py", "run", "meson_options.txt", "test", "deps", "build", "dev"}


class Tree:
    """The files of the tree and what was found in them."""

    def __init__(self, root):
        self.root = root
        self.findings = []
        self.allowed = self.read_allowed()
        self.used = set()
        self.door_files = {}

    def find(self, path, line, rule, what):
        self.findings.append(f"{path}:{line}: {rule}: {what}")

    def read_allowed(self):
        """Lines of tools/tidy_allow.txt: `file PATH LINES` or `function PATH NAME LINES`."""
        allowed = {}
        try:
            with open(os.path.join(self.root, "tools/tidy_allow.txt"), encoding="utf-8") as table:
                for line in table:
                    words = line.split("#")[0].split()
                    if words:
                        allowed[tuple(words[:-1])] = int(words[-1])
        except FileNotFoundError:
            pass
        return allowed

    def check_length(self, key, path, line, lines, lines_max):
        limit = self.allowed.get(key, lines_max)
        self.used.add(key)
        if lines > limit:
            self.find(path, line, "length", f"{' '.join(key)} has {lines} lines, {limit} are allowed")
        elif key in self.allowed and (lines <= lines_max or lines < limit):
            self.find("tools/tidy_allow.txt", 1, "ratchet", f"{' '.join(key)} needs {lines} lines: lower the entry")

    def paths(self):
        try:
            listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=self.root, check=True,
                                     capture_output=True, text=True).stdout.split("\n")
            found = sorted({path for path in listing if path and os.path.isfile(os.path.join(self.root, path))})
            if found:
                return found
        except (OSError, subprocess.CalledProcessError):
            pass
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in (".git", "build", "__pycache__")]
            found += [os.path.relpath(os.path.join(folder, name), self.root) for name in names]
        return sorted(found)


def room_of(path):
    """The room a source file or an include belongs to, or None."""
    for room in FLOORS:
        if path.startswith(room + "/"):
            return room
    return None


def check_own_include(tree, path, number, target):
    """An include in quotes: root-relative, downwards only."""
    top = target.split("/")[0]
    if "/" not in target or top not in ("core", "io", "net", "compute", *OUTSIDE):
        tree.find(path, number, "include", f'"{target}" is not written from the root of the tree')
        return
    if path.startswith(tuple(outside + "/" for outside in OUTSIDE)):
        return
    if top in OUTSIDE:
        tree.find(path, number, "floor", f'"{target}": nothing includes {top}/')
        return
    room, other = room_of(path), room_of(target)
    if room is None or other is None:
        tree.find(path, number, "floor", f'"{target}": no floor is known for {path if room is None else target}')
        return
    if room == other:
        return
    if FLOORS[other] >= FLOORS[room]:
        tree.find(path, number, "floor", f'{room} is on floor {FLOORS[room]}, "{target}" on floor {FLOORS[other]}')
    elif room in PURE and other != "core/base" and other not in PURE:
        tree.find(path, number, "floor", f'{room} is pure: "{target}" knows Kafka or the machine')
    elif target.endswith("_internal.h"):
        tree.find(path, number, "private", f'"{target}" is for {other} only')


def check_back_end_include(tree, path, number, target):
    for back_end, users in BACK_ENDS.items():
        if target.startswith(back_end) and not path.startswith(users + tuple(o + "/" for o in OUTSIDE)):
            tree.find(path, number, "door", f'"{target}" is behind io/io.h')


def check_system_include(tree, path, number, target):
    for header, (places, once) in DOORS.items():
        if not (target.startswith(header) if not header.endswith(".h") else target == header):
            continue
        if not path.startswith(places):
            tree.find(path, number, "door", f"<{target}> belongs into {', '.join(places)}")
        elif once:
            files = tree.door_files.setdefault(header, set())
            files.add(path)
            if len(files) > 1:
                tree.find(path, number, "door", f"<{target}> has its door in {min(files - {path})} already")


def check_c_line(tree, path, number, line, in_comment):
    """One line of C without the general rules."""
    match = INCLUDE_PATTERN.match(line)
    if match:
        if match.group(1) == '"':
            check_own_include(tree, path, number, match.group(2))
            check_back_end_include(tree, path, number, match.group(2))
        else:
            check_system_include(tree, path, number, match.group(2))
        return
    if in_comment:
        return
    code = STRING_PATTERN.sub('""', line)
    code = re.sub(r"/\*.*?\*/", "", code)
    if "//" in code.split("/*")[0]:
        tree.find(path, number, "comment", "comments are /* */")
    if re.match(r"\s*typedef\s+(struct|union)\b", code):
        tree.find(path, number, "typedef", "structs are called struct")
    if re.search(r"#\s*pragma\s+(GCC|clang)\s+diagnostic", code):
        tree.find(path, number, "warning", "warnings are cured, not switched off")


def check_functions(tree, path, lines):
    """A function begins with a brace in column one and ends with one; its signature stands before it."""
    begin = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            begin = number
        elif line.startswith("}") and begin is not None:
            first = begin - 1
            while first > 1 and lines[first - 2].startswith((" ", "\t")) and lines[first - 2].strip():
                first -= 1
            signature = " ".join(lines[first - 1:begin])
            if begin - first > 1 or "(" in lines[begin - 2]:
                while "(" not in signature and first > 1:
                    first -= 1
                    signature = lines[first - 1] + signature
                names = FUNCTION_PATTERN.findall(signature)
                name = next((n for n in names if n not in ("__attribute__", "PRINTF_LIKE")), "?")
                tree.check_length(("function", path, name), path, first, number - first + 1, FUNCTION_LINES_MAX)
            begin = None


def check_header_guard(tree, path, lines):
    guards = [line.split()[1] for line in lines if line.startswith("#ifndef ") and line.endswith("_H")]
    if not guards or not guards[0].startswith("MILLRACE_") or f"#define {guards[0]}" not in lines:
        tree.find(path, 1, "guard", "a header needs #ifndef MILLRACE_..._H and its #define")
    return guards[0] if guards else None


def check_text(tree, path, lines):
    """Rules for every text file."""
    code = path.endswith((".c", ".h", ".def", ".kp", ".py", ".sh", "meson.build", ".cc")) or path.startswith(".ci/")
    code = code or (path.startswith("tools/") and "." not in os.path.basename(path))
    for number, line in enumerate(lines, 1):
        if line != line.rstrip() and not path.endswith(TABLES):
            tree.find(path, number, "space", "space at the end of the line")
        if code and "\t" in line:
            tree.find(path, number, "tab", "tabs are not used")
        if code and len(line) > COLUMNS_MAX:
            tree.find(path, number, "width", f"{len(line)} columns, {COLUMNS_MAX} are allowed")
        match = WORD_PATTERN.search(line)
        if match:
            tree.find(path, number, "word", f"'{match.group(1)}' marks unfinished work: finish it or write an issue")
        if PATH_PATTERN.search(line):
            tree.find(path, number, "path", "an absolute path of one machine")
        if "meson.build" in path and "-Wno-" in line:
            tree.find(path, number, "warning", "warnings are cured, not switched off")
    if code:
        tree.check_length(("file", path), path, 1, len(lines), FILE_LINES_MAX)


def check_c_file(tree, path, lines, guards):
    in_comment = False
    for number, line in enumerate(lines, 1):
        check_c_line(tree, path, number, line, in_comment)
        opened = line.rfind("/*")
        closed = line.rfind("*/")
        if opened > closed:
            in_comment = True
        elif closed >= 0:
            in_comment = False
    check_functions(tree, path, lines)
    if path.endswith(".h"):
        guard = check_header_guard(tree, path, lines)
        if guard in guards:
            tree.find(path, 1, "guard", f"{guard} is the guard of {guards[guard]} too")
        guards[guard] = path


def is_data(path):
    """Captured bytes and fuzz inputs are not text of ours."""
    return path.startswith(("tests/golden/", "tests/fuzz/corpus/", "tests/data/")) or path == "LICENSE"


def run(root):
    tree = Tree(root)
    names, guards, links = {}, {}, Links(root)
    for path in tree.paths():
        if is_data(path):
            continue
        name = os.path.basename(path)
        if path.endswith((".c", ".h", ".py", ".def")) and name not in SHARED_NAMES:
            if name in names:
                tree.find(path, 1, "name", f"the file name is taken by {names[name]}")
            names[name] = path
        try:
            with open(os.path.join(root, path), encoding="utf-8", newline="") as text:
                lines = text.read().split("\n")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        if lines and lines[-1] == "":
            lines.pop()
        elif lines:
            tree.find(path, len(lines), "newline", "the last line does not end")
        check_text(tree, path, lines)
        if path.endswith((".c", ".h")):
            check_c_file(tree, path, lines, guards)
        elif path.endswith(".md"):
            links.add(path, lines)
    for path, number, what in links.findings():
        tree.find(path, number, "link", what)
    for key in sorted(set(tree.allowed) - tree.used):
        tree.find("tools/tidy_allow.txt", 1, "ratchet", f"{' '.join(key)} is gone: remove the entry")
    return tree.findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    findings = run(os.path.abspath(parser.parse_args().root))
    for line in findings:
        print(line)
    if findings:
        sys.exit(f"tidy: {len(findings)} findings")


if __name__ == "__main__":
    main()
