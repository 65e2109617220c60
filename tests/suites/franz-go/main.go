// The cases of franz-go: BOOTSTRAP as the only argument, one line per case, see suite.py.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	records    = 5000
	waitFor    = 20 * time.Second
	someTimeMs = 1600000000000
)

var (
	bootstrap = os.Args[1]
	run       = fmt.Sprintf("%08x", time.Now().UnixNano()&0xffffffff)
)

type skipped string

func (s skipped) Error() string { return string(s) }

func must(err error) {
	if err != nil {
		panic(err)
	}
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

func client(options ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap),
		kgo.FetchMaxWait(200 * time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
	must(err)
	return cl
}

func limit() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), waitFor)
	time.AfterFunc(waitFor, cancel)
	return ctx
}

func create(adm *kadm.Client, name string, partitions int32, configs map[string]*string) string {
	topic := name + "-" + run
	_, err := adm.CreateTopic(limit(), partitions, 1, configs, topic)
	must(err)
	return topic
}

func at(topic string, partitions int, offset kgo.Offset) map[string]map[int32]kgo.Offset {
	places := map[int32]kgo.Offset{}
	for p := 0; p < partitions; p++ {
		places[int32(p)] = offset
	}
	return map[string]map[int32]kgo.Offset{topic: places}
}

// read returns the first count records of a topic by partition; their offsets count from zero.
func read(topic string, partitions, count int, options ...kgo.Opt) [][]*kgo.Record {
	cl := client(append(options, kgo.ConsumePartitions(at(topic, partitions, kgo.NewOffset().AtStart())))...)
	defer cl.Close()
	found, n, ctx := make([][]*kgo.Record, partitions), 0, limit()
	for n < count {
		fetches := cl.PollFetches(ctx)
		must(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			equal(r.Offset, len(found[r.Partition]), "offset")
			found[r.Partition] = append(found[r.Partition], r)
			n++
		})
	}
	equal(n, count, "records read")
	return found
}

func roundTrip(topic string, partitions, count int, options ...kgo.Opt) {
	sent := make([][]*kgo.Record, partitions)
	cl := client(options...)
	for i := 0; i < count; i++ {
		r := &kgo.Record{Topic: topic, Partition: int32(i % partitions), Key: []byte(fmt.Sprint("key ", i)),
			Value: append([]byte(fmt.Sprint("value ", i)), bytes.Repeat([]byte("x"), i%300)...)}
		sent[i%partitions] = append(sent[i%partitions], r)
		cl.Produce(limit(), r, func(_ *kgo.Record, err error) { must(err) })
	}
	must(cl.Flush(limit()))
	cl.Close()
	for p, found := range read(topic, partitions, count) {
		for i, r := range found {
			if !bytes.Equal(r.Key, sent[p][i].Key) || !bytes.Equal(r.Value, sent[p][i].Value) {
				panic(fmt.Errorf("partition %d, offset %d differs from what was sent", p, i))
			}
		}
	}
}

func text(value string) *string { return &value }

func topicLife(adm *kadm.Client) {
	topic := create(adm, "life", 3, nil)
	details, err := adm.ListTopics(limit(), topic)
	must(err)
	equal(len(details[topic].Partitions), 3, "partitions")
	equal(details[topic].ID == kadm.TopicID{}, false, "topic id is zero")
	_, err = adm.CreateTopic(limit(), 3, 1, nil, topic)
	fails(err, kerr.TopicAlreadyExists, "a second time")
	_, err = adm.CreateTopic(limit(), 1, 30, nil, topic+"x")
	fails(err, kerr.InvalidReplicationFactor, "30 replicas")
	_, err = adm.CreateTopic(limit(), 0, 1, nil, topic+"x")
	fails(err, kerr.InvalidPartitions, "0 partitions")
	_, err = adm.CreateTopic(limit(), 1, 1, nil, "no spaces")
	fails(err, kerr.InvalidTopicException, "a bad name")
	_, err = adm.CreateTopic(limit(), 1, 1, map[string]*string{"no.such": text("1")}, topic+"x")
	fails(err, kerr.InvalidConfig, "a bad setting")
	_, err = adm.DeleteTopic(limit(), topic)
	must(err)
	_, err = adm.DeleteTopic(limit(), topic)
	fails(err, kerr.UnknownTopicOrPartition, "deleting a second time")
}

