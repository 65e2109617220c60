// The cases of sarama: BOOTSTRAP as the only argument, one line per case, see suite.py.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const (
	records    = 2000
	waitFor    = 20 * time.Second
	someTimeMs = 1600000000000
)

var (
	bootstrap = []string{os.Args[1]}
	run       = fmt.Sprintf("%08x", time.Now().UnixNano()&0xffffffff)
	admin     sarama.ClusterAdmin
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func value[T any](found T, err error) T {
	must(err)
	return found
}

func equal(found, expected any, what string) {
	if f, e := fmt.Sprint(found), fmt.Sprint(expected); f != e {
		panic(fmt.Errorf("%s: found %.100s, expected %.100s", what, f, e))
	}
}

func fails(err, expected error, what string) {
	if !errors.Is(err, expected) {
		panic(fmt.Errorf("%s: found %v, expected %v", what, err, expected))
	}
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Flush.Frequency = 5 * time.Millisecond
	c.Consumer.MaxWaitTime = 200 * time.Millisecond
	c.Metadata.AllowAutoTopicCreation = false
	return c
}

func create(name string, partitions int32, entries map[string]*string) string {
	topic := name + "-" + run
	must(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: entries}, false))
	return topic
}

// read returns the first count records of a topic by partition, from an offset on.
func read(topic string, partitions, count int, from int64, c *sarama.Config) [][]*sarama.ConsumerMessage {
	consumer := value(sarama.NewConsumer(bootstrap, c))
	defer consumer.Close()
	found, all, first := make([][]*sarama.ConsumerMessage, partitions), make(chan *sarama.ConsumerMessage, 100), from
	if from == sarama.OffsetOldest {
		first = 0
	}
	done := make(chan struct{})
	defer close(done)
	for p := range found {
		part := value(consumer.ConsumePartition(topic, int32(p), from))
		defer part.AsyncClose()
		go func() {
			for m := range part.Messages() {
				select {
				case all <- m:
				case <-done:
				}
			}
		}()
	}
	timeout := time.After(waitFor)
	for n := 0; n < count; n++ {
		select {
		case m := <-all:
			equal(m.Offset, first+int64(len(found[m.Partition])), "offset")
			found[m.Partition] = append(found[m.Partition], m)
		case <-timeout:
			panic(fmt.Errorf("%d of %d records after %v", n, count, waitFor))
		}
	}
	return found
}

func send(c *sarama.Config, messages []*sarama.ProducerMessage) {
	producer := value(sarama.NewSyncProducer(bootstrap, c))
	defer producer.Close()
	must(producer.SendMessages(messages))
}

func roundTrip(topic string, partitions, count int, c *sarama.Config) {
	sent := make([][]*sarama.ProducerMessage, partitions)
	var messages []*sarama.ProducerMessage
	for i := 0; i < count; i++ {
		m := &sarama.ProducerMessage{Topic: topic, Partition: int32(i % partitions), Key: sarama.StringEncoder(fmt.Sprint("key ", i)),
			Value: sarama.StringEncoder(fmt.Sprint("value ", i, strings.Repeat("x", i%300)))}
		messages, sent[i%partitions] = append(messages, m), append(sent[i%partitions], m)
	}
	send(c, messages)
	for p, found := range read(topic, partitions, count, sarama.OffsetOldest, config()) {
		for i, m := range found {
			if sarama.StringEncoder(m.Key) != sent[p][i].Key || sarama.StringEncoder(m.Value) != sent[p][i].Value {
				panic(fmt.Errorf("partition %d, offset %d differs from what was sent", p, i))
			}
		}
	}
}

func trip(name string, partitions, count int, change func(*sarama.Config)) func() {
	return func() {
		c := config()
		if change != nil {
			change(c)
		}
		roundTrip(create(name, int32(partitions), nil), partitions, count, c)
	}
}

func text(s string) *string { return &s }

