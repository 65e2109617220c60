// sarama: produce, consume by assignment, admin. One line for each check: ok NAME or FAILED NAME: why.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"
)

const count = 300

var firstTime = time.UnixMilli(1_700_000_000_000)

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	return config
}

func topics(admin sarama.ClusterAdmin) error {
	retention := "100000"
	detail := &sarama.TopicDetail{NumPartitions: 4, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention}}
	if err := admin.CreateTopic("sa", detail, false); err != nil {
		return err
	}
	if err := admin.CreateTopic("sa", detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("a topic was created twice: %v", err)
	}
	if err := admin.CreateTopic("gone", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
		return err
	}
	if err := admin.CreatePartitions("gone", 3, nil, false); err != nil {
		return err
	}
	described, err := admin.DescribeTopics([]string{"gone", "sa"})
	if err != nil || len(described) != 2 || len(described[0].Partitions) != 3 || len(described[1].Partitions) != 4 {
		return fmt.Errorf("topics: %v %v", err, described)
	}
	if err := admin.DeleteTopic("gone"); err != nil {
		return err
	}
	listed, err := admin.ListTopics()
	if err != nil || listed["sa"].NumPartitions != 4 {
		return fmt.Errorf("list: %v %v", err, listed)
	}
	brokers, _, err := admin.DescribeCluster()
	if err != nil || len(brokers) == 0 {
		return fmt.Errorf("cluster: %v %v", err, brokers)
	}
	_, err = admin.DescribeLogDirs([]int32{brokers[0].ID()})
	return err
}

func configs(admin sarama.ClusterAdmin) error {
	value := func() string {
		entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: "sa", ConfigNames: []string{"retention.ms"}})
		if err != nil || len(entries) != 1 {
			return fmt.Sprint(err, entries)
		}
		return entries[0].Value
	}
	if found := value(); found != "100000" {
		return fmt.Errorf("retention.ms is %s", found)
	}
	next := "200000"
	err := admin.IncrementalAlterConfig(sarama.TopicResource, "sa", map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &next}}, false)
	if err != nil {
		return err
	}
	if found := value(); found != next {
		return fmt.Errorf("retention.ms is %s after altering", found)
	}
	return nil
}

func codec(bootstrap string, admin sarama.ClusterAdmin, with sarama.CompressionCodec) error {
	topic := "sa-" + with.String()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
		return err
	}
	config := settings()
	config.Producer.Compression = with
	config.Producer.Flush.Frequency = 10 * time.Millisecond
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	var sent []*sarama.ProducerMessage
	for i := 0; i < count; i++ {
		message := &sarama.ProducerMessage{Topic: topic, Timestamp: firstTime.Add(time.Duration(i) * time.Millisecond),
			Key: sarama.StringEncoder(fmt.Sprintf("key-%d", i)), Value: sarama.ByteEncoder(bytes.Repeat([]byte("value "), i%20))}
		if i%3 == 0 {
			message.Headers = []sarama.RecordHeader{{Key: []byte("name"), Value: []byte("text")}}
		}
		sent = append(sent, message)
	}
	if err := producer.SendMessages(sent); err != nil {
		return err
	}
	consumer, err := sarama.NewConsumer([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer partition.Close()
	for i := 0; i < count; i++ {
		select {
		case found := <-partition.Messages():
			wanted := sent[found.Offset]
			key, _ := wanted.Key.Encode()
			value, _ := wanted.Value.Encode()
			if found.Offset != int64(i) || !bytes.Equal(found.Key, key) || !bytes.Equal(found.Value, value) ||
				len(found.Headers) != len(wanted.Headers) || !found.Timestamp.Equal(wanted.Timestamp) {
				return fmt.Errorf("offset %d: %v came back for %v", found.Offset, found, wanted)
			}
		case <-time.After(10 * time.Second):
			return fmt.Errorf("nothing at offset %d within 10 s", i)
		}
	}
	return nil
}

func offsets(bootstrap string, admin sarama.ClusterAdmin) error {
	client, err := sarama.NewClient([]string{bootstrap}, settings())
	if err != nil {
		return err
	}
	defer client.Close()
	expect := func(time int64, wanted int64) error {
		found, err := client.GetOffset("sa-none", 0, time)
		if err != nil || found != wanted {
			return fmt.Errorf("offset of %d: %d %v, expected %d", time, found, err, wanted)
		}
		return nil
	}
	if err := errors.Join(expect(sarama.OffsetNewest, count), expect(firstTime.UnixMilli()+100, 100)); err != nil {
		return err
	}
	if err := admin.DeleteRecords("sa-none", map[int32]int64{0: 20}); err != nil {
		return err
	}
	return expect(sarama.OffsetOldest, 20)
}

func main() {
	bootstrap := os.Args[1]
	failed := false
	check := func(name string, err error) {
		if err != nil {
			failed = true
			fmt.Printf("FAILED %s: %v\n", name, err)
		} else {
			fmt.Printf("ok %s\n", name)
		}
	}
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, settings())
	if err != nil {
		check("connect", err)
		os.Exit(1)
	}
	check("topics", topics(admin))
	check("configs", configs(admin))
	for _, with := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
		sarama.CompressionLZ4, sarama.CompressionZSTD} {
		check("codec "+with.String(), codec(bootstrap, admin, with))
	}
	check("offsets", offsets(bootstrap, admin))
	if failed {
		os.Exit(1)
	}
}
