#!/usr/bin/python3
"""Prints the expressions that ExprProbe asks Flink about, one a line.

`@(x)` hides x from the planner, so that the operator runs as it does over columns; a line that starts with "!" is
expected to fail when it runs and is asked alone. The list is deterministic.
"""
import itertools

from expr_cases_times import STAMPS, times

SEEN = set()


def say(text, fails=False):
    text = text.replace("'\t7\n'", "CHR(9) || '7' || CHR(10)").replace("  a b\t", "  a b")
    text = text.replace("'a\nb'", "('a' || CHR(10) || 'b')")
    if text not in SEEN:
        SEEN.add(text)
        print(("!" if fails else "") + text)


def section(name):
    print("# " + name)


def quote(text):
    return "'" + text.replace("'", "''") + "'"


NUMERIC = {
    "TINYINT": ["0", "1", "-1", "127", "-128", "5"],
    "SMALLINT": ["0", "-1", "32767", "-32768", "300"],
    "INT": ["0", "1", "-1", "7", "2147483647", "-2147483648"],
    "BIGINT": ["0", "-7", "9223372036854775807", "-9223372036854775808", "4294967296"],
    "FLOAT": ["0", "1.5", "-2.75", "3.4028235E38", "1.4E-45", "16777216"],
    "DOUBLE": ["0", "2.5", "-2.5", "1E23", "1.7976931348623157E308", "4.9E-324", "0.1", "123456789.125"],
    "DECIMAL(5, 2)": ["0", "1.25", "-999.99", "2.50"],
    "DECIMAL(18, 6)": ["0", "123456789012.123456", "-0.000001"],
    "DECIMAL(38, 10)": ["0", "1234567890123456789012345678.0123456789", "-5.5"],
    "DECIMAL(38, 0)": ["99999999999999999999999999999999999999", "-3"],
}


def cast(value, kind):
    return f"CAST({quote(value)} AS {kind})" if not value.startswith("CAST") else value


def number(value, kind):
    """A number that is not folded: the planner rounds FLOAT constants to seven digits."""
    return f"CAST(@('{value}') AS {kind})"


def arithmetic():
    section("arithmetic")
    kinds = list(NUMERIC)
    for op in "+-*/%":
        for a, b in itertools.product(kinds, kinds):
            left = NUMERIC[a][-1] if NUMERIC[a][-1] != "0" else "3"
            right = next(v for v in reversed(NUMERIC[b]) if v != "0")
            say(f"{number(left, a)} {op} {number(right, b)}")
    for kind, values in NUMERIC.items():
        for a, b in itertools.product(values, values):
            for op in "+-*/%":
                if op in "/%" and b == "0":
                    continue
                say(f"{number(a, kind)} {op} {number(b, kind)}")
        for op in "/%":
            say(f"{number(values[1], kind)} {op} {number('0', kind)}", kind not in ("FLOAT", "DOUBLE"))
        for value in values:
            say(f"-{number(value, kind)}")
            say(f"+{number(value, kind)}")
        say(f"CAST(NULL AS {kind}) + {number(values[1], kind)}")
        say(f"{number(values[1], kind)} * CAST(NULL AS {kind})")
    for (p1, s1), (p2, s2) in itertools.product([(1, 0), (3, 3), (10, 2), (19, 5), (30, 10), (38, 38), (38, 18)],
        repeat=2):
        for op in "+-*/%":
            a = "0." + "3" * s1 if s1 == p1 else "7" * (p1 - s1) + ("." + "3" * s1 if s1 else "")
            b = "0." + "7" * s2 if s2 == p2 else "3" * (p2 - s2) + ("." + "9" * s2 if s2 else "")
            say(f"{number(a, f'DECIMAL({p1}, {s1})')} {op} {number(b, f'DECIMAL({p2}, {s2})')}")
    for text in ["1 / 3", "10 / 4", "-10 / 4", "10 % 3", "-10 % 3", "10 % -3", "MOD(10, 3)", "MOD(-7, 2)", "7.5 % 2",
                 "1.0 / 3", "2 / 3.00", "0.1 + 0.2", "1e0 / 3", "0.908 * CAST(100 AS BIGINT)", "1 + 1.5", "1.5e0 + 1",
                 "1 - -1", "2 * 3 + 4", "2 * (3 + 4)", "- 5", "-(-5)", "10 / 2 / 5", "5 - 3 - 1", "1.10 + 2",
                 "100 * 1.1",
                 "999999999999999999 * 10", "2147483647 + 1", "3000000000 + 1", "9223372036854775807 + 1",
                 "12345678901234567890 + 1", "1.5 * 1.5", ".5 + 1", "5. + 1", "1E2 + 1", "CAST(1 AS TINYINT) + 1",
                 "CAST(1 AS SMALLINT) * CAST(2 AS TINYINT)", "1 = 1.0", "CAST(5 AS BIGINT) / 2",
                 "5 / CAST(2 AS BIGINT)",
                 "CAST(5 AS FLOAT) / 2", "CAST(0.1 AS FLOAT) + CAST(0.2 AS FLOAT)", "CAST(0.1 AS FLOAT) + 0.2",
                 "CAST(1 AS FLOAT) + CAST(0.1 AS DOUBLE)"]:
        say(text)