func topicLife() {
	topic := create("life", 3, nil)
	listed := value(admin.ListTopics())
	equal(listed[topic].NumPartitions, 3, "partitions listed")
	described := value(admin.DescribeTopics([]string{topic}))
	equal(len(described[0].Partitions), 3, "partitions described")
	equal(described[0].Err, sarama.ErrNoError, "error")
	again := func(name string, partitions int32, replicas int16) error {
		return admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: replicas}, false)
	}
	fails(again(topic, 3, 1), sarama.ErrTopicAlreadyExists, "a second time")
	fails(again(topic+"x", 1, 30), sarama.ErrInvalidReplicationFactor, "30 replicas")
	fails(again("no spaces", 1, 1), sarama.ErrInvalidTopic, "a bad name")
	fails(again(topic+"y", 0, 1), sarama.ErrInvalidPartitions, "0 partitions")
	must(admin.CreateTopic(topic+"z", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, true))
	must(admin.DeleteTopic(topic))
	_, there := value(admin.ListTopics())[topic]
	equal(there, false, "listed after delete")
	fails(admin.DeleteTopic(topic), sarama.ErrUnknownTopicOrPartition, "deleting a second time")
}

func morePartitions() {
	topic := create("grow", 1, nil)
	must(admin.CreatePartitions(topic, 5, nil, false))
	fails(admin.CreatePartitions(topic, 2, nil, false), sarama.ErrInvalidPartitions, "fewer")
	roundTrip(topic, 5, 500, config())
}

func topicConfigs() {
	topic := create("conf", 1, map[string]*string{"retention.ms": text("3600000")})
	setting := func(name string) string {
		for _, entry := range value(admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})) {
			if entry.Name == name {
				return entry.Value
			}
		}
		return "missing"
	}
	equal(setting("retention.ms"), 3600000, "retention.ms")
	must(admin.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
		"max.message.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: text("65536")}}, false))
	equal(setting("max.message.bytes")+setting("retention.ms"), "655363600000", "after an increment")
	must(admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.bytes": text("1000000")}, false))
	equal(setting("max.message.bytes")+setting("retention.bytes"), "10485881000000", "after a replacement")
	err := admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": text("soon")}, false)
	equal(err == nil, false, "a bad value is taken")
}

func brokerConfigs() {
	brokers, _, err := admin.DescribeCluster()
	must(err)
	for _, broker := range brokers {
		entries := value(admin.DescribeConfig(sarama.ConfigResource{Type: sarama.BrokerResource, Name: fmt.Sprint(broker.ID())}))
		equal(len(entries) > 20, true, "more than 20 settings")
	}
}

func forms() {
	topic := create("forms", 1, nil)
	var all []byte
	for i := 0; i < 256; i++ {
		all = append(all, byte(i))
	}
	headers := []sarama.RecordHeader{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a"), Value: []byte("2")},
		{Key: []byte("\u00fc"), Value: all}, {Key: []byte("empty"), Value: []byte{}}}
	sent := []*sarama.ProducerMessage{{}, {Key: sarama.ByteEncoder{}, Value: sarama.ByteEncoder{}, Headers: headers},
		{Value: sarama.StringEncoder("v")}, {Key: sarama.StringEncoder("k")}}
	for i, m := range sent {
		m.Topic, m.Timestamp = topic, time.UnixMilli(someTimeMs+int64(i))
		send(config(), []*sarama.ProducerMessage{m})
	}
	plain := func(encoder sarama.Encoder) string {
		if encoder == nil {
			return "nil"
		}
		return fmt.Sprintf("%q", value(encoder.Encode()))
	}
	shown := func(bytes []byte) string {
		if bytes == nil {
			return "nil"
		}
		return fmt.Sprintf("%q", bytes)
	}
	for i, m := range read(topic, 1, len(sent), 0, config())[0] {
		equal(shown(m.Key)+shown(m.Value), plain(sent[i].Key)+plain(sent[i].Value), fmt.Sprint("record ", i))
		equal(len(m.Headers), len(sent[i].Headers), "headers")
		for j, header := range m.Headers {
			equal(shown(header.Key)+shown(header.Value), shown(sent[i].Headers[j].Key)+shown(sent[i].Headers[j].Value), "header")
		}
		equal(m.Timestamp.UnixMilli(), someTimeMs+int64(i), "timestamp")
	}
}

func appendTime() {
	topic := create("append-time", 1, map[string]*string{"message.timestamp.type": text("LogAppendTime")})
	m := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("v"), Timestamp: time.UnixMilli(someTimeMs)}
	send(config(), []*sarama.ProducerMessage{m})
	found := read(topic, 1, 1, 0, config())[0][0]
	equal(time.Since(found.Timestamp).Abs() < time.Minute, true, "near to now")
}

