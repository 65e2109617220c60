#!/usr/bin/python3
"""DuckDB as a second opinion on the Nexmark results: the queries in its own dialect over the same events, compared with
what `millrace sql --local` wrote. Opt-in: needs the Python module duckdb and is skipped without it.

    tests/sql/duckdb_check.py [PROGRAM] [SEED,RATE,EVENTS] [QUERY...]

Columns that ties leave open are left out (q18, q19). The last line is "N passed, N failed, N skipped".
"""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import corpus  # noqa: E402

TEN = "to_seconds(10)"
WINDOW = "time_bucket(interval 10 second, dateTime)"
HOPS = ("(select bid.auction, w.e from bid, lateral (select unnest(generate_series(0, 4)) k) g, lateral "
        "(select time_bucket(interval 2 second, bid.dateTime) + to_seconds(10 - 2 * k) e) w)")
DAY = "strftime(dateTime, '%Y-%m-%d')"
RANKS = [("total", ""), ("rank1", "filter (price < 10000)"),
         ("rank2", "filter (price >= 10000 and price < 1000000)"), ("rank3", "filter (price >= 1000000)")]
COUNTS = ", ".join(f"count(*) {where} {name}_bids" for name, where in RANKS)
DISTINCTS = ", ".join(f"count(distinct {what}) {where} {name}_{what}s" for what in ("bidder", "auction")
                      for name, where in RANKS)
STATS = ", ".join(f"{name}_{what} BIGINT" for what in ("bids", "bidders", "auctions") for name, _ in RANKS)
CHANNEL_ID = r"regexp_extract(url, '(&|^)channel_id=([^&]*)', 2)"
BID = "auction BIGINT, bidder BIGINT, price BIGINT"
BEFORE = "lag(dateTime) over (partition by bidder order by dateTime)"
SESSIONS = f"select bidder, dateTime, case when dateTime - {BEFORE} > {TEN} then 1 else 0 end n from bid"

# query -> (columns to compare, the query)
QUERIES = {
    "q0": (f"{BID}, dateTime TIMESTAMP, extra VARCHAR", "select auction, bidder, price, dateTime, extra from bid"),
    "q1": ("auction BIGINT, bidder BIGINT, price DECIMAL(23;3), dateTime TIMESTAMP",
           "select auction, bidder, (0.908::decimal(4,3) * price::decimal(19,0))::decimal(23,3), dateTime from bid"),
    "q2": ("auction BIGINT, price BIGINT", "select auction, price from bid where auction % 123 = 0"),
    "q3": ("name VARCHAR, city VARCHAR, state VARCHAR, id BIGINT",
           "select p.name, p.city, p.state, a.id from auction a join person p on a.seller = p.id "
           "where category = 10 and p.state in ('OR', 'ID', 'CA')"),
    "q5": ("auction BIGINT, num BIGINT",
           "select auction, num from (select *, max(num) over (partition by e) m from "
           f"(select auction, e, count(*) num from {HOPS} group by all)) where num >= m"),
    "q7": (f"{BID}, dateTime TIMESTAMP",
           f"select b.auction, b.price, b.bidder, b.dateTime from bid b join (select max(price) m, {WINDOW} + {TEN} w "
           f"from bid group by {WINDOW}) x on b.price = x.m and b.dateTime between x.w - {TEN} and x.w"),
    "q8": ("id BIGINT, name VARCHAR, stime TIMESTAMP",
           f"select p.id, p.name, p.w from (select distinct id, name, {WINDOW} w from person) p join "
           f"(select distinct seller, {WINDOW} w from auction) a on p.id = a.seller and p.w = a.w"),
    "q11": ("bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP, endtime TIMESTAMP",
            f"select bidder, count(*), min(dateTime), max(dateTime) + {TEN} from (select *, sum(n) over (partition by "
            f"bidder order by dateTime rows unbounded preceding) s from ({SESSIONS})) group by bidder, s"),
    "q12e": ("bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP, endtime TIMESTAMP",
             f"select bidder, count(*), {WINDOW}, {WINDOW} + {TEN} from bid group by bidder, {WINDOW}"),
    "q15": (f"day VARCHAR, {STATS}", f"select {DAY}, {COUNTS}, {DISTINCTS} from bid group by 1"),
    "q16": (f"channel VARCHAR, day VARCHAR, minute VARCHAR, {STATS}",
            f"select channel, {DAY}, max(strftime(dateTime, '%H:%M')), {COUNTS}, {DISTINCTS} from bid "
            f"group by channel, {DAY}"),
    "q17": ("auction BIGINT, day VARCHAR, total_bids BIGINT, rank1_bids BIGINT, rank2_bids BIGINT, rank3_bids BIGINT, "
            "min_price BIGINT, max_price BIGINT, avg_price BIGINT, sum_price BIGINT",
            f"select auction, {DAY}, {COUNTS}, min(price), max(price), sum(price) // count(*), sum(price) from bid "
            f"group by auction, {DAY}"),
    "q18": ("auction BIGINT, bidder BIGINT, dateTime TIMESTAMP",
            "select auction, bidder, max(dateTime) from bid group by auction, bidder"),
    "q19": ("auction BIGINT, price BIGINT, rank_number BIGINT",
            "select auction, price, row_number() over (partition by auction order by price desc) r from bid "
            "qualify r <= 10"),
    "q20": (f"{BID}, bid_dateTime TIMESTAMP, seller BIGINT, category BIGINT",
            "select auction, bidder, price, b.dateTime, seller, category from bid b join auction a "
            "on b.auction = a.id where category = 10"),
    "q21": (f"{BID}, channel VARCHAR, channel_id VARCHAR",
            "select auction, bidder, price, channel, case lower(channel) when 'apple' then '0' when 'google' then '1' "
            f"when 'facebook' then '2' when 'baidu' then '3' else {CHANNEL_ID} end from bid "
            f"where {CHANNEL_ID} <> '' or lower(channel) in ('apple', 'google', 'facebook', 'baidu')"),
    "q22": (f"{BID}, channel VARCHAR, dir1 VARCHAR, dir2 VARCHAR, dir3 VARCHAR",
            "select auction, bidder, price, channel, split_part(url, '/', 4), split_part(url, '/', 5), "
            "split_part(url, '/', 6) from bid"),
}
TABLES = {
    "person": "id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, "
              "state VARCHAR, dateTime TIMESTAMP, extra VARCHAR",
    "auction": "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, "
               "dateTime TIMESTAMP, expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR",
    "bid": f"{BID}, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP, extra VARCHAR",
}


