"""The expressions about dates and times that expr_cases.py makes."""

STAMPS = ["1970-01-01 00:00:00", "2024-02-29 23:59:59.999", "1969-12-31 23:59:59.5", "2000-01-01 12:34:56.123456",
    "0001-01-01 00:00:00",
          "9999-12-31 23:59:59.999999999", "2021-01-03 00:00:00", "2020-12-31 10:00:00.1", "1900-03-01 05:06:07"]
UNITS = ["MILLENNIUM", "CENTURY", "DECADE", "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOW", "DOY", "ISODOW",
    "ISOYEAR", "HOUR", "MINUTE",
         "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND", "EPOCH"]


def times(say, section, quote):
    section("times")
    for stamp in STAMPS:
        t = f"@(TIMESTAMP '{stamp}')"
        d = f"@(DATE '{stamp[:10]}')"
        c = f"@(TIME '{stamp[11:19]}')"
        z = f"@(CAST(TIMESTAMP '{stamp}' AS TIMESTAMP_LTZ(3)))"
        for unit in UNITS:
            for value in (t, d, c, z):
                say(f"EXTRACT({unit} FROM {value})")
            for value in (t, d, c, z):
                say(f"FLOOR({value} TO {unit})")
                say(f"CEIL({value} TO {unit})")
        for name in ["YEAR", "QUARTER", "MONTH", "WEEK", "DAYOFYEAR", "DAYOFMONTH", "DAYOFWEEK", "HOUR", "MINUTE",
            "SECOND", "DAYNAME", "MONTHNAME"]:
            for value in (t, d, c, z):
                say(f"{name}({value})")
        for pattern in ["yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "HH:mm", "yyyyMMdd", "yy/M/d H:m:s",
            "yyyy-MM-dd HH:mm:ss.SSS", "SSSSSS", "SSSSSSSSS",
                        "EEE", "EEEE", "MMM", "MMMM", "a h:mm", "D", "DDD", "QQQ", "Q", "w", "W", "u", "uuuu", "k",
                        "K", "'T'HH", "''", "G", "e", "E", "n", "A",
                        "yyyy-MM-dd'T'HH:mm:ss'Z'", "YYYY", "L", "[HH]", "H", "hh", "kk", "S", "x", "VV", "z", "y",
                        "yyy", "yyyyy"]:
            say(f"DATE_FORMAT({t}, {quote(pattern)})", pattern in ("x", "VV", "z"))
        say(f"DATE_FORMAT('{stamp[:19]}', 'yyyy/MM/dd HH')")
        say(f"DATE_FORMAT({z}, 'yyyy-MM-dd HH:mm')")
        say(f"DATE_FORMAT({d}, 'yyyy')")
        for interval in ["INTERVAL '1' DAY", "INTERVAL '-1' HOUR", "INTERVAL '90' MINUTE", "INTERVAL '1.5' SECOND",
            "INTERVAL '1' MONTH",
                         "INTERVAL '-13' MONTH", "INTERVAL '1' YEAR", "INTERVAL '1-2' YEAR TO MONTH",
                         "INTERVAL '1 02:03:04.567' DAY TO SECOND",
                         "INTERVAL '1' WEEK", "INTERVAL '1' QUARTER", "INTERVAL '10:20' HOUR TO MINUTE",
                         "INTERVAL '0.001' SECOND(1, 3)"]:
            for value in (t, d, c, z):
                say(f"{value} + {interval}")
                say(f"{value} - {interval}")
            say(f"{interval} + {t}")
        for unit in ["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"]:
            for other in ["2024-03-31 00:00:00", "1970-01-01 00:00:00.5", "2024-01-30 23:59:59.998"]:
                say(f"TIMESTAMPDIFF({unit}, {t}, TIMESTAMP '{other}')")
                say(f"TIMESTAMPDIFF({unit}, {d}, TIMESTAMP '{other}')")
            say(f"TIMESTAMPDIFF({unit}, {d}, DATE '2024-03-31')")
            say(f"TIMESTAMPDIFF({unit}, {z}, {t})")
            for n in (1, -1, 13):
                for value in (t, d, c, z):
                    say(f"TIMESTAMPADD({unit}, {n}, {value})")
        for other in STAMPS[:4]:
            say(f"{t} - TIMESTAMP '{other}'")
            say(f"{t} < TIMESTAMP '{other}'")
            say(f"({t} - TIMESTAMP '{other}') DAY")
            say(f"CAST(({t} - TIMESTAMP '{other}') SECOND AS STRING)")
        say(f"{d} + 1")
        say(f"UNIX_TIMESTAMP('{stamp[:19]}')")
        say(f"CAST({t} AS STRING)")
        say(f"CAST({z} AS STRING)")
        say(f"CAST({d} AS STRING)")
        say(f"CAST({c} AS STRING)")
    for text in ["2024-01-02 03:04:05", "2024-01-02 03:04:05.6", "2024-01-02 03:04:05.123456789", "2024-1-2 3:4:5",
        "2024-01-02", "2024-1-2", "2024-01-02T03:04:05",
                 "2024-01-02 03:04", "2024-13-01 00:00:00", "2024-02-30 00:00:00", "2023-02-29", "abc", "",
                 " 2024-01-02 ", "2024", "2024-01", "24-01-02",
                 "12024-01-02", "-2024-01-02", "2024-01-02 24:00:00", "2024-01-02 23:60:00", "2024-01-02 03:04:05Z",
                 "2024-01-02 03:04:05.", "2024/01/02",
                 "0000-01-01", "9999-12-31 23:59:59.999999999", "2024-01-02  03:04:05", "2024-01-02 03:04:05 ",
                 "2024-01-02 03:04:05+01:00", "20240102"]:
        q = quote(text)
        for fn in ["TO_TIMESTAMP", "TO_DATE", "UNIX_TIMESTAMP", "TO_TIMESTAMP_LTZ"]:
            say(f"{fn}({q})")
            say(f"{fn}(@({q}))")
        for kind in ["DATE", "TIME", "TIMESTAMP(3)", "TIMESTAMP(6)", "TIMESTAMP(0)", "TIMESTAMP(9)",
            "TIMESTAMP_LTZ(3)", "TIME(3)"]:
            say(f"TRY_CAST(@({q}) AS {kind})")
            say(f"TRY_CAST({q} AS {kind})")
    for text, pattern in [("2024-01-02", "yyyy-MM-dd"), ("02/01/2024", "dd/MM/yyyy"), ("2024-01-02 03:04:05",
        "yyyy-MM-dd HH:mm:ss"),
                          ("2024-01-02 03:04:05.678", "yyyy-MM-dd HH:mm:ss.SSS"), ("20240102030405",
                          "yyyyMMddHHmmss"), ("2024-01-02T03:04:05", "yyyy-MM-dd'T'HH:mm:ss"),
                          ("Jan 2 2024", "MMM d yyyy"), ("10/Oct/2000:13:55:36 -0700", "dd/MMM/yyyy:HH:mm:ss Z"),
                          ("2024", "yyyy"), ("x", "yyyy"), ("24-1-2", "yy-M-d"),
                          ("2024-01-02 11 PM", "yyyy-MM-dd hh a"), ("2024-01-02 3:4", "yyyy-MM-dd H:m"),
                          ("2024-01-02 trailing", "yyyy-MM-dd"), ("03:04", "HH:mm"),
                          ("2024-01-02", "yyyy-MM-dd HH:mm:ss"), ("2024-1-2", "yyyy-MM-dd"),
                          ("2024-01-02 03:04:05.123456", "yyyy-MM-dd HH:mm:ss.SSSSSS"), ("2024-02-30", "yyyy-MM-dd"),
                          ("081109 203615", "yyMMdd HHmmss"), ("Dec 10 06:55:46", "MMM dd HH:mm:ss"),
                          ("2024-01-02T03:04:05Z", "yyyy-MM-dd'T'HH:mm:ssX"), ("1", "D"), ("5", "q"), ("2024-01-02",
                          "[")]:
        q, p = quote(text), quote(pattern)
        for fn in ["TO_TIMESTAMP", "TO_DATE", "UNIX_TIMESTAMP", "TO_TIMESTAMP_LTZ"]:
            say(f"{fn}(@({q}), {p})", pattern in ("q", "["))
        say(f"DATE_FORMAT({q}, {p})")
    for value in ["0", "1", "-1", "1700000000", "1700000000123", "253402300799", "253402300800", "253402300799999",
        "253402300800000", "-62167219200", "-62167219201", "4102444800000"]:
        for digits in ("0", "3"):
            say(f"TO_TIMESTAMP_LTZ({value}, {digits})")
            say(f"TO_TIMESTAMP_LTZ(@(CAST({value} AS BIGINT)), {digits})")
            say(f"TO_TIMESTAMP_LTZ(@(CAST({value}.75 AS DOUBLE)), {digits})")
            say(f"TO_TIMESTAMP_LTZ(@(CAST({value}.75 AS DECIMAL(20, 2))), {digits})")
        say(f"TO_TIMESTAMP_LTZ({value})")
        say(f"FROM_UNIXTIME(@(CAST({value} AS BIGINT)))", len(value) > 12)
        say(f"FROM_UNIXTIME({value})")
        say(f"FROM_UNIXTIME({value}, 'yyyy/MM/dd HH:mm')")
    for value in ["10:20:30", "10:20:30.123", "10:20:30.123456", "10:20", "10", "1:2:3", "24:00:00", "23:59:60", "",
        "x", " 10:20:30 ", "10:20:30+01:00", "10-01", "00:00:00.0005"]:
        q = quote(value)
        for kind in ["TIME", "TIME(3)", "TIMESTAMP(3)", "DATE"]:
            say(f"TRY_CAST(@({q}) AS {kind})")
        say(f"CAST(CAST({q} AS TIME(3)) AS STRING)")
    for text in ["CURRENT_DATE IS NULL", "CURRENT_TIME IS NULL", "CURRENT_TIMESTAMP IS NULL", "LOCALTIME IS NULL",
        "LOCALTIMESTAMP IS NULL", "NOW() IS NULL",
                 "CURRENT_ROW_TIMESTAMP() IS NULL", "PROCTIME() IS NULL", "UNIX_TIMESTAMP() > 0",
                 "TYPEOF(CURRENT_TIMESTAMP)", "TYPEOF(LOCALTIMESTAMP)",
                 "TYPEOF(CURRENT_DATE)", "TYPEOF(CURRENT_TIME)", "TYPEOF(LOCALTIME)", "TYPEOF(NOW())",
                 "TYPEOF(CURRENT_ROW_TIMESTAMP())", "TYPEOF(PROCTIME())",
                 "CONVERT_TZ('1970-01-01 00:00:00', 'UTC', 'America/Los_Angeles')",
                 "TIMESTAMP '2024-01-01 00:00:00.1234567'", "DATE '2024-02-30'", "DATE '24-1-1'",
                 "TIME '1:2:3'", "TIMESTAMP '2024-01-01'", "TIMESTAMP '2024-01-01 00:00'",
                 "TIMESTAMP '2024-01-01T00:00:00'", "INTERVAL '1' DAY + INTERVAL '1' HOUR",
                 "INTERVAL '2' DAY * 3", "INTERVAL '1' MONTH + INTERVAL '1' YEAR",
                 "INTERVAL '1' DAY < INTERVAL '25' HOUR", "-INTERVAL '1' DAY", "INTERVAL -'1' DAY",
                 "CAST(INTERVAL '1' DAY AS STRING)", "CAST(INTERVAL '-1 02:03:04.5' DAY TO SECOND AS STRING)",
                 "CAST(INTERVAL '1-2' YEAR TO MONTH AS STRING)",
                 "CAST(INTERVAL '-14' MONTH AS STRING)", "INTERVAL '100' DAY", "INTERVAL '100' DAY(3)",
                 "INTERVAL '1:2:3' HOUR TO SECOND", "INTERVAL '1' DAY = INTERVAL '24' HOUR",
                 "(TIMESTAMP '2024-01-01 00:00:00', INTERVAL '1' DAY) OVERLAPS "
                 "(TIMESTAMP '2024-01-01 12:00:00', INTERVAL '1' DAY)",
                 "DATE '2024-01-31' + INTERVAL '1' MONTH",
                 "DATE '2024-02-29' - INTERVAL '1' YEAR", "DATE '2024-03-31' - INTERVAL '1' MONTH",
                 "TIME '23:00:00' + INTERVAL '2' HOUR", "TIME '01:00:00' - INTERVAL '2' HOUR",
                 "DATE '2024-01-02' - DATE '2024-01-01'", "(DATE '2024-01-02' - DATE '2024-01-01') DAY",
                 "DATE '2024-01-01' = TIMESTAMP '2024-01-01 00:00:00'", "SOURCE_WATERMARK()",
                 "DATE_ADD(DATE '2024-01-01', 1)", "DATEDIFF(DATE '2024-01-01', DATE '2024-01-02')",
                 "DATE_FORMAT(TIMESTAMP '2024-01-01 00:00:00', CAST(NULL AS STRING))",
                 "DATE_FORMAT(CAST(NULL AS TIMESTAMP(3)), 'yyyy')", "TO_DATE(CAST(NULL AS STRING))",
                 "TO_TIMESTAMP_LTZ(1, 1)", "TO_TIMESTAMP_LTZ(1700000000, 6)",
                 "EXTRACT(DAY FROM INTERVAL '3 04:05:06' DAY TO SECOND)",
                 "EXTRACT(HOUR FROM INTERVAL '3 04:05:06' DAY TO SECOND)",
                 "EXTRACT(MONTH FROM INTERVAL '1-2' YEAR TO MONTH)",
                 "EXTRACT(YEAR FROM INTERVAL '1-2' YEAR TO MONTH)", "FLOOR(TIMESTAMP '2024-05-17 12:34:56' TO WEEK)",
                 "CEIL(DATE '2024-05-17' TO MONTH)"]:
        say(text)
