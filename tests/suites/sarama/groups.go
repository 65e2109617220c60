// Groups and transactions of sarama: joining, rebalancing, committing, administration.
package main

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const groupPartitions = 6

// member is one consumer of a group; everything it is given or reads goes to the crew.
type member struct {
	crew    *crew
	id      int
	group   sarama.ConsumerGroup
	cancel  context.CancelFunc
	stopped chan struct{}
}

// crew is what the members of one group did, by member and by partition.
type crew struct {
	sync.Mutex
	topic, group string
	owned        map[int][]int32
	seen         map[int32][]int64
	generation   int32
	next         int
}

func newCrew(name string) *crew {
	return &crew{topic: create(name, groupPartitions, nil), group: "group-" + name + "-" + run, owned: map[int][]int32{},
		seen: map[int32][]int64{}}
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.crew.Lock()
	defer m.crew.Unlock()
	m.crew.owned[m.id], m.crew.generation = session.Claims()[m.crew.topic], session.GenerationID()
	return nil
}

func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	m.crew.Lock()
	defer m.crew.Unlock()
	delete(m.crew.owned, m.id)
	session.Commit()
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.crew.Lock()
			m.crew.seen[message.Partition] = append(m.crew.seen[message.Partition], message.Offset)
			m.crew.Unlock()
			session.MarkMessage(message, "read")
		case <-session.Context().Done():
			return nil
		}
	}
}

func groupConfig(change func(*sarama.Config)) *sarama.Config {
	c := config()
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Interval = 50 * time.Millisecond
	c.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond
	c.Consumer.Group.Session.Timeout = 10 * time.Second
	if change != nil {
		change(c)
	}
	return c
}

func (c *crew) join(change func(*sarama.Config)) *member {
	ctx, cancel := context.WithCancel(context.Background())
	c.next++
	m := &member{crew: c, id: c.next, group: value(sarama.NewConsumerGroup(bootstrap, c.group, groupConfig(change))),
		cancel: cancel, stopped: make(chan struct{})}
	go func() {
		defer close(m.stopped)
		for ctx.Err() == nil {
			if err := m.group.Consume(ctx, []string{c.topic}, m); err != nil {
				time.Sleep(50 * time.Millisecond)
			}
		}
	}()
	return m
}

func (m *member) leave() {
	m.cancel()
	<-m.stopped
	must(m.group.Close())
}

// until waits for a condition on what the crew did.
func (c *crew) until(what string, holds func() bool) {
	for deadline := time.Now().Add(waitFor); ; time.Sleep(20 * time.Millisecond) {
		c.Lock()
		done := holds()
		c.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			c.Lock()
			defer c.Unlock()
			panic(fmt.Errorf("%s: not within %v; owned %v", what, waitFor, c.owned))
		}
	}
}

// shared is true when so many members have all partitions between them, none twice, and nobody more than one more.
func (c *crew) shared(members int) bool {
	var all []int
	least, most := groupPartitions, 0
	for _, parts := range c.owned {
		for _, p := range parts {
			all = append(all, int(p))
		}
		least, most = min(least, len(parts)), max(most, len(parts))
	}
	sort.Ints(all)
	for i, p := range all {
		if i != p {
			return false
		}
	}
	return len(c.owned) == members && len(all) == groupPartitions && most-least <= 1
}

func (c *crew) produce(count int) {
	settings := config()
	idempotent(settings) // a retry must not look like a record that was read twice
	var messages []*sarama.ProducerMessage
	for i := 0; i < count; i++ {
		messages = append(messages, &sarama.ProducerMessage{Topic: c.topic, Partition: int32(i % groupPartitions),
			Value: sarama.StringEncoder(fmt.Sprint("value ", i))})
	}
	send(settings, messages)
}

func (c *crew) read() (count int) {
	for _, offsets := range c.seen {
		count += len(offsets)
	}
	return
}

// inOrder checks that each partition was read from its start, nothing twice.
func (c *crew) inOrder() {
	for p, offsets := range c.seen {
		for i, offset := range offsets {
			equal(offset, i, fmt.Sprint("offset in partition ", p))
		}
	}
}

