-- Commits by author and hour: half of the lines are older than a line before them. A watermark that waits seven days takes
-- most of them; what comes later is counted as late.
SET 'table.local-time-zone' = 'UTC';
CREATE TABLE commits (
  author STRING,
  authored_at BIGINT,
  files INT,
  ts AS TO_TIMESTAMP_LTZ(authored_at, 3),
  WATERMARK FOR ts AS ts - INTERVAL '7' DAY
) WITH (
  'connector' = 'kafka',
  'topic' = 'commits',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json'
);
SELECT window_start, author, COUNT(*) AS commits, SUM(files) AS files
FROM TABLE(TUMBLE(TABLE commits, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, author
HAVING COUNT(*) >= 15;