def maths():
    section("maths")
    one = ["ABS", "SIGN", "FLOOR", "CEIL", "CEILING", "SQRT", "EXP", "LN", "LOG10", "LOG2", "LOG", "SIN", "COS",
        "TAN",
           "ASIN", "ACOS", "ATAN", "SINH", "COSH", "TANH", "COT", "DEGREES", "RADIANS", "ROUND", "TRUNCATE", "HEX",
           "BIN"]
    for name in one:
        for kind, values in NUMERIC.items():
            if name in ("SIN", "COS", "TAN", "ASIN", "ACOS", "ATAN", "SINH", "COSH", "TANH", "COT", "DEGREES",
                "RADIANS",
                        "EXP", "LN", "LOG10", "LOG2", "LOG", "SQRT"):
                values = [v for v in values if len(v) < 6][:3]
                if kind == "DOUBLE":
                    values = ["0", "2.5", "-2.5", "0.1", "1", "100"]
            for value in values:
                say(f"{name}({number(value, kind)})")
        say(f"{name}(CAST(NULL AS DOUBLE))")
    for kind, values in NUMERIC.items():
        for value in values:
            for digits in ("0", "1", "2", "-1", "-2", "10"):
                say(f"ROUND({number(value, kind)}, {digits})")
                say(f"TRUNCATE({number(value, kind)}, {digits})")
    for value in ("2.5", "3.5", "-2.5", "0.5", "-0.5", "1.005", "2.675", "1.25", "1234.5678", "-1234.5678"):
        for digits in ("0", "1", "2", "3", "-2"):
            say(f"ROUND(CAST({value} AS DOUBLE), {digits})")
            say(f"ROUND({value}, {digits})")
            say(f"ROUND({number(value, 'FLOAT')}, {digits})")
            say(f"TRUNCATE({value}, {digits})")
    say("ROUND(@(123.456), @(1))")
    say("ROUND(@(123), @(-1))")
    say("ROUND(@(CAST(123.456 AS DOUBLE)), @(1))")
    for a, b in [("2", "10"), ("2", "-1"), ("0", "0"), ("-8", "3"), ("2", "0.5"), ("-8", "0.5"), ("10", "400")]:
        say(f"POWER({a}, {b})")
        say(f"POWER({number(a, 'DOUBLE')}, {number(b, 'DOUBLE')})")
    for text in ["LOG(2, 8)", "LOG(10, 0.001)", "ATAN2(1, 2)", "ATAN2(1.0, -2)", "PI()", "E()", "GREATEST(1, 2, 3)",
                 "GREATEST(1.5, 2)", "GREATEST('a', 'b', 'B')", "GREATEST(1, CAST(NULL AS INT))", "LEAST(1, 2.5)",
                 "LEAST('x', 'abc')", "LEAST(DATE '2024-01-01', DATE '2023-01-01')", "GREATEST(TRUE, FALSE)",
                 "GREATEST(TIMESTAMP '2024-01-01 00:00:00', TIMESTAMP '2025-01-01 00:00:00.5')", "GREATEST(1)",
                 "LEAST(CAST(1 AS TINYINT), CAST(2 AS BIGINT))", "GREATEST(CAST(1 AS FLOAT), 2)", "SIGN(-3)",
                 "SIGN(0)",
                 "SIGN(2.5)", "SIGN(CAST(-2.5 AS DOUBLE))", "RAND(1) < 1", "RAND_INTEGER(1)", "SQRT(16)", "SQRT(-1)",
                 "LN(0)", "LN(-1)", "LOG10(0)", "EXP(1)", "HEX(255)", "HEX(-1)", "HEX('abc')", "BIN(4)", "BIN(-1)",
                 "UNHEX('616263')", "UNHEX('zz')", "UUID() IS NULL", "PERCENTILE(1, 0.5)", "ABS(-5)", "ABS(-5.5)",
                 "ABS(CAST(-2147483648 AS INT))", "FLOOR(1.5)", "FLOOR(-1.5)", "CEIL(1.2)", "CEIL(-1.2)", "FLOOR(5)",
                 "CEIL(CAST(1.5 AS DOUBLE))", "FLOOR(CAST(-0.5 AS DOUBLE))", "CEIL(CAST(-0.5 AS DOUBLE))",
                 "CEIL(CAST(9.99 AS DECIMAL(3, 2)))", "FLOOR(CAST(NULL AS DECIMAL(3, 2)))", "ABS(INTERVAL '-1' DAY)"]:
        say(text)


TEXTS = ["", "a", "abc", "Hello World", "  pad  ", "äöüß", "日本語テキスト", "a,b,,c", "x\u00e9\U0001F600y", "%_\\",
    "ABCabc123"]


def text_of(value):
    return f"@({quote(value)})"