def load_events(duck, path):
    columns = ", ".join(f"{name}: 'STRUCT({fields})'" for name, fields in TABLES.items())
    duck.execute(f"create table e as select * from read_json('{path}', format = 'newline_delimited', "
                 f"columns = {{event_type: 'INT', {columns}}})")
    for kind, name in enumerate(TABLES):
        duck.execute(f"create table {name} as select {name}.* from e where event_type = {kind}")


def compare(duck, path, columns, query):
    """None, or how the two differ."""
    fields = ", ".join("{}: '{}'".format(*field.split(" ")).replace(";", ",") for field in columns.split(", "))
    duck.execute(f"create or replace table f as select * from read_json('{path}', format = 'newline_delimited', "
                 f"columns = {{{fields}}})")
    duck.execute(f"create or replace table g as {query}")
    ours = duck.execute("select count(*) from (from f except all from g)").fetchone()[0]
    theirs = duck.execute("select count(*) from (from g except all from f)").fetchone()[0]
    return None if ours == theirs == 0 else f"{ours} rows only of Millrace, {theirs} only of DuckDB"


def main():
    try:
        import duckdb
    except ImportError:
        print("skipped: not installed: the Python module duckdb")
        return 77
    binary, stream, names = os.path.join(corpus.ROOT, "build", "release", "millrace"), "1,3000,100000", []
    for word in sys.argv[1:]:
        if "/" in word:
            binary = word
        elif "," in word:
            stream = word
        else:
            names.append(word)
    seed, rate, events = stream.split(",")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="millrace-duckdb-") as folder:
        path, out = os.path.join(folder, "events"), os.path.join(folder, "out")
        subprocess.run([binary, "nexmark", "-q", "-s", seed, "-r", rate, "-N", events, "-o", path], check=True)
        duck = duckdb.connect()
        duck.execute("set timezone = 'UTC'")
        load_events(duck, path)
        for name in names or QUERIES:
            subprocess.run([binary, "sql", "--local", "-q", "-f", os.path.join(corpus.NEXMARK, name + ".sql"),
                            "--input", f"nexmark={path}", "--output-file", f"{name}={out}"], check=True)
            wrong = compare(duck, out, *QUERIES[name])
            failed += wrong is not None
            print(f"  {'FAILED' if wrong else 'ok'}: {name} {wrong or ''}", flush=True)
    print(f"{len(names or QUERIES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