func morePartitions(adm *kadm.Client) {
	topic := create(adm, "grow", 1, nil)
	answers, err := adm.UpdatePartitions(limit(), 5, topic)
	must(err)
	must(answers.Error())
	answers, err = adm.UpdatePartitions(limit(), 2, topic)
	must(err)
	fails(answers.Error(), kerr.InvalidPartitions, "fewer partitions")
	roundTrip(topic, 5, 500)
}

func topicConfigs(adm *kadm.Client) {
	topic := create(adm, "conf", 1, map[string]*string{"retention.ms": text("3600000")})
	value := func(name string) string {
		described, err := adm.DescribeTopicConfigs(limit(), topic)
		must(err)
		resource, err := described.On(topic, nil)
		must(err)
		must(resource.Err)
		for _, config := range resource.Configs {
			if config.Key == name {
				return config.MaybeValue()
			}
		}
		return "missing"
	}
	equal(value("retention.ms"), 3600000, "retention.ms")
	answers, err := adm.AlterTopicConfigs(limit(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes",
		Value: text("65536")}, {Op: kadm.AppendConfig, Name: "cleanup.policy", Value: text("compact")}}, topic)
	must(err)
	_, err = answers.On(topic, nil)
	must(err)
	must(answers[0].Err)
	equal(value("max.message.bytes"), 65536, "max.message.bytes")
	equal(value("retention.ms"), 3600000, "retention.ms after")
	equal(value("cleanup.policy"), "delete,compact", "cleanup.policy")
	answers, err = adm.AlterTopicConfigs(limit(), []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "retention.ms"}}, topic)
	must(err)
	must(answers[0].Err)
	equal(value("retention.ms"), 604800000, "retention.ms by default")
	answers, err = adm.AlterTopicConfigs(limit(), []kadm.AlterConfig{{Name: "retention.ms", Value: text("soon")}}, topic)
	must(err)
	fails(answers[0].Err, kerr.InvalidConfig, "a bad value")
	answers, err = adm.AlterTopicConfigsState(limit(), []kadm.AlterConfig{{Name: "retention.bytes", Value: text("1000000")}}, topic)
	must(err)
	must(answers[0].Err)
	equal(value("max.message.bytes"), 1048588, "what the whole state leaves out")
}

func brokerConfigs(adm *kadm.Client) {
	brokers, err := adm.ListBrokers(limit())
	must(err)
	described, err := adm.DescribeBrokerConfigs(limit(), brokers.NodeIDs()...)
	must(err)
	equal(len(described), len(brokers), "brokers described")
	for _, resource := range described {
		must(resource.Err)
		equal(len(resource.Configs) > 20, true, "more than 20 settings")
	}
}

func forms(adm *kadm.Client) {
	topic := create(adm, "forms", 1, nil)
	var bytes256 []byte
	for i := 0; i < 256; i++ {
		bytes256 = append(bytes256, byte(i))
	}
	headers := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}, {Key: "", Value: []byte{}},
		{Key: "\u00fc", Value: bytes256}, {Key: "null", Value: nil}}
	sent := []*kgo.Record{{}, {Key: []byte{}, Value: []byte{}, Headers: headers}, {Value: []byte("v")}, {Key: []byte("k")},
		{Key: []byte("k"), Value: []byte{}, Headers: headers[:1]}}
	cl := client()
	for i, r := range sent {
		r.Topic, r.Timestamp = topic, time.UnixMilli(someTimeMs+int64(i))
		must(cl.ProduceSync(limit(), r).FirstErr())
	}
	cl.Close()
	for i, r := range read(topic, 1, len(sent))[0] {
		equal(fmt.Sprintf("%#v %#v %#v", r.Key, r.Value, r.Headers),
			fmt.Sprintf("%#v %#v %#v", sent[i].Key, sent[i].Value, sent[i].Headers), fmt.Sprint("record ", i))
		equal(r.Timestamp.UnixMilli(), someTimeMs+int64(i), "timestamp")
		equal(r.Attrs.TimestampType(), 0, "timestamp type")
	}
}