def texts():
    section("texts")
    for name in ["UPPER", "LOWER", "CHAR_LENGTH", "CHARACTER_LENGTH", "TRIM", "LTRIM", "RTRIM", "REVERSE", "INITCAP",
                 "ASCII", "MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "TO_BASE64", "FROM_BASE64", "HEX",
                 "HASH_CODE", "IS_DIGIT", "IS_ALPHA", "IS_DECIMAL", "OCTET_LENGTH", "LENGTH", "BTRIM", "UNHEX",
                 "LCASE",
                 "URL_ENCODE", "URL_DECODE"]:
        for value in TEXTS + ["  a b\t", "ÀÉ", "ÿ", "ŁÓDŹ", "łódź", "Straße", "İi", "ΑΣ",
            "xx hello wORLD-foo bar_baz 1a"]:
            say(f"{name}({text_of(value)})")
        say(f"{name}(CAST(NULL AS STRING))")
    for value in ["YWJj", "YQ==", "YQ", "!!!", "", "5pel5pys"]:
        say(f"FROM_BASE64({text_of(value)})", value == "!!!")
    for value in ["5", "-5", "1.5", "1e5", "abc", "", " 5", "9999999999", "0x1F", "NaN"]:
        say(f"IS_DECIMAL({quote(value)})")
        say(f"IS_DIGIT({quote(value)})")
    for value in TEXTS:
        t = text_of(value)
        for a in (-3, -1, 0, 1, 2, 5, 100):
            say(f"SUBSTRING({t}, {a})")
            say(f"SUBSTR({t}, {a}, 2)")
            say(f"SUBSTRING({t} FROM {a} FOR 3)")
            say(f"LEFT({t}, {a})")
            say(f"RIGHT({t}, {a})")
            say(f"REPEAT({t}, {min(a, 3)})")
            say(f"LPAD({t}, {min(a, 9)}, 'xy')")
            say(f"RPAD({t}, {min(a, 9)}, '日本')")
            say(f"SPLIT_INDEX({t}, ',', {a})")
        say(f"SUBSTRING({t}, 1, -1)")
        say(f"SUBSTRING({t}, 1, 0)")
        for needle in ("", "a", "b", "l", "テ", " ", "zz", "bc"):
            n = quote(needle)
            say(f"POSITION({n} IN {t})")
            say(f"LOCATE({n}, {t})")
            say(f"LOCATE({n}, {t}, 2)")
            say(f"INSTR({t}, {n})")
            say(f"REPLACE({t}, {n}, '-')")
            say(f"STARTSWITH({t}, {n})")
            say(f"ENDSWITH({t}, {n})")
            say(f"SPLIT_INDEX({t}, {n}, 0)")
            say(f"SPLIT_INDEX({t}, {n}, 1)")
            say(f"TRIM(BOTH {n} FROM {t})")
            say(f"TRIM(LEADING {n} FROM {t})")
            say(f"TRIM(TRAILING {n} FROM {t})")
            say(f"{t} || {n}")
            say(f"CONCAT({t}, {n}, {t})")
            say(f"CONCAT_WS({n}, {t}, CAST(NULL AS STRING), 'end')")
            say(f"TRANSLATE({t}, {n}, 'Z')")
        for pattern in ("", "%", "a%", "%a", "%b%", "_", "___", "a_c", "%,%", "日%", "%\\%%", "ABC%"):
            say(f"{t} LIKE {quote(pattern)}")
            say(f"{t} NOT LIKE {quote(pattern)}")
        for pattern in ("", "a", "[a-z]+", "^[A-Z]", "(l+)(o)", "(日)(本)?", ".*", "\\d+", "b|c", "(?i)HELLO", "x*"):
            p = quote(pattern)
            say(f"REGEXP({t}, {p})")
            say(f"REGEXP_EXTRACT({t}, {p})")
            say(f"REGEXP_EXTRACT({t}, {p}, 1)")
            say(f"REGEXP_EXTRACT({t}, {p}, 0)")
            say(f"REGEXP_REPLACE({t}, {p}, '<$1>')")
            say(f"{t} SIMILAR TO {p}")
        say(f"OVERLAY({t} PLACING 'XX' FROM 2)")
        say(f"OVERLAY({t} PLACING 'XX' FROM 2 FOR 1)")
        say(f"OVERLAY({t} PLACING 'XX' FROM 9 FOR 1)")
        say(f"SHA2({t}, 256)")
        say(f"SHA2({t}, 224)")
        say(f"SHA2({t}, 512)")
    for text in ["SUBSTRING('abc', 2)", "SUBSTR('abc', 2, 1)", "'a' || 'b'", "'a' || CAST(NULL AS STRING)",
        "'a' || 1",
                 "CONCAT('a', 1, TRUE)", "CONCAT('a', CAST(NULL AS STRING))", "CONCAT('a')", "CONCAT()",
                 "CONCAT_WS(',', 'a', 'b')", "CONCAT_WS(CAST(NULL AS STRING), 'a', 'b')", "CONCAT_WS(',')",
                 "CONCAT_WS(',', CAST(NULL AS STRING))", "CHR(65)", "CHR(0)", "CHR(-1)", "CHR(256)", "CHR(300)",
                 "CHR(228)",
                 "CHR(CAST(97 AS BIGINT))", "ASCII('ä')", "ASCII('')", "SPLIT_INDEX('a,b', 44, 1)",
                 "SPLIT_INDEX('a', ',', 5)",
                 "SPLIT_INDEX('a--b--c', '--', 2)", "SPLIT_INDEX('', ',', 0)", "SPLIT_INDEX('a,b', ',', -1)",
                 "SPLIT_INDEX('a b', '', 0)", "SPLIT_INDEX('a b c', ' ', 2)", "LPAD('hi', 5, '')",
                 "RPAD('hi', -1, 'x')",
                 "LPAD('hi', 0, 'x')", "REPEAT('ab', 0)", "REPEAT('ab', -1)", "LEFT('abc', -1)", "RIGHT('abc', 0)",
                 "'abc' LIKE 'A%'", "'a%c' LIKE 'a!%c' ESCAPE '!'", "'abc' LIKE 'a!%c' ESCAPE '!'",
                 "'a_c' LIKE 'a|_c' ESCAPE '|'",
                 "'abc' LIKE CAST(NULL AS STRING)", "CAST(NULL AS STRING) LIKE 'a'", "'a\nb' LIKE 'a%b'",
                 "'a\nb' LIKE 'a_b'",
                 "'abc' SIMILAR TO '(a|b)%'", "'abc' SIMILAR TO 'a[b]c'", "'abc' NOT SIMILAR TO 'abc'",
                 "'a.c' SIMILAR TO 'a.c'",
                 "'abc' SIMILAR TO 'a.c'", "'aab' SIMILAR TO 'a{2}b'", "'12' SIMILAR TO '[0-9]+'",
                 "'ab' SIMILAR TO '_+'",
                 "REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2)", "REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 5)",
                 "REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', -1)", "REGEXP_EXTRACT('abc', '(', 0)",
                 "REGEXP('abc', '(')",
                 "REGEXP_REPLACE('foobar', 'oo|ar', '')", "REGEXP_REPLACE('abc', '(', 'x')",
                 "REGEXP_REPLACE('a.b', '\\.', '\\$')",
                 "REGEXP_COUNT('abcabc', 'b')", "REGEXP_SUBSTR('abc', 'b.')", "REGEXP_INSTR('abc', 'c')",
                 "REGEXP_EXTRACT_ALL('a1b2', '[0-9]')",
                 "REGEXP_EXTRACT('channel_id=42&x', '(&|^)channel_id=([^&]*)', 2)",
                 "UPPER('straße')", "LOWER('ÀÉÎ')", "LOWER('İ')", "UPPER('ŉ')", "INITCAP('hello world')",
                 "INITCAP('ÄB cD')",
                 "TRIM('  a ')", "TRIM(BOTH FROM '  a ')", "TRIM(LEADING 'x' FROM 'xxaxx')",
                 "TRIM(TRAILING FROM ' a ')",
                 "LTRIM('xxaxx', 'x')", "RTRIM('xxaxx', 'x')", "BTRIM('xxaxx', 'x')", "LTRIM('abc', 'ba')",
                 "TRIM('xyx' FROM 'yxaxy')",
                 "ENCODE('abc', 'UTF-8')", "DECODE(X'616263', 'UTF-8')", "DECODE(ENCODE('ä', 'UTF-8'), 'UTF-8')",
                 "PARSE_URL('http://u@facebook.com:80/path/p1.php?query=1&k=v#ref', 'HOST')",
                 "PARSE_URL('http://facebook.com/path/p1.php?query=1&k=v', 'QUERY', 'k')",
                 "PARSE_URL('http://a.b/c?d#e', 'REF')",
                 "PARSE_URL('http://a.b/c?d#e', 'PATH')", "PARSE_URL('http://a.b/c?d#e', 'PROTOCOL')",
                 "PARSE_URL('xx', 'HOST')",
                 "STR_TO_MAP('a=1,b=2')", "SPLIT('a,b', ',')", "ELT(2, 'a', 'b')", "PRINTF('%d', 1)",
                 "CHAR_LENGTH(CAST('ab' AS CHAR(5)))", "CAST('ab' AS CHAR(5)) || 'x'", "UPPER(CAST('ab' AS CHAR(5)))",
                 "'ab' = 'ab '", "CAST('ab' AS CHAR(5)) = 'ab'", "CAST('ab' AS CHAR(5)) = CAST('ab' AS CHAR(3))",
                 "'a' < 'B'", "'ä' > 'z'", "'' = ''", "COALESCE('a', 'bcd')", "IFNULL('a', 'b')", "NULLIF('a', 'a')",
                 "NULLIF('a', 'b')", "JSON_QUOTE('a\"b')", "JSON_UNQUOTE('\"a\\nb\"')", "UNHEX('4')", "SHA2('a', 1)",
                 "SHA2('a', 384)", "MD5(CAST(NULL AS STRING))", "U&'\\00e4'", "_UTF8'x'", "N'x'", "'it''s'",
                 "X'00ff'", "x'AB'"]:
        say(text)


