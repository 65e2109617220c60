"""Each rule of tidy.py and nm_check.py is shown one tree that keeps it and one that breaks it."""
import os
import tempfile
import unittest

import nm_check
import tidy

HEADER = "#ifndef MILLRACE_{0}_H\n#define MILLRACE_{0}_H\n{1}\n#endif\n"


def findings_of(files):
    """The findings of a tree that consists of `files`, path -> text."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as out:
                out.write(text)
        return tidy.run(root)


class TidyTest(unittest.TestCase):
    def breaks(self, rule, files):
        found = findings_of(files)
        self.assertEqual([line.split(": ")[1] for line in found], [rule], found)

    def keeps(self, files):
        self.assertEqual(findings_of(files), [])

    def test_floors(self):
        self.keeps({"core/store/a.c": '#include "core/base/base.h"\n#include "core/record/r.h"\n#include "io/io.h"\n'})
        self.keeps({"core/store/a.c": '#include "core/store/store_internal.h"\n'})
        self.breaks("floor", {"core/store/a.c": '#include "core/part/part.h"\n'})
        self.breaks("floor", {"core/record/a.c": '#include "core/proto/kp_reader.h"\n'})
        self.breaks("floor", {"core/base/a.c": '#include "tests/support/unit.h"\n'})
        self.breaks("floor", {"core/nowhere/a.c": '#include "core/base/base.h"\n'})
        self.breaks("floor", {"compute/sql/a.c": '#include "core/part/part.h"\n'})
        self.breaks("private", {"core/part/a.c": '#include "core/store/store_internal.h"\n'})
        self.keeps({"tests/a.c": '#include "core/store/store_internal.h"\n'})
        self.breaks("include", {"core/store/a.c": '#include "store.h"\n'})

    def test_doors(self):
        self.keeps({"io/uring/a.c": "#include <liburing.h>\n#include <sys/socket.h>\n#include <time.h>\n"})
        self.breaks("door", {"net/server/a.c": "#include <liburing.h>\n"})
        self.breaks("door", {"net/server/a.c": "#include <sys/socket.h>\n"})
        self.breaks("door", {"core/part/a.c": "#include <time.h>\n"})
        self.breaks("door", {"core/base/list.c": "#include <mimalloc.h>\n"})
        self.breaks("door", {"core/part/a.c": '#include "io/uring/uring.h"\n'})
        self.breaks("door", {"net/broker/broker.c": '#include "io/uring/uring.h"\n'})
        self.keeps({"net/broker/broker_main.c": '#include "io/uring/uring.h"\n#include <signal.h>\n'})
        self.keeps({"core/record/a.c": "#include <lz4frame.h>\n#include <lz4hc.h>\n"})
        self.breaks("door", {"core/record/a.c": "#include <lz4.h>\n", "core/record/b.c": "#include <lz4frame.h>\n"})
        self.breaks("door", {"core/store/a.c": "#include <zstd.h>\n"})
        self.breaks("door", {"io/sim/a.c": "#include <cmocka.h>\n"})

    def test_names(self):
        self.breaks("name", {"core/base/a.c": "int a;\n", "core/proto/a.c": "int b;\n"})
        self.breaks("guard", {"core/base/a.h": "int a;\n"})
        self.keeps({"core/base/a.h": HEADER.format("A", "int a;")})
        self.breaks("guard", {"core/base/a.h": HEADER.format("A", ""), "core/base/b.h": HEADER.format("A", "")})
        self.breaks("typedef", {"core/base/a.c": "typedef struct thing thing;\n"})
        self.keeps({"core/base/a.c": "typedef void thing_fn(struct thing *thing);\n"})

    def test_text(self):
        self.breaks("space", {"docs/A.md": "a \n"})
        self.keeps({"docs/a.tsv": "a\t\n"})
        self.breaks("tab", {"core/base/a.c": "\tint a;\n"})
        self.breaks("width", {"core/base/a.c": "/*" + "x" * 120 + "*/\n"})
        self.breaks("newline", {"core/base/a.c": "int a;"})
        self.breaks("word", {"docs/A.md": "TO" + "DO: more\n"})
        self.breaks("word", {"core/base/a.c": "/* good enough for " + "now */\n"})
        self.breaks("path", {"docs/A.md": "see /wo" + "rk/place\n"})
        self.breaks("comment", {"core/base/a.c": "int a; // one\n"})
        self.keeps({"core/base/a.c": 'const char *a = "http://b";\n/* see http://b\n * and // this\n */\n'})
        self.breaks("warning", {"core/base/a.c": '#pragma GCC diagnostic ignored "-Wshadow"\n'})

    def test_links(self):
        page = "# One page\n\n## The `x` option, too\n\n[b](B.md#b-it-is), [here](#the-x-option-too), docs/B.md\n"
        other = "# B: it is\n\n```\n[no](nowhere.md) docs/nothing.md\n```\n\n[up](../docs/A.md) docs/*.md docs/<x>.md\n"
        self.keeps({"docs/A.md": page, "docs/B.md": other})
        self.breaks("link", {"docs/A.md": "[gone](gone.md)\n"})
        self.breaks("link", {"docs/A.md": page, "docs/B.md": "# B\n"})
        self.breaks("link", {"docs/A.md": "see `docs/gone.md`\n"})
        self.keeps({"docs/A.md": "[there](https://example.org/gone.md), `a[1](x)`\n"})

    def test_function_length(self):
        def function(lines):
            return "int f(int a)\n{\n" + "    a++;\n" * (lines - 3) + "}\n"

        self.keeps({"core/base/a.c": function(70)})
        self.breaks("length", {"core/base/a.c": function(71)})
        allow = {"tools/tidy_allow.txt": "function core/base/a.c f 90\n"}
        self.keeps({"core/base/a.c": function(90), **allow})
        self.breaks("length", {"core/base/a.c": function(91), **allow})
        self.breaks("ratchet", {"core/base/a.c": function(80), **allow})
        self.breaks("ratchet", {"core/base/a.c": function(60), **allow})

    def test_file_length(self):
        self.keeps({"core/base/a.c": "int a;\n" * 600})
        self.breaks("length", {"core/base/a.c": "int a;\n" * 601})
        self.keeps({"core/base/a.c": "int a;\n" * 700, "tools/tidy_allow.txt": "file core/base/a.c 700  # a table\n"})
        self.breaks("ratchet", {"tools/tidy_allow.txt": "file core/base/gone.c 700\n"})

    def test_symbols(self):
        for symbol in ("open", "open64", "__open64_2", "pwrite64", "malloc", "clock_gettime@GLIBC_2.17",
                       "pthread_create", "__read_chk", "io_uring_submit", "mi_malloc", "__isoc99_fopen"):
            self.assertTrue(nm_check.is_forbidden(symbol), symbol)
        for symbol in ("memcpy", "snprintf", "__snprintf_chk", "mem_free", "io_read", "abort", "timer_arm",
                       "__asan_init", "strtol", "qsort", "crc32_iscsi"):
            self.assertFalse(nm_check.is_forbidden(symbol), symbol)
        self.assertTrue(nm_check.is_door("core/base/", "mem.c.o"))
        self.assertFalse(nm_check.is_door("core/base/", "map.c.o"))
        self.assertTrue(nm_check.is_door("io/uring/", "uring.c.o"))
        self.assertFalse(nm_check.is_door("io/sim/", "sim_disk.c.o"))
        self.assertTrue(nm_check.is_door("net/broker/", "broker_machine.c.o"))
        self.assertFalse(nm_check.is_door("net/broker/", "broker.c.o"))


if __name__ == "__main__":
    unittest.main()
