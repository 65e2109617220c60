/* The cases of Kafka's Java clients: BOOTSTRAP as the only argument, one line per case, see suite.py. */

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class JavaCases {
    private static final int RECORDS = 5000;
    private static final int WAIT_S = 20;
    private static final long SOME_TIME_MS = 1600000000000L;
    private static final String RUN = String.format("%08x", System.nanoTime() & 0xffffffffL);

    private static String bootstrap;
    private static Admin admin;

    private interface Act {
        void run() throws Exception;
    }

    private static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private static void equal(Object found, Object expected, String what) {
        check(String.valueOf(found).equals(String.valueOf(expected)), what + ": found " + found + ", expected " + expected);
    }

    private static <T> T get(Future<T> future) throws Exception {
        return future.get(WAIT_S, TimeUnit.SECONDS);
    }

    private static void fails(Class<?> type, Future<?> future) throws Exception {
        try {
            get(future);
        } catch (ExecutionException e) {
            check(type.isInstance(e.getCause()), e.getCause() + " instead of " + type.getSimpleName());
            return;
        }
        throw new AssertionError("no " + type.getSimpleName());
    }

    private static String create(String name, int partitions, String... configs) throws Exception {
        String topic = name + "-" + RUN;
        Map<String, String> entries = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) {
            entries.put(configs[i], configs[i + 1]);
        }
        get(admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(entries))).all());
        return topic;
    }

    private static Map<String, Object> settings(Object... pairs) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) {
            all.put((String) pairs[i], pairs[i + 1]);
        }
        return all;
    }

    private static KafkaProducer<byte[], byte[]> producer(Object... pairs) {
        return new KafkaProducer<>(settings(pairs), new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Object... pairs) {
        return new KafkaConsumer<>(settings(pairs), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static List<TopicPartition> places(String topic, int partitions) {
        return IntStream.range(0, partitions).mapToObj(p -> new TopicPartition(topic, p)).collect(Collectors.toList());
    }

    private static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    /* The first records of a topic by partition; their offsets count from zero. */
    private static List<List<ConsumerRecord<byte[], byte[]>>> read(String topic, int partitions, int count, Object... pairs) {
        List<List<ConsumerRecord<byte[], byte[]>>> found = new ArrayList<>();
        for (int p = 0; p < partitions; p++) {
            found.add(new ArrayList<>());
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(pairs)) {
            consumer.assign(places(topic, partitions));
            consumer.seekToBeginning(consumer.assignment());
            int n = 0;
            for (long end = System.nanoTime() + WAIT_S * 1000000000L; n < count && System.nanoTime() < end; ) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    List<ConsumerRecord<byte[], byte[]>> records = found.get(record.partition());
                    equal(record.offset(), records.size(), "offset");
                    records.add(record);
                    n++;
                }
            }
            equal(n, count, "records read");
        }
        return found;
    }

    private static void roundTrip(String topic, int partitions, int count, Object... pairs) throws Exception {
        List<List<ProducerRecord<byte[], byte[]>>> sent = new ArrayList<>();
        for (int p = 0; p < partitions; p++) {
            sent.add(new ArrayList<>());
        }
        List<Future<RecordMetadata>> answers = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(pairs)) {
            for (int i = 0; i < count; i++) {
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, i % partitions, bytes("key " + i),
                    bytes("value " + i + "x".repeat(i % 300)));
                sent.get(i % partitions).add(record);
                answers.add(producer.send(record));
            }
            producer.flush();
            for (Future<RecordMetadata> answer : answers) {
                get(answer);
            }
        }
        List<List<ConsumerRecord<byte[], byte[]>>> found = read(topic, partitions, count);
        for (int p = 0; p < partitions; p++) {
            for (int i = 0; i < found.get(p).size(); i++) {
                check(Arrays.equals(found.get(p).get(i).key(), sent.get(p).get(i).key())
                    && Arrays.equals(found.get(p).get(i).value(), sent.get(p).get(i).value()),
                    "partition " + p + ", offset " + i + " differs from what was sent");
            }
        }
    }

    private static Act trip(String name, int partitions, int count, Object... pairs) {
        return () -> roundTrip(create(name, partitions), partitions, count, pairs);
    }

    private static void cluster() throws Exception {
        Collection<Node> nodes = get(admin.describeCluster().nodes());
        check(nodes.contains(get(admin.describeCluster().controller())), "the controller is no node");
        check(!get(admin.describeCluster().clusterId()).isEmpty(), "no cluster id");
        check(get(admin.describeFeatures().featureMetadata()) != null, "no features");
    }

    private static void topicLife() throws Exception {
        String topic = create("life", 3);
        check(get(admin.listTopics().names()).contains(topic), "not listed");
        TopicDescription description = get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
        equal(description.partitions().size(), 3, "partitions");
        check(!description.topicId().equals(Uuid.ZERO_UUID), "no topic id");
        Uuid id = description.topicId();
        equal(get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id).name(), topic, "name by id");
        fails(TopicExistsException.class, admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1))).all());
        fails(InvalidReplicationFactorException.class, admin.createTopics(List.of(new NewTopic(topic + "x", 1, (short) 30))).all());
        fails(InvalidTopicException.class, admin.createTopics(List.of(new NewTopic("no spaces", 1, (short) 1))).all());
        fails(InvalidPartitionsException.class, admin.createTopics(List.of(new NewTopic(topic + "x", 0, (short) 1))).all());
        fails(InvalidConfigurationException.class, admin.createTopics(
            List.of(new NewTopic(topic + "x", 1, (short) 1).configs(Map.of("no.such", "1")))).all());
        get(admin.createTopics(List.of(new NewTopic(topic + "x", 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all());
        check(!get(admin.listTopics().names()).contains(topic + "x"), "validated only, and there");
        Optional<Integer> none = Optional.empty();
        get(admin.createTopics(List.of(new NewTopic(topic + "d", none, Optional.empty()))).all());
        get(admin.deleteTopics(List.of(topic + "d")).all());
        get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
        fails(UnknownTopicIdException.class, admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
        fails(UnknownTopicOrPartitionException.class, admin.deleteTopics(List.of(topic)).all());
        fails(UnknownTopicOrPartitionException.class, admin.describeTopics(List.of(topic)).allTopicNames());
    }

    private static void describePages() throws Exception {
        String topic = create("pages", 50);
        TopicDescription description = get(admin.describeTopics(List.of(topic),
            new DescribeTopicsOptions().partitionSizeLimitPerResponse(7)).allTopicNames()).get(topic);
        equal(description.partitions().size(), 50, "partitions");
    }

    private static void morePartitions() throws Exception {
        String topic = create("grow", 1);
        get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all());
        fails(InvalidPartitionsException.class, admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all());
        roundTrip(topic, 5, 500);
    }

    private static ConfigEntry entry(ConfigResource resource, String name) throws Exception {
        DescribeConfigsOptions options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        Config config = get(admin.describeConfigs(List.of(resource), options).all()).get(resource);
        ConfigEntry found = config.get(name);
        check(found != null, name + " is missing");
        return found;
    }

    private static void alter(ConfigResource resource, String name, String value, AlterConfigOp.OpType type) throws Exception {
        get(admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), type)))).all());
    }

    private static void topicConfigs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, create("conf", 1, "retention.ms", "3600000"));
        ConfigEntry retention = entry(topic, "retention.ms");
        equal(retention.value(), "3600000", "retention.ms");
        equal(retention.source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "source");
        equal(retention.type(), ConfigEntry.ConfigType.LONG, "type");
        check(!retention.synonyms().isEmpty(), "no synonyms");
        equal(entry(topic, "max.message.bytes").source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG, "source of a default");
        alter(topic, "max.message.bytes", "65536", AlterConfigOp.OpType.SET);
        alter(topic, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        equal(entry(topic, "max.message.bytes").value(), "65536", "max.message.bytes");
        equal(entry(topic, "cleanup.policy").value(), "delete,compact", "cleanup.policy");
        alter(topic, "cleanup.policy", "delete", AlterConfigOp.OpType.SUBTRACT);
        equal(entry(topic, "cleanup.policy").value(), "compact", "cleanup.policy");
        alter(topic, "retention.ms", "", AlterConfigOp.OpType.DELETE);
        equal(entry(topic, "retention.ms").value(), "604800000", "retention.ms by default");
        fails(InvalidConfigurationException.class, admin.incrementalAlterConfigs(Map.of(topic,
            List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all());
    }

    private static void brokerConfigs() throws Exception {
        for (Node node : get(admin.describeCluster().nodes())) {
            ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, node.idString());
            check(get(admin.describeConfigs(List.of(broker)).all()).get(broker).entries().size() > 20, "not more than 20 settings");
        }
    }

    private static void onDemand() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            equal(get(producer.send(new ProducerRecord<>("demand-" + RUN, bytes("v")))).offset(), 0, "offset");
        }
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "null" : "'" + new String(bytes, StandardCharsets.ISO_8859_1) + "'";
    }

    private static String shown(byte[] key, byte[] value, Iterable<Header> headers) {
        StringBuilder all = new StringBuilder(text(key) + " " + text(value));
        headers.forEach(header -> all.append(" ").append(header.key()).append("=").append(text(header.value())));
        return all.toString();
    }

    private static void forms() throws Exception {
        String topic = create("forms", 1);
        byte[] all = new byte[256];
        for (int i = 0; i < all.length; i++) {
            all[i] = (byte) i;
        }
        String[][] forms = {{null, null}, {"", ""}, {null, "v"}, {"k", null}, {"k", ""}};
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            for (int i = 0; i < forms.length; i++) {
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, 0, SOME_TIME_MS + i, bytes(forms[i][0]), bytes(forms[i][1]));
                if (i % 2 == 1) {
                    record.headers().add("a", bytes("1")).add("a", bytes("2")).add("", new byte[0]).add("\u00fc", all).add("null", null);
                }
                sent.add(record);
                equal(get(producer.send(record)).timestamp(), SOME_TIME_MS + i, "timestamp in the answer");
            }
        }
        List<ConsumerRecord<byte[], byte[]>> found = read(topic, 1, forms.length).get(0);
        for (int i = 0; i < forms.length; i++) {
            ConsumerRecord<byte[], byte[]> record = found.get(i);
            equal(shown(record.key(), record.value(), record.headers()),
                shown(sent.get(i).key(), sent.get(i).value(), sent.get(i).headers()), "record " + i);
            equal(record.timestamp(), SOME_TIME_MS + i, "timestamp");
            equal(record.timestampType(), TimestampType.CREATE_TIME, "timestamp type");
        }
    }

    private static void appendTime() throws Exception {
        String topic = create("append-time", 1, "message.timestamp.type", "LogAppendTime");
        long answer;
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            answer = get(producer.send(new ProducerRecord<>(topic, 0, SOME_TIME_MS, null, bytes("v")))).timestamp();
        }
        ConsumerRecord<byte[], byte[]> record = read(topic, 1, 1).get(0).get(0);
        equal(record.timestampType(), TimestampType.LOG_APPEND_TIME, "timestamp type");
        equal(record.timestamp(), answer, "timestamp");
        check(Math.abs(System.currentTimeMillis() - answer) < 60000, "not near to now");
    }

    private static long offset(TopicPartition place, OffsetSpec spec) throws Exception {
        return get(admin.listOffsets(Map.of(place, spec)).all()).get(place).offset();
    }

    private static void offsets() throws Exception {
        TopicPartition place = new TopicPartition(create("times", 1), 0);
        try (KafkaProducer<byte[], byte[]> producer = producer("linger.ms", 0)) {
            for (int i = 0; i < 100; i++) {
                producer.send(new ProducerRecord<>(place.topic(), 0, SOME_TIME_MS + 10 * i, null, bytes("v")));
            }
        }
        equal(offset(place, OffsetSpec.earliest()), 0, "earliest");
        equal(offset(place, OffsetSpec.latest()), 100, "latest");
        equal(offset(place, OffsetSpec.forTimestamp(SOME_TIME_MS + 495)), 50, "by time");
        equal(offset(place, OffsetSpec.forTimestamp(SOME_TIME_MS + 5000)), -1, "after the last");
        equal(offset(place, OffsetSpec.maxTimestamp()), 99, "largest timestamp");
        equal(offset(place, OffsetSpec.earliestLocal()), 0, "earliest local");
        equal(offset(place, OffsetSpec.latestTiered()), -1, "latest tiered");
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            equal(consumer.beginningOffsets(List.of(place)).get(place), 0, "beginning");
            equal(consumer.endOffsets(List.of(place)).get(place), 100, "end");
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(place, SOME_TIME_MS + 495)).get(place);
            equal(found.offset() + " " + found.timestamp(), "50 " + (SOME_TIME_MS + 500), "by time");
            consumer.assign(List.of(place));
            consumer.seek(place, 90);
            equal(consumer.poll(Duration.ofSeconds(WAIT_S)).iterator().next().offset(), 90, "after seek");
            equal(consumer.currentLag(place).isPresent(), true, "lag is known");
        }
    }

    private static void committed() throws Exception {
        String topic = create("committed", 1);
        roundTrip(topic, 1, 100);
        read(topic, 1, 100, "isolation.level", "read_committed");
    }

    private static void outOfRange() throws Exception {
        TopicPartition place = new TopicPartition(create("range", 1), 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("auto.offset.reset", "none")) {
            consumer.assign(List.of(place));
            consumer.seek(place, 1000);
            consumer.poll(Duration.ofSeconds(WAIT_S));
        } catch (OffsetOutOfRangeException e) {
            return;
        }
        throw new AssertionError("no OffsetOutOfRangeException");
    }

    private static void tooLarge() throws Exception {
        String topic = create("small", 1, "max.message.bytes", "1000");
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            fails(RecordTooLargeException.class, producer.send(new ProducerRecord<>(topic, 0, null, new byte[5000])));
            equal(get(producer.send(new ProducerRecord<>(topic, 0, null, new byte[500]))).offset(), 0, "offset of one that fits");
        }
    }

    private static void large() throws Exception {
        String topic = create("large", 1, "max.message.bytes", "10000000");
        byte[][] values = new byte[10][];
        try (KafkaProducer<byte[], byte[]> producer = producer("max.request.size", 10000000)) {
            for (int i = 0; i < values.length; i++) {
                values[i] = new byte[3000000];
                Arrays.fill(values[i], (byte) i);
                producer.send(new ProducerRecord<>(topic, 0, null, values[i]));
            }
        }
        List<ConsumerRecord<byte[], byte[]>> found = read(topic, 1, values.length).get(0);
        for (int i = 0; i < values.length; i++) {
            check(Arrays.equals(found.get(i).value(), values[i]), "value " + i + " is not as sent");
        }
    }

    private static void deleteRecords() throws Exception {
        String topic = create("trim", 2);
        roundTrip(topic, 2, 100);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        var result = admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(20), second, RecordsToDelete.beforeOffset(-1)));
        equal(get(result.lowWatermarks().get(first)).lowWatermark(), 20, "low watermark");
        equal(get(result.lowWatermarks().get(second)).lowWatermark(), 50, "low watermark of all");
        equal(offset(first, OffsetSpec.earliest()), 20, "earliest");
        fails(org.apache.kafka.common.errors.OffsetOutOfRangeException.class,
            admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(1000))).all());
    }

    private static void logDirs() throws Exception {
        String topic = create("dirs", 3);
        roundTrip(topic, 3, 300);
        Set<Integer> nodes = get(admin.describeCluster().nodes()).stream().map(Node::id).collect(Collectors.toSet());
        int partitions = 0;
        long size = 0;
        for (Map<String, LogDirDescription> dirs : get(admin.describeLogDirs(nodes).allDescriptions()).values()) {
            for (LogDirDescription dir : dirs.values()) {
                check(dir.error() == null, "error " + dir.error());
                check(dir.totalBytes().isPresent() && dir.usableBytes().isPresent(), "no size of the volume");
                for (var replica : dir.replicaInfos().entrySet()) {
                    if (replica.getKey().topic().equals(topic)) {
                        partitions++;
                        size += replica.getValue().size();
                    }
                }
            }
        }
        equal(partitions, 3, "partitions");
        check(size > 1000, "size " + size);
    }

    /* A consumer that fetches in sessions sees what is appended later, by way of a long poll. */
    private static void tail() throws Exception {
        String topic = create("tail", 8);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("fetch.max.wait.ms", 5000);
             KafkaProducer<byte[], byte[]> producer = producer("linger.ms", 0)) {
            consumer.assign(places(topic, 8));
            consumer.seekToBeginning(consumer.assignment());
            consumer.poll(Duration.ofMillis(500));
            long worst = 0;
            for (int i = 0; i < 50; i++) {
                long begin = System.nanoTime();
                get(producer.send(new ProducerRecord<>(topic, i % 8, bytes("k"), bytes("v" + i))));
                int n = 0;
                while (n == 0 && System.nanoTime() - begin < WAIT_S * 1000000000L) {
                    n += consumer.poll(Duration.ofMillis(1000)).count();
                }
                equal(n, 1, "records after " + i);
                worst = Math.max(worst, System.nanoTime() - begin);
            }
            check(worst < 3000000000L, "a record took " + worst / 1000000 + " ms to arrive");
        }
    }

    private static void pauseAndSeek() throws Exception {
        String topic = create("pause", 2);
        roundTrip(topic, 2, 1000);
        TopicPartition first = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("max.poll.records", 10)) {
            consumer.assign(places(topic, 2));
            consumer.seekToBeginning(consumer.assignment());
            consumer.pause(List.of(first));
            for (int i = 0; i < 20; i++) {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> equal(record.partition(), 1, "partition while 0 is paused"));
            }
            consumer.resume(List.of(first));
            consumer.pause(List.of(new TopicPartition(topic, 1)));
            consumer.seek(first, 123);
            equal(consumer.poll(Duration.ofSeconds(WAIT_S)).iterator().next().offset(), 123, "after seek");
        }
    }

    private static void manyTopics() throws Exception {
        List<NewTopic> topics = IntStream.range(0, 200).mapToObj(i -> new NewTopic("many-" + RUN + "-" + i, 1, (short) 1)).collect(Collectors.toList());
        List<String> names = topics.stream().map(NewTopic::name).collect(Collectors.toList());
        get(admin.createTopics(topics).all());
        equal(get(admin.describeTopics(names).allTopicNames()).size(), 200, "topics described");
        try (KafkaProducer<byte[], byte[]> producer = producer(); KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            for (String name : names) {
                producer.send(new ProducerRecord<>(name, 0, null, bytes(name)));
            }
            producer.flush();
            consumer.assign(names.stream().map(name -> new TopicPartition(name, 0)).collect(Collectors.toList()));
            consumer.seekToBeginning(consumer.assignment());
            int n = 0;
            for (long end = System.nanoTime() + WAIT_S * 1000000000L; n < 200 && System.nanoTime() < end; ) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    equal(new String(record.value(), StandardCharsets.UTF_8), record.topic(), "value");
                    n++;
                }
            }
            equal(n, 200, "records read");
        }
        get(admin.deleteTopics(names).all());
    }

    private static void recreated() throws Exception {
        String topic = create("again", 1);
        roundTrip(topic, 1, 100);
        get(admin.deleteTopics(List.of(topic)).all());
        create("again", 1);
        roundTrip(topic, 1, 50);
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        admin = Admin.create(settings());
        Map<String, Act> cases = new LinkedHashMap<>();
        cases.put("cluster, features", JavaCases::cluster);
        cases.put("topics: create, list, describe, delete", JavaCases::topicLife);
        cases.put("topics: 200 at once", JavaCases::manyTopics);
        cases.put("topics: deleted and created again", JavaCases::recreated);
        cases.put("topics: described in pages", JavaCases::describePages);
        cases.put("partitions: add", JavaCases::morePartitions);
        cases.put("configs: describe and alter a topic", JavaCases::topicConfigs);
        cases.put("configs: describe a broker", JavaCases::brokerConfigs);
        for (String acks : List.of("0", "1", "all")) {
            cases.put("produce: acks=" + acks, trip("acks" + acks, 4, RECORDS, "acks", acks, "enable.idempotence", false));
        }
        cases.put("produce: idempotent", trip("idempotent", 4, 10 * RECORDS));
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.put("codec: " + codec, trip("codec-" + codec, 4, RECORDS, "compression.type", codec));
        }
        cases.put("produce: topic made on demand", JavaCases::onDemand);
        cases.put("produce: 100 partitions", trip("hundred", 100, 2 * RECORDS));
        cases.put("headers, null and empty keys and values, timestamps", JavaCases::forms);
        cases.put("timestamps: LogAppendTime", JavaCases::appendTime);
        cases.put("offsets: earliest, latest, by time", JavaCases::offsets);
        cases.put("consume: read_committed", JavaCases::committed);
        cases.put("consume: offset out of range", JavaCases::outOfRange);
        cases.put("consume: the end of a log", JavaCases::tail);
        cases.put("consume: pause, resume, seek", JavaCases::pauseAndSeek);
        cases.put("errors: too large for the topic", JavaCases::tooLarge);
        cases.put("large records", JavaCases::large);
        cases.put("delete records", JavaCases::deleteRecords);
        cases.put("log dirs", JavaCases::logDirs);
        cases.forEach((name, act) -> {
            try {
                act.run();
                System.out.println(name + "\tpass");
            } catch (Throwable e) {
                e.printStackTrace();
                System.out.println(name + "\tfail\t" + e.toString().replaceAll("\\s+", " "));
            }
        });
        admin.close();
    }
}