func offsets() {
	topic := create("times", 1, nil)
	for i := int64(0); i < 100; i += 10 {
		var messages []*sarama.ProducerMessage
		for j := i; j < i+10; j++ {
			messages = append(messages, &sarama.ProducerMessage{Topic: topic, Timestamp: time.UnixMilli(someTimeMs + 10*j)})
		}
		send(config(), messages)
	}
	client := value(sarama.NewClient(bootstrap, config()))
	defer client.Close()
	equal(value(client.GetOffset(topic, 0, sarama.OffsetOldest)), 0, "oldest")
	equal(value(client.GetOffset(topic, 0, sarama.OffsetNewest)), 100, "newest")
	equal(value(client.GetOffset(topic, 0, someTimeMs+495)), 50, "by time")
	listed := value(admin.ListOffsets(map[string]map[int32]int64{topic: {0: sarama.OffsetNewest}}, nil))
	equal(listed[topic][0].Offset, 100, "newest by the admin client")
	read(topic, 1, 10, 90, config())
}

func deleteRecords() {
	topic := create("trim", 2, nil)
	roundTrip(topic, 2, 100, config())
	must(admin.DeleteRecords(topic, map[int32]int64{0: 20, 1: -1}))
	client := value(sarama.NewClient(bootstrap, config()))
	defer client.Close()
	equal(value(client.GetOffset(topic, 0, sarama.OffsetOldest)), 20, "oldest of 0")
	equal(value(client.GetOffset(topic, 1, sarama.OffsetOldest)), 50, "oldest of 1")
	equal(admin.DeleteRecords(topic, map[int32]int64{0: 1000}) == nil, false, "beyond the end is taken")
}

func logDirs() {
	topic := create("dirs", 3, nil)
	brokers, _, err := admin.DescribeCluster()
	must(err)
	var ids []int32
	for _, broker := range brokers {
		ids = append(ids, broker.ID())
	}
	found := 0
	for _, dirs := range value(admin.DescribeLogDirs(ids)) {
		for _, dir := range dirs {
			for _, t := range dir.Topics {
				if t.Topic == topic {
					found += len(t.Partitions)
				}
			}
		}
	}
	equal(found, 3, "partitions")
}

func cluster() {
	brokers, controller, err := admin.DescribeCluster()
	must(err)
	known := false
	for _, broker := range brokers {
		known = known || broker.ID() == controller
	}
	equal(known, true, "the controller is a broker")
}

func outOfRange() {
	consumer := value(sarama.NewConsumer(bootstrap, config()))
	defer consumer.Close()
	_, err := consumer.ConsumePartition(create("range", 1, nil), 0, 1000)
	fails(err, sarama.ErrOffsetOutOfRange, "consume")
}

func firstError(err error) error {
	var several sarama.ProducerErrors
	if errors.As(err, &several) {
		return several[0].Err
	}
	return err
}

func tooLarge() {
	topic := create("small", 1, map[string]*string{"max.message.bytes": text("1000")})
	producer := value(sarama.NewSyncProducer(bootstrap, config()))
	defer producer.Close()
	_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(make([]byte, 5000))})
	fails(firstError(err), sarama.ErrMessageSizeTooLarge, "produce")
	_, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(make([]byte, 500))})
	must(err)
	equal(offset, 0, "offset of one that fits")
}

func unknownTopic() {
	c := config()
	c.Metadata.Retry.Max, c.Producer.Retry.Max = 1, 1
	producer := value(sarama.NewSyncProducer(bootstrap, c))
	defer producer.Close()
	_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "nowhere-" + run, Value: sarama.StringEncoder("v")})
	fails(firstError(err), sarama.ErrUnknownTopicOrPartition, "produce")
}

