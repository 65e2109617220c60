#!/usr/bin/env python3
"""Pictures of docs/perf/history: bars beside each other for the newest commit measured, one SVG for each benchmark.

  bench/charts.py                        into docs/perf/charts
  bench/charts.py --history DIR --out DIR

Bars are medians, thin lines reach from the least to the most; runs that were disturbed are left out where others are
there. Colours follow a light or dark setting. What was measured by which commit on which machine stands below.
"""

import argparse
import html
import json
import math
import os

import brokers
import measure

# Benchmark: the figures to draw: (name, what it says, in units of).
FIGURES = {
    "ingest": [("broker_cpu_s_per_gib", "CPU s/GiB, less is better", 1), ("mb_per_s", "MB/s, more is better", 1)],
    "ingest-cost": [("broker_cpu_s_per_gib", "CPU s/GiB, less is better", 1)],
    "ingest-max": [("mb_per_s", "MB/s, more is better", 1), ("broker_cpu_s_per_gib", "CPU s/GiB, less is better", 1)],
    "produce-latency": [("acknowledged_p50_us", "p50, ms", 1000), ("acknowledged_p99_us", "p99, ms", 1000)],
    "produce-durable": [("mb_per_s", "MB/s, more is better", 1), ("acknowledged_p99_us", "p99, ms", 1000)],
    "tail-latency": [("read_p50_us", "p50, ms", 1000), ("read_p99_us", "p99, ms", 1000)],
    "catch-up": [("mb_per_s", "MB/s, more is better", 1), ("broker_cpu_s_per_gib", "CPU s/GiB, less is better", 1)],
    "fetch": [("mb_per_s", "MB/s, more is better", 1), ("broker_cpu_s_per_gib", "CPU s/GiB, less is better", 1)],
    "mixed": [("acknowledged_p99_us", "p99 of producers, ms", 1000)],
    "many-partitions": [("broker_cpu_s_per_gib", "CPU s/GiB, less is better", 1),
                        ("acknowledged_p99_us", "p99, ms", 1000)],
    "many-connections": [("acknowledged_p99_us", "p99, ms", 1000), ("kib_per_connection", "KiB per connection", 1)],
    "small-messages": [("requests_per_s", "requests/s, more is better", 1),
                       ("broker_cpu_us_per_request", "CPU us/request, less is better", 1)],
    "recovery": [("first_produce_and_fetch_s", "s until it serves, less is better", 1)],
    "footprint": [("rss_mib", "memory, MiB", 1), ("ready_s", "s to start", 1)],
}
COLOURS = {"limit": "c3", "millrace": "c0", "kafka": "c1", "kafka-fsync": "c2"}
STYLE = """<style>
svg { --back: #ffffff; --ink: #24292f; --grid: #d8dee4; --c0: #0969da; --c1: #bc4c00; --c2: #8250df; --c3: #8c959f }
@media (prefers-color-scheme: dark) { svg { --back: #0d1117; --ink: #e6edf3; --grid: #30363d; --c0: #58a6ff;
  --c1: #f0883e; --c2: #bc8cff; --c3: #6e7681 } }
text { font: 13px system-ui, sans-serif; fill: var(--ink) }
.title { font-size: 16px; font-weight: 600 } .small { font-size: 11px }
.grid { stroke: var(--grid) } .reach { stroke: var(--ink) }
.c0 { fill: var(--c0) } .c1 { fill: var(--c1) } .c2 { fill: var(--c2) } .c3 { fill: var(--c3) }
</style>
"""
WIDTH, LEFT, RIGHT, BAR, GAP = 960, 230, 860, 18, 14


