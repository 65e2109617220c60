// The Java client: produce, consume by assignment, admin. One line for each check: ok NAME or FAILED NAME: why.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

public class Client {
    static final int COUNT = 500;
    static final long FIRST_MS = 1_700_000_000_000L;
    static String bootstrap;
    static boolean failed;

    interface Check {
        void run() throws Exception;
    }

    static void check(String name, Check check) {
        try {
            check.run();
            System.out.println("ok " + name);
        } catch (Exception | AssertionError error) {
            failed = true;
            System.out.println("FAILED " + name + ": " + error);
            error.printStackTrace();
        }
    }

    static void equal(Object found, Object expected, String what) {
        if (!Objects.deepEquals(found, expected)) {
            throw new AssertionError(what + ": found " + found + ", expected " + expected);
        }
    }

    static Properties settings() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("request.timeout.ms", "10000");
        properties.put("default.api.timeout.ms", "20000");
        return properties;
    }

    static void topics(Admin admin) throws Exception {
        admin.createTopics(List.of(new NewTopic("ja", 4, (short) 1).configs(Map.of("retention.ms", "100000")),
                new NewTopic("gone", Optional.empty(), Optional.empty()))).all().get();
        try {
            admin.createTopics(List.of(new NewTopic("ja", 1, (short) 1))).all().get();
            throw new AssertionError("a topic was created twice");
        } catch (ExecutionException error) {
            equal(error.getCause().getClass(), TopicExistsException.class, "creating it again");
        }
        admin.createPartitions(Map.of("gone", NewPartitions.increaseTo(3))).all().get();
        Map<String, TopicDescription> described = admin.describeTopics(List.of("ja", "gone")).allTopicNames().get();
        equal(described.get("ja").partitions().size(), 4, "partitions of ja");
        equal(described.get("gone").partitions().size(), 3, "partitions of gone");
        admin.deleteTopics(List.of("gone")).all().get();
        equal(admin.listTopics().names().get().contains("gone"), false, "a deleted topic is listed");
        equal(admin.describeCluster().clusterId().get().isEmpty(), false, "cluster id");
        Set<Integer> brokers = new HashSet<>();
        admin.describeCluster().nodes().get().forEach(node -> brokers.add(node.id()));
        Map<Integer, Map<String, LogDirDescription>> directories = admin.describeLogDirs(brokers).allDescriptions().get();
        equal(directories.keySet(), brokers, "brokers with log directories");
    }

    static void configs(Admin admin) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, "ja");
        ConfigEntry entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms");
        equal(entry.value(), "100000", "retention.ms");
        equal(entry.source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "its source");
        equal(entry.type(), ConfigEntry.ConfigType.LONG, "its type");
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
                new AlterConfigOp(new ConfigEntry("retention.ms", "200000"), AlterConfigOp.OpType.SET),
                new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get();
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        equal(config.get("retention.ms").value(), "200000", "retention.ms after altering");
        equal(config.get("cleanup.policy").value(), "delete,compact", "cleanup.policy after appending");
    }

    static void codec(Admin admin, String codec) throws Exception {
        String topic = "ja-" + codec;
        admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get();
        Properties properties = settings();
        properties.put("compression.type", codec);
        properties.put("linger.ms", "10");
        List<Future<RecordMetadata>> acknowledged = new ArrayList<>();
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        try (Producer<byte[], byte[]> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < COUNT; i++) {
                byte[] key = i % 5 == 1 ? null : ("key-" + i).getBytes(StandardCharsets.UTF_8);
                byte[] value = i % 7 == 2 ? null : ("value-" + i + " ").repeat(i % 20).getBytes(StandardCharsets.UTF_8);
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, i % 2, FIRST_MS + i, key, value);
                if (i % 3 == 0) {
                    record.headers().add(new RecordHeader("name", new byte[] {1, 2})).add(new RecordHeader("null", (byte[]) null));
                }
                sent.add(record);
                acknowledged.add(producer.send(record));
            }
        }
        try (Consumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> places = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
            consumer.assign(places);
            consumer.seekToBeginning(places);
            long end = System.currentTimeMillis() + 20_000;
            for (int total = 0; total < COUNT;) {
                if (System.currentTimeMillis() > end) {
                    throw new AssertionError("only " + total + " records within 20 s");
                }
                for (ConsumerRecord<byte[], byte[]> found : consumer.poll(Duration.ofMillis(200))) {
                    int i = (int) found.offset() * 2 + found.partition();
                    equal(found.offset(), acknowledged.get(i).get().offset(), "offset");
                    equal(found.key(), sent.get(i).key(), "key");
                    equal(found.value(), sent.get(i).value(), "value");
                    equal(found.timestamp(), FIRST_MS + i, "timestamp");
                    equal(found.headers().toArray(), sent.get(i).headers().toArray(), "headers");
                    total++;
                }
            }
        }
    }

    static void offsets(Admin admin) throws Exception {
        TopicPartition place = new TopicPartition("ja-none", 0);
        try (Consumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            equal(consumer.endOffsets(List.of(place)).get(place), COUNT / 2L, "end");
            equal(consumer.offsetsForTimes(Map.of(place, FIRST_MS + 100)).get(place).offset(), 50L, "offset of a time");
        }
        equal(admin.listOffsets(Map.of(place, OffsetSpec.maxTimestamp())).all().get().get(place).offset(), COUNT / 2 - 1L,
                "offset of the largest timestamp");
        admin.deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(20))).all().get();
        equal(admin.listOffsets(Map.of(place, OffsetSpec.earliest())).all().get().get(place).offset(), 20L,
                "start after deleteRecords");
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        try (Admin admin = Admin.create(settings())) {
            check("topics", () -> topics(admin));
            check("configs", () -> configs(admin));
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                check("codec " + codec, () -> codec(admin, codec));
            }
            check("offsets", () -> offsets(admin));
        }
        System.exit(failed ? 1 : 0);
    }
}
