"""Reads meson's testlog.json: prints "passed failed skipped" and writes what failed, in words, to a report file.

    test_report.py testlog.json MESON_EXIT_CODE REPORT

A cmocka program counts as its cases, any other program as one test. A program that broke before cmocka could say what
failed counts as one failure more.
"""
import json
import re
import sys

CASES = re.compile(r"^\[  PASSED  \] (\d+) test\(s\)", re.M)
FAILURES = re.compile(r"^\[  FAILED  \] (\d+) test\(s\)", re.M)
SKIPS = re.compile(r"^\[  SKIPPED \] (\d+) test\(s\)", re.M)
SKIP_NAMES = re.compile(r"^\[  SKIPPED \] (\w+)$", re.M)


def total(pattern, text):
    return sum(int(number) for number in pattern.findall(text))


def count(test, report):
    text = (test.get("stdout") or "") + (test.get("stderr") or "")
    result = test["result"]
    passed, failed, skipped = total(CASES, text), total(FAILURES, text), total(SKIPS, text)
    if result == "SKIP":
        report.append(f"  skipped: {test['name']}: {text.strip().splitlines()[-1] if text.strip() else ''}")
        return 0, 0, 1
    for name in sorted(set(SKIP_NAMES.findall(text))):
        report.append(f"  skipped: {test['name']}: {name}")
    if result in ("OK", "EXPECTEDFAIL"):
        return (passed, 0, skipped) if passed or skipped else (1, 0, 0)
    report.append(f"  FAILED: {test['name']} ({result}, {test['duration']:.1f} s)")
    report.extend("    " + line for line in text.splitlines()[-60:])
    return passed, max(failed, 1), skipped


def main():
    path, code, report_path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    sums, report = [0, 0, 0], []
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                for at, number in enumerate(count(json.loads(line), report)):
                    sums[at] += number
    except FileNotFoundError:
        report.append(f"  FAILED: {path} is not there")
    if code != 0 and sums[1] == 0:
        report.append(f"  FAILED: meson test ended with code {code}")
        sums[1] += 1
    with open(report_path, "w", encoding="utf-8") as out:
        out.writelines(line + "\n" for line in report)
    print(*sums)


main()