def read(folder):
    """{benchmark: rows of the newest commit that measured it}."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".jsonl"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                if "catching up" in row.get("case", "") and row.get("name") is None:
                    continue  # of fetch.py: what producers feel, on another scale than reading
                found.setdefault(row.get("name", name[:-len(".jsonl")]), []).append(row)
    newest = {}
    for name, rows in found.items():
        last = rows[-1].get("commit")
        newest[name] = [row for row in rows if row.get("commit") == last and last is not None]
    return newest


def case_of(row):
    if "case" in row:
        return str(row["case"])
    records = row.get("record_bytes", 1024)
    return f"{row['batch'] // 1024} KiB" + ("" if records == 1024 else f" of {records} B records")


def nice(value):
    """The end of an axis: 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def draw_figure(rows, figure, label, unit, top):
    """Lines of SVG and the height they take."""
    groups = {}
    for row in rows:
        if figure in row:
            groups.setdefault(case_of(row), {}).setdefault(row["system"], []).append(row)
    if not groups:
        return [], 0
    most = nice(max(max(row[figure] for row in measure.good_rows(mine)) / unit for by in groups.values()
                    for mine in by.values()) or 1)
    out = [f'<text x="{LEFT}" y="{top + 14}">{html.escape(label)}</text>']
    y = top + 28

    def x_of(value):
        return LEFT + (RIGHT - LEFT) * value / most

    bars = []
    for case, by in groups.items():
        bars.append(f'<text x="{LEFT - 10}" y="{y + 13}" text-anchor="end">{html.escape(case)}</text>')
        for system, mine in sorted(by.items(), key=lambda item: list(COLOURS).index(item[0])):
            values = sorted(row[figure] / unit for row in measure.good_rows(mine))
            middle = measure.median(mine, figure) / unit
            bars.append(f'<rect class="{COLOURS[system]}" x="{LEFT}" y="{y}" width="{x_of(middle) - LEFT:.1f}" '
                        f'height="{BAR}"/>')
            bars.append(f'<line class="reach" x1="{x_of(values[0]):.1f}" x2="{x_of(values[-1]):.1f}" '
                        f'y1="{y + BAR / 2}" y2="{y + BAR / 2}"/>')
            says = f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"
            bars.append(f'<text class="small" x="{x_of(values[-1]) + 6:.1f}" y="{y + 13}">{says}</text>')
            y += BAR + 2
        y += GAP
    for part in range(5):
        value = most * part / 4
        out.append(f'<line class="grid" x1="{x_of(value):.1f}" x2="{x_of(value):.1f}" y1="{top + 22}" y2="{y - GAP}"/>')
        out.append(f'<text class="small" x="{x_of(value):.1f}" y="{y}" text-anchor="middle">{value:g}</text>')
    return out + bars, y + 24 - top


def draw(name, rows):
    """The whole picture, or None when nothing of it was measured."""
    body, top = [], 76
    for figure, label, unit in FIGURES[name]:
        lines, height = draw_figure(rows, figure, label, unit, top)
        body += lines
        top += height
    if not body:
        return None
    x = LEFT
    legend = []
    for system in [system for system in COLOURS if any(row["system"] == system for row in rows)]:
        legend.append(f'<rect class="{COLOURS[system]}" x="{x}" y="44" width="12" height="12"/>')
        legend.append(f'<text x="{x + 18}" y="55">{system}</text>')
        x += 130
    first, machine = rows[0], rows[0]["machine"]
    says = (f"{first['when'][:10]}, commit {first['commit']}, {machine['cpus']} x {machine['cpu']}, Linux "
            f"{machine['kernel']}, {machine['memory_gib']:g} GiB; medians, least to most")
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 30}" role="img">', STYLE +
                      f'<rect width="{WIDTH}" height="{top + 30}" fill="var(--back)"/>',
                      f'<text class="title" x="{LEFT}" y="28">{html.escape(name)}</text>', *legend, *body,
                      f'<text class="small" x="{LEFT}" y="{top + 12}">{html.escape(says)}</text>', "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", default=measure.HISTORY)
    parser.add_argument("--out", default=os.path.join(brokers.ROOT, "docs", "perf", "charts"))
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for name, rows in read(args.history).items():
        picture = draw(name, rows) if name in FIGURES and rows else None
        if picture:
            with open(os.path.join(args.out, f"{name}.svg"), "w", encoding="utf-8") as file:
                file.write(picture)
            print(os.path.relpath(os.path.join(args.out, f"{name}.svg")))


if __name__ == "__main__":
    main()