def logic():
    section("logic")
    values = ["TRUE", "FALSE", "CAST(NULL AS BOOLEAN)", "@(TRUE)", "@(FALSE)"]
    for a, b in itertools.product(values, values):
        say(f"{a} AND {b}")
        say(f"{a} OR {b}")
        say(f"{a} = {b}")
        say(f"{a} <> {b}")
        say(f"{a} IS DISTINCT FROM {b}")
        say(f"{a} IS NOT DISTINCT FROM {b}")
    for a in values:
        for test in ["IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN", "IS NOT UNKNOWN", "IS NULL",
            "IS NOT NULL"]:
            say(f"{a} {test}")
        say(f"NOT {a}")
    samples = {
        "INT": ["1", "2", "CAST(NULL AS INT)"], "BIGINT": ["CAST(1 AS BIGINT)", "CAST(3 AS BIGINT)"],
        "DECIMAL": ["1.0", "1.50", "CAST(2 AS DECIMAL(30, 2))"], "DOUBLE": ["CAST(1 AS DOUBLE)", "1.5E0"],
        "FLOAT": ["CAST(1.5 AS FLOAT)", "CAST(0.1 AS FLOAT)"], "STRING": ["'1'", "'abc'", "''"],
        "DATE": ["DATE '2024-01-01'"], "TIMESTAMP": ["TIMESTAMP '2024-01-01 00:00:00'",
        "TIMESTAMP '2024-01-01 00:00:00.123456'"],
        "TIME": ["TIME '00:00:00'", "TIME '10:20:30'"], "BOOLEAN": ["TRUE"], "BYTES": ["X'61'", "X'6162'"],
        "LTZ": ["CAST(TIMESTAMP '2024-01-01 00:00:00' AS TIMESTAMP_LTZ(3))"], "DAY": ["INTERVAL '1' DAY"],
        "MONTH": ["INTERVAL '1' MONTH"],
    }
    flat = [v for vs in samples.values() for v in vs]
    for a, b in itertools.product(flat, flat):
        say(f"@({a}) = @({b})")
        say(f"@({a}) < @({b})")
    for a in flat:
        say(f"{a} IS NULL")
        say(f"@({a}) IN ({a})")
    for text in ["1 IN (1, 2, 3)", "4 IN (1, 2, 3)", "1 NOT IN (1, 2)", "4 NOT IN (1, 2)", "4 IN (1, NULL)",
        "1 IN (1, NULL)",
                 "4 NOT IN (1, CAST(NULL AS INT))", "'a' IN ('a', 'b')", "'a' IN ('ab', 'b')",
                 "CAST(NULL AS INT) IN (1, 2)",
                 "1 IN (1.0, 2.5)", "1.5 IN (1, 2)", "DATE '2024-01-01' IN (DATE '2024-01-01')", "1 BETWEEN 1 AND 2",
                 "3 BETWEEN 1 AND 2", "1 NOT BETWEEN 2 AND 3", "2 BETWEEN 3 AND 1", "2 BETWEEN SYMMETRIC 3 AND 1",
                 "2 BETWEEN ASYMMETRIC 1 AND 3", "1 BETWEEN NULL AND 2", "3 BETWEEN CAST(NULL AS INT) AND 2",
                 "'b' BETWEEN 'a' AND 'c'",
                 "1.5 BETWEEN 1 AND 2", "NOT NULL", "NULL", "NULL IS NULL", "1 = NULL", "NULL AND TRUE",
                 "NULL = NULL",
                 "CASE WHEN TRUE THEN 1 ELSE 2 END", "CASE WHEN FALSE THEN 1 END",
                 "CASE 1 WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END",
                 "CASE WHEN TRUE THEN 1 ELSE 2.5 END", "CASE WHEN @(TRUE) THEN 1 ELSE 2.5 END",
                 "CASE WHEN @(FALSE) THEN 'a' ELSE 'bcd' END",
                 "CASE WHEN @(FALSE) THEN CAST(1 AS BIGINT) ELSE CAST(2 AS DOUBLE) END",
                 "CASE WHEN @(TRUE) THEN NULL ELSE 1 END",
                 "CASE WHEN @(FALSE) THEN DATE '2024-01-01' ELSE TIMESTAMP '2024-01-01 10:00:00' END",
                 "CASE WHEN @(TRUE) THEN 1 ELSE 'a' END",
                 "CASE @(1) WHEN 1.0 THEN 'x' ELSE 'y' END", "IF(TRUE, 1, 2)", "IF(FALSE, 1, 2)",
                 "IF(CAST(NULL AS BOOLEAN), 1, 2)",
                 "IF(@(TRUE), 1, 2.5)", "IF(@(TRUE), 'a', 'bcd')", "IF(@(TRUE), 1, CAST(NULL AS INT))",
                 "IF(@(FALSE), CAST(1 AS BIGINT), 2)",
                 "COALESCE(NULL, 1)", "COALESCE(CAST(NULL AS INT), 2)", "COALESCE(1, 2.5)", "COALESCE(@(1), 2.5)",
                 "COALESCE(CAST(NULL AS STRING), 'x')",
                 "COALESCE(CAST(NULL AS INT), CAST(NULL AS INT))", "COALESCE(1)",
                 "COALESCE(CAST(NULL AS INT), CAST(3 AS BIGINT), 1.5)",
                 "NULLIF(1, 1)", "NULLIF(1, 2)", "NULLIF(1, 1.0)", "NULLIF(CAST(NULL AS INT), 1)",
                 "NULLIF(1, CAST(NULL AS INT))",
                 "IFNULL(CAST(NULL AS INT), 5)", "IFNULL(1, 5)", "IFNULL(CAST(NULL AS INT), 5.5)", "NVL(1, 2)",
                 "NOT TRUE", "TRUE AND NOT FALSE",
                 "1 < 2 AND 2 < 3", "1 <> 2", "1 != 2", "1 <= 1", "1 >= 2", "TRUE > FALSE", "(1, 2) = (1, 2)",
                 "ROW(1, 2) = ROW(1, 3)",
                 "CASE WHEN @(1) > 0 OR 1 / 0 > 0 THEN 'ok' END", "TYPEOF(1)", "TYPEOF('a')", "TYPEOF(1.5)",
                 "TYPEOF(CAST(NULL AS INT))",
                 "CAST('NaN' AS DOUBLE) = CAST('NaN' AS DOUBLE)",
                 "@(CAST('NaN' AS DOUBLE)) = @(CAST('NaN' AS DOUBLE))",
                 "@(CAST('-0.0' AS DOUBLE)) = @(CAST('0.0' AS DOUBLE))", "@(CAST('NaN' AS DOUBLE)) > 1"]:
        say(text)


