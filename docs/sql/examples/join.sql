-- Two inputs, two formats: blocks received by each node of the HDFS log, by the rack that a CSV file gives the node.
CREATE TABLE hdfs (
  line STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'hdfs',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'raw'
);
CREATE TABLE nodes (
  address STRING,
  rack STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'nodes',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'csv'
);
CREATE VIEW received AS
SELECT REGEXP_EXTRACT(line, 'size ([0-9]+) from', 1) AS volume, REGEXP_EXTRACT(line, ' from /([0-9.]+)', 1) AS address
FROM hdfs WHERE line LIKE '%Received block%';

SELECT rack, COUNT(*) AS blocks, COUNT(DISTINCT received.address) AS nodes, SUM(CAST(volume AS BIGINT)) AS total
FROM received JOIN nodes ON received.address = nodes.address
GROUP BY rack;