func appendTime(adm *kadm.Client) {
	topic := create(adm, "append-time", 1, map[string]*string{"message.timestamp.type": text("LogAppendTime")})
	cl := client()
	must(cl.ProduceSync(limit(), &kgo.Record{Topic: topic, Timestamp: time.UnixMilli(someTimeMs), Value: []byte("v")}).FirstErr())
	cl.Close()
	r := read(topic, 1, 1)[0][0]
	equal(r.Attrs.TimestampType(), 1, "timestamp type")
	equal(time.Since(r.Timestamp).Abs() < time.Minute, true, "near to now")
}

func offsets(adm *kadm.Client) {
	topic := create(adm, "times", 1, nil)
	cl := client()
	defer cl.Close()
	for i := int64(0); i < 100; i++ {
		must(cl.ProduceSync(limit(), &kgo.Record{Topic: topic, Timestamp: time.UnixMilli(someTimeMs + 10*i)}).FirstErr())
	}
	check := func(listed kadm.ListedOffsets, err error, offset int64, what string) kadm.ListedOffset {
		must(err)
		must(listed.Error())
		found, _ := listed.Lookup(topic, 0)
		equal(found.Offset, offset, what)
		return found
	}
	listed, err := adm.ListStartOffsets(limit(), topic)
	check(listed, err, 0, "start")
	listed, err = adm.ListEndOffsets(limit(), topic)
	check(listed, err, 100, "end")
	listed, err = adm.ListCommittedOffsets(limit(), topic)
	check(listed, err, 100, "last stable")
	listed, err = adm.ListOffsetsAfterMilli(limit(), someTimeMs+495, topic)
	equal(check(listed, err, 50, "by time").Timestamp, someTimeMs+500, "its timestamp")
	listed, err = adm.ListMaxTimestampOffsets(limit(), topic)
	check(listed, err, 99, "largest timestamp")
	consumer := client(kgo.ConsumePartitions(at(topic, 1, kgo.NewOffset().AfterMilli(someTimeMs+895))))
	defer consumer.Close()
	equal(consumer.PollFetches(limit()).Records()[0].Offset, 90, "consuming from a time")
	consumer = client(kgo.ConsumePartitions(at(topic, 1, kgo.NewOffset().AtEnd().Relative(-5))))
	defer consumer.Close()
	equal(consumer.PollFetches(limit()).Records()[0].Offset, 95, "consuming the last five")
	var request kadm.OffsetForLeaderEpochRequest
	request.Add(topic, 0, 0)
	epochs, err := adm.OffsetForLeaderEpoch(limit(), request)
	must(err)
	equal(epochs[topic][0].Err, nil, "epoch")
	equal(epochs[topic][0].EndOffset, 100, "end of the epoch")
}

func deleteRecords(adm *kadm.Client) {
	topic := create(adm, "trim", 2, nil)
	roundTrip(topic, 2, 100)
	var places kadm.Offsets
	places.Add(kadm.Offset{Topic: topic, Partition: 0, At: 20, LeaderEpoch: -1})
	places.Add(kadm.Offset{Topic: topic, Partition: 1, At: -1, LeaderEpoch: -1})
	answers, err := adm.DeleteRecords(limit(), places)
	must(err)
	must(answers.Error())
	equal(answers[topic][0].LowWatermark, 20, "low watermark")
	equal(answers[topic][1].LowWatermark, 50, "low watermark of all")
	var beyond kadm.Offsets
	beyond.Add(kadm.Offset{Topic: topic, Partition: 0, At: 1000, LeaderEpoch: -1})
	answers, err = adm.DeleteRecords(limit(), beyond)
	must(err)
	fails(answers.Error(), kerr.OffsetOutOfRange, "beyond the end")
	cl := client(kgo.ConsumePartitions(at(topic, 1, kgo.NewOffset().AtStart())))
	defer cl.Close()
	equal(cl.PollFetches(limit()).Records()[0].Offset, 20, "first record")
}

