"""The arithmetic of bench/: medians without disturbed runs, verdicts of two commits, pictures that are well-formed."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import sys
import tempfile
import unittest
import xml.dom.minidom

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bench")
sys.dont_write_bytecode = True
sys.path.insert(0, BENCH)

import brokers  # noqa: E402
import charts  # noqa: E402
import measure  # noqa: E402
import twelve  # noqa: E402


def load(name):
    """A script without .py in its name."""
    loader = importlib.machinery.SourceFileLoader("script_" + name, os.path.join(BENCH, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def row(system, value, foreign=0.0, case="16 partitions", commit="abc1234"):
    return {"when": "2026-11-21T12:00:00+00:00", "commit": commit, "name": "ingest-max", "machine": brokers.machine(),
            "system": system, "case": case, "mb_per_s": value, "broker_cpu_s_per_gib": 1 / value,
            "foreign_cpu_percent": foreign}


class Medians(unittest.TestCase):
    def test_disturbed_runs_do_not_count_while_others_are_there(self):
        rows = [row("millrace", value, foreign) for value, foreign in ((100, 0), (110, 1), (120, 2), (5, 80))]
        self.assertEqual(measure.median(rows, "mb_per_s"), 110)
        self.assertEqual(measure.spread(rows, "mb_per_s", 0), "110 (100 .. 120)")
        self.assertEqual(measure.median(rows[3:], "mb_per_s"), 5)

    def test_company_is_nobody_when_only_we_work(self):
        company = measure.Company([])
        sum(range(2000000))
        self.assertGreaterEqual(company.percent(), 0.0)


class Verdicts(unittest.TestCase):
    def setUp(self):
        self.judge = load("compare").judge

    def test_a_difference_must_be_larger_than_the_spread(self):
        calm, wild = [100, 101, 99, 100, 102], [80, 140, 95, 120, 60]
        self.assertEqual(self.judge("ns", calm, [80, 81, 79, 80, 82], True)["verdict"], "faster")
        self.assertEqual(self.judge("ns", calm, [130, 131, 129, 130, 132], True)["verdict"], "slower")
        self.assertEqual(self.judge("MB/s", calm, [130, 131, 129, 130, 132], False)["verdict"], "faster")
        self.assertEqual(self.judge("ns", calm, wild, True)["verdict"], "same")
        self.assertEqual(self.judge("ns", calm, calm, True)["change_percent"], 0.0)


class Pictures(unittest.TestCase):
    def test_the_newest_commit_is_drawn(self):
        rows = [row("kafka", 7, commit="old0000"), row("millrace", 500), row("millrace", 520), row("kafka", 250),
                row("millrace", 3, foreign=90), row("kafka", 260, case="<1> partition & more")]
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "twelve.jsonl"), "w", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in rows)
            newest = charts.read(folder)
        self.assertEqual(len(newest["ingest-max"]), 5)
        picture = xml.dom.minidom.parseString(charts.draw("ingest-max", newest["ingest-max"]))
        said = [text.firstChild.data for text in picture.getElementsByTagName("text")]
        for word in ("ingest-max", "millrace", "kafka", "<1> partition & more", "510", "250"):
            self.assertIn(word, said)
        self.assertNotIn("7", said)

    def test_every_benchmark_has_a_picture(self):
        self.assertEqual(set(twelve.RUNS) - set(charts.FIGURES), set())
        self.assertEqual(len(twelve.RUNS), 12)

    def test_axes_end_at_round_numbers(self):
        self.assertEqual([charts.nice(value) for value in (0.03, 1, 1.2, 4, 7, 130)], [0.05, 1, 2, 5, 10, 200])


class Scripts(unittest.TestCase):
    def test_help_is_there(self):
        for name in ("compare", "ingest.py", "twelve.py", "charts.py"):
            said = io.StringIO()
            argv, sys.argv = sys.argv, [name, "--help"]
            try:
                with contextlib.redirect_stdout(said), self.assertRaises(SystemExit) as ended:
                    load(name).main()
            finally:
                sys.argv = argv
            self.assertEqual(ended.exception.code, 0)
            self.assertIn("--", said.getvalue())


if __name__ == "__main__":
    unittest.main()