def casts():
    section("casts")
    sources = {
        "STRING": ["", " ", "0", "1", "-1", "+5", "127", "128", "32768", "2147483648", "9223372036854775808", "1.5",
        "-1.9", ".5", "5.", "1e3", "1E-3", "abc", " 12 ", "1 2",
                   "true", "TRUE", "t", "T", "yes", "y", "no", "N", "f", "false", "on", "off", "NaN", "Infinity",
                   "-Infinity", "+Infinity", "inf", "0x10", "1f", "1d", "1_000",
                   "99999999999999999999", "12345.6789", "0.005", "0.015", "999.995", "1e400", "1e-400", "-0", "-0.0",
                   "٣", "--1", "1.2.3", "\t7\n"],
    }
    targets = ["BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(5, 2)",
        "DECIMAL(38, 18)", "DECIMAL(10, 0)", "CHAR(3)", "VARCHAR(3)", "STRING", "BYTES", "BINARY(3)", "VARBINARY(2)"]
    for value in sources["STRING"]:
        for kind in targets:
            say(f"TRY_CAST(@({quote(value)}) AS {kind})")
        for kind in ("INT", "DOUBLE", "BOOLEAN", "DECIMAL(5, 2)"):
            say(f"TRY_CAST({quote(value)} AS {kind})")
    for value, kind in [("abc", "INT"), ("", "INT"), ("x", "DOUBLE"), ("x", "DECIMAL(5, 2)"), ("99999",
        "DECIMAL(5, 2)"), ("x", "BOOLEAN"), ("x", "DATE"), ("x", "TIME"), ("x", "TIMESTAMP(3)"),
                        ("300", "TINYINT"), ("9223372036854775808", "BIGINT"), ("x", "TIMESTAMP_LTZ(3)"),
                        ("2024-13-01", "DATE")]:
        say(f"CAST(@({quote(value)}) AS {kind})", True)
        say(f"CAST({quote(value)} AS {kind})", True)
    numbers = dict(NUMERIC)
    numbers["DOUBLE"] = numbers["DOUBLE"] + ["0.001", "0.0009", "1E7", "9999999.5", "1E16", "-1E-5", "NaN",
        "Infinity", "-Infinity", "-0.0", "3E9", "1E19", "127.9", "128.5", "2.0E-3", "1.0E-5", "123456.789"]
    numbers["FLOAT"] = numbers["FLOAT"] + ["0.1", "0.001", "1E10", "1E-10", "123456.79", "1E7", "3E9", "NaN",
        "Infinity", "300"]
    numbers["BIGINT"] = numbers["BIGINT"] + ["255", "65536", "1700000000", "9007199254740993", "16777217"]
    numbers["DECIMAL(5, 2)"] = numbers["DECIMAL(5, 2)"] + ["1.00", "0.01", "-0.50", "100", "127.99", "200.50",
        "0.005"]
    numbers["DECIMAL(18, 6)"] = numbers["DECIMAL(18, 6)"] + ["0.000001", "1000000", "99999.995", "0.5", "-0.5"]
    numbers["BOOLEAN"] = ["true", "false"]
    for kind, values in numbers.items():
        for value in values:
            for target in targets + ["TIMESTAMP(3)", "TIMESTAMP_LTZ(3)", "DATE", "TIME", "VARCHAR(30)", "CHAR(10)",
                "INTERVAL SECOND(3)", "DECIMAL(3, 1)"]:
                say(f"CAST({number(value, kind)} AS {target})")
            say(f"CAST(CAST('{value}' AS {kind}) AS STRING)")
    for value in NUMERIC["INT"] + ["1.5", "2.50", "-0.125", "1E10", "1.5E-7", "100.00", "0.1"]:
        for target in ("STRING", "DOUBLE", "FLOAT", "INT", "DECIMAL(10, 3)", "BOOLEAN", "CHAR(4)", "VARCHAR(2)"):
            say(f"CAST({value} AS {target})")
    for stamp in STAMPS + ["2024-05-06 07:08:09.12"]:
        for p in (0, 1, 3, 6, 9):
            say(f"CAST(CAST(@('{stamp}') AS TIMESTAMP({p})) AS STRING)")
            say(f"CAST(@(TIMESTAMP '{stamp}') AS TIMESTAMP({p}))")
            say(f"CAST(@(TIMESTAMP '{stamp}') AS TIMESTAMP_LTZ({p}))")
        for target in ["DATE", "TIME", "TIME(3)", "BIGINT", "INT", "DOUBLE", "DECIMAL(20, 3)", "CHAR(10)",
            "VARCHAR(10)", "BOOLEAN", "BYTES", "INTERVAL SECOND(3)"]:
            say(f"CAST(@(TIMESTAMP '{stamp}') AS {target})")
            say(f"CAST(@(CAST(TIMESTAMP '{stamp}' AS TIMESTAMP_LTZ(3))) AS {target})")
            say(f"CAST(@(DATE '{stamp[:10]}') AS {target})")
            say(f"CAST(@(TIME '{stamp[11:19]}') AS {target})")
        for target in ["TIMESTAMP(0)", "TIMESTAMP(3)", "TIMESTAMP_LTZ(3)", "TIMESTAMP(9)"]:
            say(f"CAST(@(DATE '{stamp[:10]}') AS {target})")
            say(f"CAST(@(TIME '{stamp[11:19]}') AS {target})")
            say(f"CAST(@(CAST(TIMESTAMP '{stamp}' AS TIMESTAMP_LTZ(6))) AS {target})")
    for value in ["X'616263'", "X''", "X'c3a4'", "X'ff'", "X'00'"]:
        for target in targets:
            say(f"CAST(@({value}) AS {target})")
    for target in targets + ["DATE", "TIMESTAMP(3)", "TIME", "ARRAY<INT>", "ROW<a INT>", "MAP<STRING, INT>",
        "MULTISET<INT>"]:
        say(f"CAST(NULL AS {target})")
        say(f"TRY_CAST(CAST(NULL AS STRING) AS {target})")
    for text in ["CAST(ROW(1, 'a', 2.50) AS STRING)", "CAST(ROW(CAST(NULL AS INT), TRUE) AS STRING)",
        "CAST(ARRAY[1, 2, 3] AS STRING)", "CAST(ARRAY['a', 'b'] AS STRING)", "CAST(MAP['a', 1] AS STRING)",
                 "CAST(ARRAY[CAST(NULL AS INT), 1] AS STRING)", "CAST(ARRAY[ROW(1, 2)] AS STRING)",
                 "CAST(ROW(ROW(1), ARRAY[2]) AS STRING)", "CAST(ARRAY[1, 2] AS ARRAY<STRING>)",
                 "CAST(ARRAY['1', '2'] AS ARRAY<INT>)", "CAST(ROW(1, '2') AS ROW<a STRING, b INT>)",
                 "CAST(ROW(1, 'x') AS ROW<a BIGINT, b STRING>)", "CAST(ARRAY[1.5] AS ARRAY<INT>)",
                 "CAST(ROW(TIMESTAMP '2024-01-01 00:00:00', DATE '2024-01-01', 1.5E0) AS STRING)",
                 "CAST(ROW() AS STRING)", "CAST(ARRAY[TIMESTAMP '2024-01-01 00:00:00.5'] AS STRING)",
                 "CAST('abc' AS VARCHAR(2))", "CAST('abc' AS CHAR(5))", "CAST('äöü' AS VARCHAR(2))",
                 "CAST('日本語' AS CHAR(4))", "CAST(CAST('abc' AS CHAR(5)) AS STRING)", "CAST(12345 AS VARCHAR(3))",
                 "CAST(12345 AS CHAR(3))", "CAST(1 AS CHAR(3))", "CAST(TRUE AS CHAR(2))", "CAST(TRUE AS VARCHAR(2))",
                 "CAST(1.5 AS CHAR(6))", "CAST(DATE '2024-01-01' AS CHAR(4))"]:
        say(text)


