"""Links and names of files in the pages of the tree: that what they point at is there. Used by tidy.py."""
import glob
import os
import re

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
# Names of files from the root of the tree, in pages: docs/http.md, `core/base/list.h`, tests/unit/job/.
NAMED = re.compile(r"(?<![\w/.-])((?:core|io|compute|net|tools|tests|docs|bench)/[\w./-]*[\w/])(?![\w*<{/.-]*[*<{])")
PLACEHOLDER = re.compile(r"NAME|\bbuild/")
CODE = re.compile(r"`[^`]*`")
HEADING = re.compile(r"#+ +(.*)")


def slug(heading):
    """The anchor that forges make of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def outside_of_fences(lines):
    """(number, line) of what is not inside of ``` .. ```."""
    fenced = False
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(lines):
    found = set()
    for _, line in outside_of_fences(lines):
        match = HEADING.match(line)
        if match:
            name, count = slug(match.group(1)), 0
            while (f"{name}-{count}" if count else name) in found:
                count += 1
            found.add(f"{name}-{count}" if count else name)
    return found


class Links:
    """Collects the pages, then says what is missing."""

    def __init__(self, root):
        self.root, self.pages = root, {}

    def add(self, path, lines):
        self.pages[path] = lines

    def target_missing(self, page, target):
        place, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(page), place)) if place else page
        if not os.path.exists(os.path.join(self.root, path)):
            return f"{target} is not there"
        if anchor and path in self.pages and anchor not in anchors(self.pages[path]):
            return f"{path} has no heading #{anchor}"
        return None

    def is_known(self, page, name):
        """Also by its beginning: core/base/check stands for check.c and check.h, docs/decisions/0011 for its page."""
        places = (self.root, os.path.join(self.root, os.path.dirname(page)))
        return any(glob.glob(glob.escape(os.path.join(place, name.rstrip("/"))) + "*") for place in places)

    def findings(self):
        """(page, line, what)"""
        for page, lines in self.pages.items():
            for number, line in outside_of_fences(lines):
                for target in LINK.findall(CODE.sub("``", line)):
                    missing = None if re.match(r"[a-z]+:", target) else self.target_missing(page, target)
                    if missing:
                        yield page, number, missing
                for name in NAMED.findall(LINK.sub("", line)):
                    if not PLACEHOLDER.search(name) and not self.is_known(page, name):
                        yield page, number, f"{name} is not there"