func logDirs(adm *kadm.Client) {
	topic := create(adm, "dirs", 3, nil)
	roundTrip(topic, 3, 300)
	all, err := adm.DescribeAllLogDirs(limit(), nil)
	must(err)
	found, size := map[int32]bool{}, int64(0)
	all.Each(func(dir kadm.DescribedLogDir) {
		must(dir.Err)
		dir.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if p.Topic == topic {
				equal(found[p.Partition], false, "seen before")
				found[p.Partition], size = true, size+p.Size
			}
		})
	})
	equal(len(found), 3, "partitions")
	equal(size > 1000, true, "size above 1000")
}

func cluster(adm *kadm.Client) {
	meta, err := adm.BrokerMetadata(limit())
	must(err)
	equal(meta.Cluster == "", false, "no cluster id")
	equal(meta.Brokers.NodeIDs() != nil, true, "brokers")
	versions, err := adm.ApiVersions(limit())
	must(err)
	equal(len(versions), len(meta.Brokers), "brokers that answered")
	versions.Each(func(v kadm.BrokerApiVersions) { must(v.Err) })
}

func producers(adm *kadm.Client) {
	topic := create(adm, "producers", 1, nil)
	roundTrip(topic, 1, 10)
	described, err := adm.DescribeProducers(limit(), kadm.TopicsSet{topic: {0: {}}})
	if err != nil && strings.Contains(err.Error(), "broker is too old") {
		panic(skipped("the broker does not offer DescribeProducers"))
	}
	must(err)
	must(described[topic].Partitions[0].Err)
	equal(len(described[topic].Partitions[0].ActiveProducers), 1, "producers")
}

