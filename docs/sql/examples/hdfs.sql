-- Bursts of warnings: sessions of warnings that are less than fifteen minutes apart, three or more of them.
CREATE TABLE hdfs (
  line STRING,
  ts AS TO_TIMESTAMP('20' || SUBSTRING(line, 1, 2) || '-' || SUBSTRING(line, 3, 2) || '-' || SUBSTRING(line, 5, 2) || ' '
                     || SUBSTRING(line, 8, 2) || ':' || SUBSTRING(line, 10, 2) || ':' || SUBSTRING(line, 12, 2)),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'hdfs',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'raw'
);
CREATE VIEW warnings AS
SELECT ts, REGEXP_EXTRACT(line, ' ([0-9.]+):50010:', 1) AS node
FROM hdfs WHERE SPLIT_INDEX(line, ' ', 3) = 'WARN';

SELECT window_start, window_end, COUNT(*) AS warnings, COUNT(DISTINCT node) AS nodes
FROM TABLE(SESSION(TABLE warnings, DESCRIPTOR(ts), INTERVAL '15' MINUTE))
GROUP BY window_start, window_end
HAVING COUNT(*) >= 3;