func groupLife() {
	c := newCrew("group-life")
	c.produce(600)
	first := c.join(nil)
	c.until("all read", func() bool { return c.read() == 600 })
	first.leave()
	c.produce(300)
	second := c.join(nil)
	c.until("the rest read", func() bool { return c.read() >= 900 })
	second.leave()
	equal(c.read(), 900, "records, none a second time")
	c.inOrder()
}

func groupRebalance(change func(*sarama.Config)) func() {
	return func() {
		name := "rebalance"
		if change != nil {
			probe := config()
			change(probe)
			name += "-" + probe.Consumer.Group.Rebalance.GroupStrategies[0].Name()
		}
		c := newCrew(name)
		first := c.join(change)
		c.until("one has all", func() bool { return c.shared(1) })
		second, third := c.join(change), c.join(change)
		c.until("three share", func() bool { return c.shared(3) })
		c.produce(600)
		c.until("all read", func() bool { return c.read() == 600 })
		second.leave()
		c.until("two share", func() bool { return c.shared(2) })
		first.leave()
		c.until("one has all again", func() bool { return c.shared(1) })
		third.leave()
		c.inOrder()
	}
}

func strategy(s sarama.BalanceStrategy) func(*sarama.Config) {
	return func(c *sarama.Config) { c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{s} }
}

func groupStatic() {
	c := newCrew("static")
	fixed := func(config *sarama.Config) { config.Consumer.Group.InstanceId = "box" }
	first := c.join(fixed)
	c.until("it has all", func() bool { return c.shared(1) })
	before := c.generation
	first.leave() // a static member leaves nothing behind but its place
	second := c.join(fixed)
	c.until("it has all again", func() bool { return c.shared(1) })
	equal(c.generation, before, "generation")
	second.leave()
	described := value(admin.DescribeConsumerGroups([]string{c.group}))[0]
	equal(len(described.Members), 1, "members")
	removed := value(admin.RemoveMemberFromConsumerGroup(c.group, []string{"box"}))
	equal(removed.Err, sarama.ErrNoError, "removing it")
}

func groupAdministration() {
	c := newCrew("admin")
	c.produce(60)
	m := c.join(nil)
	c.until("all read", func() bool { return c.read() == 60 })
	_, listed := value(admin.ListConsumerGroups())[c.group]
	equal(listed, true, "listed")
	described := value(admin.DescribeConsumerGroups([]string{c.group}))[0]
	equal(fmt.Sprint(described.State, len(described.Members)), "Stable1", "state and members")
	fails(admin.DeleteConsumerGroup(c.group), sarama.ErrNonEmptyGroup, "deleting a group with members")
	fails(admin.DeleteConsumerGroupOffset(c.group, c.topic, 0), sarama.ErrGroupSubscribedToTopic, "deleting what it reads")
	m.leave()
	offsets := value(admin.ListConsumerGroupOffsets(c.group, map[string][]int32{c.topic: {0, 1}}))
	equal(offsets.GetBlock(c.topic, 1).Offset, 10, "committed offset")
	equal(offsets.GetBlock(c.topic, 1).Metadata, "read", "metadata")
	must(admin.DeleteConsumerGroupOffset(c.group, c.topic, 0))
	offsets = value(admin.ListConsumerGroupOffsets(c.group, map[string][]int32{c.topic: {0, 1}}))
	equal(offsets.GetBlock(c.topic, 0).Offset, -1, "deleted offset")
	must(admin.DeleteConsumerGroup(c.group))
	_, listed = value(admin.ListConsumerGroups())[c.group]
	equal(listed, false, "listed after delete")
	fails(admin.DeleteConsumerGroup(c.group), sarama.ErrGroupIDNotFound, "deleting it a second time")
}

// simpleOffsets commits without joining.
func simpleOffsets() {
	topic, group := create("simple", 2, nil), "simple-"+run
	c := groupConfig(nil)
	client := value(sarama.NewClient(bootstrap, c))
	defer client.Close()
	manager := value(sarama.NewOffsetManagerFromClient(group, client))
	part := value(manager.ManagePartition(topic, 1))
	part.MarkOffset(42, "note")
	manager.Commit()
	must(part.Close())
	must(manager.Close())
	manager = value(sarama.NewOffsetManagerFromClient(group, client))
	part = value(manager.ManagePartition(topic, 1))
	offset, note := part.NextOffset()
	equal(fmt.Sprint(offset, note), "42note", "offset and metadata")
	must(part.Close())
	must(manager.Close())
}