func outOfRange(adm *kadm.Client) {
	topic := create(adm, "range", 1, nil)
	cl := client(kgo.ConsumePartitions(at(topic, 1, kgo.NewOffset().At(1000))), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	defer cl.Close()
	fails(cl.PollFetches(limit()).Err(), kerr.OffsetOutOfRange, "fetch")
}

func tooLarge(adm *kadm.Client) {
	topic := create(adm, "small", 1, map[string]*string{"max.message.bytes": text("1000")})
	cl := client(kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer cl.Close()
	err := cl.ProduceSync(limit(), &kgo.Record{Topic: topic, Value: make([]byte, 5000)}).FirstErr()
	fails(err, kerr.MessageTooLarge, "produce")
	must(cl.ProduceSync(limit(), &kgo.Record{Topic: topic, Value: make([]byte, 500)}).FirstErr())
}

func unknownTopic(_ *kadm.Client) {
	cl := client(kgo.UnknownTopicRetries(1), kgo.RecordRetries(2))
	defer cl.Close()
	err := cl.ProduceSync(limit(), &kgo.Record{Topic: "nowhere-" + run, Value: []byte("v")}).FirstErr()
	fails(err, kerr.UnknownTopicOrPartition, "produce")
}

func onDemand(_ *kadm.Client) {
	cl := client(kgo.AllowAutoTopicCreation())
	defer cl.Close()
	result := cl.ProduceSync(limit(), &kgo.Record{Topic: "demand-" + run, Value: []byte("v")})
	must(result.FirstErr())
	equal(result[0].Record.Offset, 0, "offset")
}

func large(adm *kadm.Client) {
	topic := create(adm, "large", 1, nil)
	cl := client(kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := byte(0); i < 20; i++ {
		must(cl.ProduceSync(limit(), &kgo.Record{Topic: topic, Value: bytes.Repeat([]byte{i}, 900000)}).FirstErr())
	}
	cl.Close()
	for i, r := range read(topic, 1, 20)[0] {
		equal(bytes.Equal(r.Value, bytes.Repeat([]byte{byte(i)}, 900000)), true, "value as sent")
	}
}

func manyTopics(adm *kadm.Client) {
	var topics []string
	places := map[string]map[int32]kgo.Offset{}
	for i := 0; i < 200; i++ {
		topics = append(topics, fmt.Sprintf("one-of-many-%s-%d", run, i))
		places[topics[i]] = map[int32]kgo.Offset{0: kgo.NewOffset().AtStart()}
	}
	answers, err := adm.CreateTopics(limit(), 1, 1, nil, topics...)
	must(err)
	must(answers.Error())
	cl := client(kgo.ConsumePartitions(places))
	defer cl.Close()
	for _, topic := range topics {
		cl.Produce(limit(), &kgo.Record{Topic: topic, Value: []byte(topic)}, func(_ *kgo.Record, err error) { must(err) })
	}
	must(cl.Flush(limit()))
	for n, ctx := 0, limit(); n < len(topics); {
		fetches := cl.PollFetches(ctx)
		must(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			equal(string(r.Value), r.Topic, "value")
			n++
		})
	}
	deleted, err := adm.DeleteTopics(limit(), topics...)
	must(err)
	must(deleted.Error())
}

func trip(name string, partitions, count int, options ...kgo.Opt) func(*kadm.Client) {
	return func(adm *kadm.Client) {
		roundTrip(create(adm, name, int32(partitions), nil), partitions, count, options...)
	}
}

func codec(name string, c kgo.CompressionCodec) func(*kadm.Client) {
	return trip("codec-"+name, 4, records, kgo.ProducerBatchCompression(c), kgo.ProducerLinger(5*time.Millisecond))
}

var cases = []struct {
	name string
	act  func(*kadm.Client)
}{
	{"cluster, api versions", cluster},
	{"topics: create, list, describe, delete", topicLife},
	{"topics: 200 at once", manyTopics},
	{"partitions: add", morePartitions},
	{"configs: describe and alter a topic", topicConfigs},
	{"configs: describe a broker", brokerConfigs},
	{"produce: acks=0", trip("acks0", 4, records, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())},
	{"produce: acks=1", trip("acks1", 4, records, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())},
	{"produce: acks=all", trip("acksall", 4, records, kgo.DisableIdempotentWrite())},
	{"produce: idempotent", trip("idempotent", 4, 10*records)},
	{"codec: none", codec("none", kgo.NoCompression())},
	{"codec: gzip", codec("gzip", kgo.GzipCompression())},
	{"codec: snappy", codec("snappy", kgo.SnappyCompression())},
	{"codec: lz4", codec("lz4", kgo.Lz4Compression())},
	{"codec: zstd", codec("zstd", kgo.ZstdCompression())},
	{"produce: topic made on demand", onDemand},
	{"produce: 100 partitions", trip("hundred", 100, 2*records)},
	{"headers, null and empty keys and values, timestamps", forms},
	{"timestamps: LogAppendTime", appendTime},
	{"offsets: earliest, latest, by time, epoch", offsets},
	{"consume: read_committed", func(adm *kadm.Client) {
		topic := create(adm, "committed", 1, nil)
		roundTrip(topic, 1, 100)
		read(topic, 1, 100, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}},
	{"consume: offset out of range", outOfRange},
	{"errors: too large for the topic", tooLarge},
	{"errors: unknown topic", unknownTopic},
	{"large records", large},
	{"delete records", deleteRecords},
	{"log dirs", logDirs},
	{"describe producers", producers},
}

func one(name string, act func(*kadm.Client)) {
	cl := client()
	defer cl.Close()
	defer func() {
		switch e := recover().(type) {
		case nil:
			fmt.Printf("%s\tpass\n", name)
		case skipped:
			fmt.Printf("%s\tskip\t%s\n", name, e)
		default:
			fmt.Printf("%s\tfail\t%s\n", name, strings.NewReplacer("\n", " ", "\t", " ").Replace(fmt.Sprint(e)))
		}
	}()
	act(kadm.NewClient(cl))
}

func main() {
	for _, c := range cases {
		one(c.name, c.act)
	}
}
