-- Failed logins by source and minute, where there were five or more.
SET 'table.local-time-zone' = 'UTC';
CREATE TABLE auth (
  line STRING,
  ts AS TO_TIMESTAMP('2023-12-' || SUBSTRING(line, 5, 2) || ' ' || SUBSTRING(line, 8, 8)),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'auth',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'raw'
);
CREATE VIEW failures AS
SELECT ts, REGEXP_EXTRACT(line, ' from ([0-9.]+) port', 1) AS source
FROM auth WHERE line LIKE '%Failed password for%';

SELECT window_start, source, COUNT(*) AS failures
FROM TABLE(TUMBLE(TABLE failures, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, source
HAVING COUNT(*) >= 12;