func transactional(id string) sarama.SyncProducer {
	c := config()
	idempotent(c)
	c.Producer.Transaction.ID = id + "-" + run
	return value(sarama.NewSyncProducer(bootstrap, c))
}

func committedConfig() *sarama.Config {
	c := config()
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	return c
}

func transactions() {
	topic, control := create("txn", 2, nil), create("txn-after", 1, nil)
	producer := transactional("txn")
	for i := 0; i < 10; i++ {
		must(producer.BeginTxn())
		for p := int32(0); p < 2; p++ {
			_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Partition: p, Value: sarama.StringEncoder(fmt.Sprint(i))})
			must(err)
		}
		if i%2 == 0 {
			must(producer.CommitTxn())
		} else {
			must(producer.AbortTxn())
		}
	}
	must(producer.Close())
	consumer := value(sarama.NewConsumer(bootstrap, committedConfig()))
	defer consumer.Close()
	for p := int32(0); p < 2; p++ {
		part := value(consumer.ConsumePartition(topic, p, sarama.OffsetOldest))
		for i := 0; i < 10; i += 2 {
			select {
			case m := <-part.Messages():
				equal(string(m.Value), i, "value of a committed transaction")
			case <-time.After(waitFor):
				panic(fmt.Errorf("no record of transaction %d in partition %d", i, p))
			}
		}
		must(part.Close())
	}
	roundTrip(control, 1, 10, config())
}

// fenced checks that a producer gives way to the next one of its id.
func fenced() {
	topic := create("fenced", 1, nil)
	message := func(text string) *sarama.ProducerMessage {
		return &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(text)}
	}
	old := transactional("fenced")
	must(old.BeginTxn())
	_, _, err := old.SendMessage(message("old"))
	must(err)
	fresh := transactional("fenced")
	must(fresh.BeginTxn())
	_, _, err = fresh.SendMessage(message("fresh"))
	must(err)
	must(fresh.CommitTxn())
	equal(old.CommitTxn() == nil, false, "the old one commits")
	must(fresh.Close())
	old.Close()
	consumer := value(sarama.NewConsumer(bootstrap, committedConfig()))
	defer consumer.Close()
	part := value(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer part.Close()
	select {
	case m := <-part.Messages():
		equal(string(m.Value), "fresh", "the only record")
	case <-time.After(waitFor):
		panic("no record")
	}
}

func transactionalOffsets() {
	topic, group := create("txn-offsets", 1, nil), "txn-offsets-"+run
	send(config(), []*sarama.ProducerMessage{{Topic: topic, Value: sarama.StringEncoder("in")}})
	producer := transactional("txn-offsets")
	committed := func() int64 {
		return value(admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}})).GetBlock(topic, 0).Offset
	}
	for i, end := range []func() error{producer.AbortTxn, producer.CommitTxn} {
		must(producer.BeginTxn())
		offsets := map[string][]*sarama.PartitionOffsetMetadata{topic: {{Partition: 0, Offset: int64(7 + i)}}}
		must(producer.AddOffsetsToTxn(offsets, group))
		must(end())
		for deadline := time.Now().Add(waitFor); i == 1 && committed() != 8 && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
		equal(committed(), []int{-1, 8}[i], "committed offset")
	}
	must(producer.Close())
}

func init() {
	cases = append(cases, []struct {
		name string
		act  func()
	}{
		{"groups: join, commit, go on", groupLife},
		{"groups: rebalance, range", groupRebalance(strategy(sarama.NewBalanceStrategyRange()))},
		{"groups: rebalance, round robin", groupRebalance(strategy(sarama.NewBalanceStrategyRoundRobin()))},
		{"groups: rebalance, sticky", groupRebalance(strategy(sarama.NewBalanceStrategySticky()))},
		{"groups: a static member comes back", groupStatic},
		{"groups: list, describe, delete, offsets", groupAdministration},
		{"groups: offsets without joining", simpleOffsets},
		{"transactions: commit and abort", transactions},
		{"transactions: the newer producer wins", fenced},
		{"transactions: offsets of a group", transactionalOffsets},
	}...)
}
