// franz-go: produce, consume by assignment, admin. One line for each check: ok NAME or FAILED NAME: why.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const count = 500

var firstTime = time.UnixMilli(1_700_000_000_000)

func client(bootstrap string, options ...kgo.Opt) *kgo.Client {
	options = append([]kgo.Opt{kgo.SeedBrokers(bootstrap)}, options...)
	made, err := kgo.NewClient(options...)
	if err != nil {
		panic(err)
	}
	return made
}

func topics(ctx context.Context, bootstrap string) error {
	admin := kadm.NewClient(client(bootstrap))
	defer admin.Close()
	retention := "100000"
	if _, err := admin.CreateTopic(ctx, 4, -1, map[string]*string{"retention.ms": &retention}, "fg"); err != nil {
		return err
	}
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "fg"); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("a topic was created twice: %v", err)
	}
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "gone"); err != nil {
		return err
	}
	if responses, err := admin.UpdatePartitions(ctx, 3, "gone"); err != nil || responses.Error() != nil {
		return fmt.Errorf("more partitions: %v %v", err, responses)
	}
	details, err := admin.ListTopics(ctx, "gone", "fg")
	if err != nil || len(details["gone"].Partitions) != 3 || len(details["fg"].Partitions) != 4 {
		return fmt.Errorf("topics: %v %v", err, details)
	}
	if _, err := admin.DeleteTopic(ctx, "gone"); err != nil {
		return err
	}
	metadata, err := admin.BrokerMetadata(ctx)
	if err != nil || len(metadata.Brokers) == 0 || metadata.Cluster == "" {
		return fmt.Errorf("brokers: %v %v", err, metadata)
	}
	return nil
}

func configs(ctx context.Context, bootstrap string) error {
	admin := kadm.NewClient(client(bootstrap))
	defer admin.Close()
	value := func() string {
		described, err := admin.DescribeTopicConfigs(ctx, "fg")
		if err != nil || len(described) == 0 {
			return fmt.Sprint(err)
		}
		for _, config := range described[0].Configs {
			if config.Key == "retention.ms" {
				return config.MaybeValue()
			}
		}
		return "none"
	}
	if found := value(); found != "100000" {
		return fmt.Errorf("retention.ms is %s", found)
	}
	next := "200000"
	_, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &next}}, "fg")
	if err != nil {
		return err
	}
	if found := value(); found != next {
		return fmt.Errorf("retention.ms is %s after altering", found)
	}
	return nil
}

func codec(ctx context.Context, bootstrap string, name string, with kgo.CompressionCodec) error {
	topic := "fg-" + name
	admin := kadm.NewClient(client(bootstrap))
	defer admin.Close()
	if _, err := admin.CreateTopic(ctx, 2, 1, nil, topic); err != nil {
		return err
	}
	producer := client(bootstrap, kgo.ProducerBatchCompression(with), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(10*time.Millisecond))
	defer producer.Close()
	sent := map[int32][]*kgo.Record{}
	var all []*kgo.Record
	for i := 0; i < count; i++ {
		record := &kgo.Record{Topic: topic, Partition: int32(i % 2), Timestamp: firstTime.Add(time.Duration(i) * time.Millisecond),
			Key: []byte(fmt.Sprintf("key-%d", i)), Value: bytes.Repeat([]byte(fmt.Sprintf("value-%d ", i)), 10)}
		if i%5 == 1 {
			record.Key = nil
		}
		if i%7 == 2 {
			record.Value = nil
		}
		if i%3 == 0 {
			record.Headers = []kgo.RecordHeader{{Key: "name", Value: []byte("text")}, {Key: "null"}}
		}
		sent[record.Partition] = append(sent[record.Partition], record)
		all = append(all, record)
	}
	if err := producer.ProduceSync(ctx, all...).FirstErr(); err != nil {
		return err
	}
	start := map[int32]kgo.Offset{0: kgo.NewOffset().AtStart(), 1: kgo.NewOffset().AtStart()}
	consumer := client(bootstrap, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}))
	defer consumer.Close()
	next := map[int32]int{}
	for total := 0; total < count; {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, found := range fetches.Records() {
			wanted := sent[found.Partition][next[found.Partition]]
			if found.Offset != int64(next[found.Partition]) || !bytes.Equal(found.Key, wanted.Key) ||
				!bytes.Equal(found.Value, wanted.Value) || (found.Key == nil) != (wanted.Key == nil) ||
				(found.Value == nil) != (wanted.Value == nil) || len(found.Headers) != len(wanted.Headers) ||
				!found.Timestamp.Equal(wanted.Timestamp) {
				return fmt.Errorf("partition %d offset %d: %v came back for %v", found.Partition, found.Offset, found, wanted)
			}
			next[found.Partition]++
			total++
		}
	}
	return nil
}

func offsets(ctx context.Context, bootstrap string) error {
	admin := kadm.NewClient(client(bootstrap))
	defer admin.Close()
	ends, err := admin.ListEndOffsets(ctx, "fg-none")
	if err != nil {
		return err
	}
	if end, _ := ends.Lookup("fg-none", 0); end.Offset != count/2 {
		return fmt.Errorf("end offset %d", end.Offset)
	}
	times, err := admin.ListOffsetsAfterMilli(ctx, firstTime.UnixMilli()+100, "fg-none")
	if err != nil {
		return err
	}
	if at, _ := times.Lookup("fg-none", 0); at.Offset != 50 {
		return fmt.Errorf("offset of a time: %d", at.Offset)
	}
	deleted, err := admin.DeleteRecords(ctx, kadm.Offsets{"fg-none": {0: {Topic: "fg-none", Partition: 0, At: 20}}})
	if err != nil || deleted.Error() != nil {
		return fmt.Errorf("delete records: %v %v", err, deleted)
	}
	starts, err := admin.ListStartOffsets(ctx, "fg-none")
	if err != nil {
		return err
	}
	if start, _ := starts.Lookup("fg-none", 0); start.Offset != 20 {
		return fmt.Errorf("start offset %d after delete records", start.Offset)
	}
	directories, err := admin.DescribeAllLogDirs(ctx, nil)
	if err != nil || len(directories) == 0 {
		return fmt.Errorf("log directories: %v %v", err, directories)
	}
	return nil
}

func main() {
	bootstrap := os.Args[1]
	failed := false
	check := func(name string, run func(context.Context) error) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := run(ctx); err != nil {
			failed = true
			fmt.Printf("FAILED %s: %v\n", name, err)
		} else {
			fmt.Printf("ok %s\n", name)
		}
	}
	check("topics", func(ctx context.Context) error { return topics(ctx, bootstrap) })
	check("configs", func(ctx context.Context) error { return configs(ctx, bootstrap) })
	for name, with := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		check("codec "+name, func(ctx context.Context) error { return codec(ctx, bootstrap, name, with) })
	}
	check("offsets", func(ctx context.Context) error { return offsets(ctx, bootstrap) })
	if failed {
		os.Exit(1)
	}
}