func onDemand() {
	c := config()
	c.Metadata.AllowAutoTopicCreation = true
	send(c, []*sarama.ProducerMessage{{Topic: "demand-" + run, Value: sarama.StringEncoder("v")}})
}

func large() {
	topic := create("large", 1, nil)
	for i := byte(0); i < 10; i++ {
		send(config(), []*sarama.ProducerMessage{{Topic: topic, Value: sarama.ByteEncoder(bytes.Repeat([]byte{i}, 900000))}})
	}
	for i, m := range read(topic, 1, 10, 0, config())[0] {
		equal(bytes.Equal(m.Value, bytes.Repeat([]byte{byte(i)}, 900000)), true, "value as sent")
	}
}

func committed() {
	topic := create("committed", 1, nil)
	roundTrip(topic, 1, 100, config())
	c := config()
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	read(topic, 1, 100, 0, c)
}

// versions makes the same round trip as clients of older Kafka versions, each with the requests of its time.
func versions() {
	for _, version := range []sarama.KafkaVersion{sarama.V0_11_0_0, sarama.V1_0_0_0, sarama.V1_1_0_0, sarama.V2_0_0_0, sarama.V2_1_0_0,
		sarama.V2_4_0_0, sarama.V2_8_0_0, sarama.V3_0_0_0, sarama.V3_6_0_0} {
		c := config()
		c.Version = version
		topic := create("as-"+strings.ReplaceAll(version.String(), ".", "-"), 2, nil)
		roundTrip(topic, 2, 200, c)
		read(topic, 2, 200, 0, c)
	}
}

func codec(c sarama.CompressionCodec) func() {
	return trip("codec-"+c.String(), 4, records, func(config *sarama.Config) { config.Producer.Compression = c })
}

func acks(name string, a sarama.RequiredAcks) func() {
	return trip(name, 4, records, func(c *sarama.Config) { c.Producer.RequiredAcks = a })
}

func idempotent(c *sarama.Config) {
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
}

var cases = []struct {
	name string
	act  func()
}{
	{"cluster", cluster},
	{"topics: create, list, describe, delete", topicLife},
	{"partitions: add", morePartitions},
	{"configs: describe and alter a topic", topicConfigs},
	{"configs: describe a broker", brokerConfigs},
	{"produce: acks=0", acks("acks0", sarama.NoResponse)},
	{"produce: acks=1", acks("acks1", sarama.WaitForLocal)},
	{"produce: acks=all", acks("acksall", sarama.WaitForAll)},
	{"produce: idempotent", trip("idempotent", 4, records, idempotent)},
	{"codec: none", codec(sarama.CompressionNone)},
	{"codec: gzip", codec(sarama.CompressionGZIP)},
	{"codec: snappy", codec(sarama.CompressionSnappy)},
	{"codec: lz4", codec(sarama.CompressionLZ4)},
	{"codec: zstd", codec(sarama.CompressionZSTD)},
	{"produce: topic made on demand", onDemand},
	{"produce: 100 partitions", trip("hundred", 100, records, nil)},
	{"headers, null and empty keys and values, timestamps", forms},
	{"timestamps: LogAppendTime", appendTime},
	{"offsets: earliest, latest, by time", offsets},
	{"consume: read_committed", committed},
	{"consume: offset out of range", outOfRange},
	{"errors: too large for the topic", tooLarge},
	{"errors: unknown topic", unknownTopic},
	{"large records", large},
	{"delete records", deleteRecords},
	{"log dirs", logDirs},
	{"as a client of 0.11 to 3.6", versions},
}

func one(name string, act func()) {
	defer func() {
		if e := recover(); e != nil {
			fmt.Printf("%s\tfail\t%s\n", name, strings.NewReplacer("\n", " ", "\t", " ").Replace(fmt.Sprint(e)))
		} else {
			fmt.Printf("%s\tpass\n", name)
		}
	}()
	act()
}

func main() {
	sarama.Logger = log.New(io.Discard, "", 0)
	admin = value(sarama.NewClusterAdmin(bootstrap, config()))
	for _, c := range cases {
		one(c.name, c.act)
	}
}