def nested():
    section("rows, arrays, JSON")
    for text in ["ARRAY[1, 2, 3]", "ARRAY[1, 2.5]", "ARRAY['a', 'bcd']", "ARRAY[1, NULL]", "ARRAY[CAST(NULL AS INT)]",
        "ARRAY[]", "ARRAY[1, 2][1]", "ARRAY[1, 2][2]", "ARRAY[1, 2][3]", "ARRAY[1, 2][0]",
                 "ARRAY[1, 2][-1]", "ARRAY[1, 2][CAST(NULL AS INT)]", "CARDINALITY(ARRAY[1, 2, 3])",
                 "CARDINALITY(CAST(NULL AS ARRAY<INT>))", "ELEMENT(ARRAY[5])", "ELEMENT(ARRAY[1, 2])", "ROW(1, 'a')",
                 "ROW(1, 'a').f0", "(ROW(1, 'a')).f0", "ROW(1, CAST(NULL AS STRING))", "ROW(1, ROW(2, 3))",
                 "ARRAY[ARRAY[1], ARRAY[2, 3]]", "ARRAY[ARRAY[1], ARRAY[2, 3]][2][1]", "CARDINALITY(ARRAY[ARRAY[1]])",
                 "ARRAY[ROW(1, 'x'), ROW(2, 'y')]", "ARRAY[ROW(1, 'x')][1].f1", "ARRAY_CONTAINS(ARRAY[1, 2], 2)",
                 "ARRAY_CONTAINS(ARRAY[1, 2], 5)", "ARRAY_CONTAINS(ARRAY[1, CAST(NULL AS INT)], CAST(NULL AS INT))",
                 "ARRAY_DISTINCT(ARRAY[1, 1, 2])", "ARRAY_POSITION(ARRAY[1, 2], 2)", "ARRAY_REVERSE(ARRAY[1, 2])",
                 "ARRAY_MAX(ARRAY[1, 3, 2])", "ARRAY_MIN(ARRAY[1, 3, 2])", "ARRAY_JOIN(ARRAY['a', 'b'], '-')",
                 "ARRAY_APPEND(ARRAY[1], 2)", "ARRAY_PREPEND(ARRAY[1], 2)", "ARRAY_CONCAT(ARRAY[1], ARRAY[2])",
                 "ARRAY_REMOVE(ARRAY[1, 2, 1], 1)", "ARRAY_SLICE(ARRAY[1, 2, 3], 2, 3)", "ARRAY_SORT(ARRAY[3, 1, 2])",
                 "ARRAY_UNION(ARRAY[1], ARRAY[1, 2])", "MAP['a', 1]", "MAP['a', 1]['a']", "MAP['a', 1]['b']",
                 "CARDINALITY(MAP['a', 1])", "MAP_KEYS(MAP['a', 1])", "ROW(1, 2) IS NULL", "ARRAY[1] IS NULL",
                 "ARRAY[1, 2] = ARRAY[1, 2]", "ARRAY[1, 2] = ARRAY[1, 3]", "ARRAY[1] < ARRAY[2]",
                 "ROW(1, 'a') = ROW(1, 'a')", "COALESCE(CAST(NULL AS ARRAY<INT>), ARRAY[1])",
                 "CASE WHEN @(TRUE) THEN ROW(1, 2) ELSE ROW(3, 4) END",
                 "CASE WHEN @(FALSE) THEN ARRAY[1] ELSE ARRAY[2, 3] END", "@(ARRAY[1, 2])[1]",
                 "CARDINALITY(@(ARRAY[1, 2]))", "(@(ROW(1, 'a'))).f1"]:
        say(text)
    documents = ['{"a": 1, "b": {"c": "text", "d": [1, 2, {"e": null}]}, "f": true, "g": 1.50, "h": "", "ü": "ö"}',
        '[1, "x", null]', '"just"', '5', 'null', 'true', '', '{bad', '{"a": "x\\ny\\u00e4"}',
        '{"a.b": 1, "a b": 2, "A": 3}',
                 ' {"a":1e2, "b":12345678901234567890, "c":0.1} ', '{"a": {"b": {"c": 1}}}',
                     '{"a":[{"b":1},{"b":2}]}', '{"a":1}x', "{'a':1}", '{"a":1,"a":2}']
    paths = ["$", "$.a", "$.b.c", "$.b.d", "$.b.d[0]", "$.b.d[2].e", "$.f", "$.g", "$.h", "$.zz", "$[0]", "$[1]",
        "$[2]", "$[5]", "$['a']", "$.b['c']", "lax $.a", "strict $.a", "strict $.zz", "$.a.b.c", "$.a[*].b", "$..c",
        "$.ü", "$['a.b']",
             "$.b", "$.a[0]", "$.a.x"]
    for document, path in itertools.product(documents, paths):
        d, p = f"@({quote(document)})", quote(path)
        say(f"JSON_VALUE({d}, {p})")
        say(f"JSON_EXISTS({d}, {p})")
        say(f"JSON_QUERY({d}, {p})")
    for document in documents:
        d = f"@({quote(document)})"
        for test in ["IS JSON", "IS NOT JSON", "IS JSON OBJECT", "IS JSON ARRAY", "IS JSON SCALAR", "IS JSON VALUE"]:
            say(f"{d} {test}")
    say("CAST(NULL AS STRING) IS JSON")
    d = f"@({quote(documents[0])})"
    for text in [f"JSON_VALUE({d}, '$.a' RETURNING INT)", f"JSON_VALUE({d}, '$.g' RETURNING DOUBLE)",
        f"JSON_VALUE({d}, '$.f' RETURNING BOOLEAN)", f"JSON_VALUE({d}, '$.b.c' RETURNING STRING)",
        f"JSON_VALUE({d}, '$.b.c' RETURNING INT)",
                 f"JSON_VALUE({d}, '$.zz' DEFAULT 'none' ON EMPTY)", f"JSON_VALUE({d}, '$.zz' NULL ON EMPTY)",
                 f"JSON_VALUE({d}, '$.zz' ERROR ON EMPTY)", f"JSON_VALUE({d}, 'strict $.zz' DEFAULT 'bad' ON ERROR)",
                 f"JSON_VALUE({d}, '$.b' ERROR ON ERROR)",
                 f"JSON_EXISTS({d}, 'strict $.zz' TRUE ON ERROR)",
                 f"JSON_EXISTS({d}, 'strict $.zz' UNKNOWN ON ERROR)", f"JSON_VALUE(CAST(NULL AS STRING), '$.a')",
                 f"JSON_EXISTS(CAST(NULL AS STRING), '$.a')", f"JSON_VALUE({d}, 'a')", f"JSON_VALUE({d}, '')",
                 "JSON_STRING('a')", "JSON_OBJECT('a' VALUE 1)", "JSON_ARRAY(1, 'a')",
                 f"JSON_QUERY({d}, '$.a' WITH WRAPPER)"]:
        say(text)


def main():
    logic()
    arithmetic()
    texts()
    nested()
    times(say, section, quote)
    casts()
    maths()


main()
