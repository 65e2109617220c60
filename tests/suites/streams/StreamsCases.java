import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A Kafka Streams application under exactly_once_v2 that is killed again and again: every word is counted exactly once.
 * Prints a line per case, as tests/suites/README.md says.
 */
public class StreamsCases {
    private static final int LINES = 20000;
    private static final int KILLS = 3;
    private static final String[] WORDS = {"mill", "race", "wheel", "water", "stone", "grain", "sluice", "dam"};

    private final String bootstrap;
    private final String name = "words-" + UUID.randomUUID().toString().substring(0, 8);
    private final Path folder = Files.createTempDirectory("streams-suite");
    private final Map<String, Long> expected = new HashMap<>();
    private Process application;

    private StreamsCases(String bootstrap) throws Exception {
        this.bootstrap = bootstrap;
    }

    private interface Case {
        void run() throws Exception;
    }

    private static void report(String name, Case body) {
        try {
            body.run();
            System.out.println(name + "\tpass\t");
        } catch (Throwable failure) {
            System.out.println(name + "\tfail\t" + String.valueOf(failure).replaceAll("\\s+", " "));
            failure.printStackTrace();
        }
    }

    private static void check(boolean condition, String reason) {
        if (!condition) {
            throw new IllegalStateException(reason);
        }
    }

    private void startApplication() throws Exception {
        File log = folder.resolve("application.log").toFile();
        List<String> command = new ArrayList<>(List.of(ProcessHandle.current().info().command().orElse("java"),
            "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        String config = System.getProperty("log4j2.configurationFile");
        if (config != null) {
            command.add("-Dlog4j2.configurationFile=" + config);
        }
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "StreamsApp", bootstrap, name,
            folder.resolve("state").toString()));
        application = new ProcessBuilder(command).redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log)).start();
    }

    private void produce(int from, int to) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("linger.ms", "5");
        Random random = new Random(from);
        try (KafkaProducer<String, String> producer =
                 new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            for (int line = from; line < to; line++) {
                StringBuilder text = new StringBuilder();
                for (int word = 0; word < 5; word++) {
                    String next = WORDS[random.nextInt(WORDS.length)] + random.nextInt(50);
                    text.append(word == 0 ? "" : " ").append(next);
                    expected.merge(next, 1L, Long::sum);
                }
                producer.send(new ProducerRecord<>(name + "-in", String.valueOf(line), text.toString()));
            }
        }
    }

    /** The last committed count of each word; fails when a count ever goes back or is too high. */
    private Map<String, Long> counts() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("isolation.level", "read_committed");
        Map<String, Long> last = new HashMap<>();
        try (KafkaConsumer<String, Long> consumer =
                 new KafkaConsumer<>(properties, new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(name + "-out").stream()
                .map(part -> new TopicPartition(part.topic(), part.partition())).collect(Collectors.toList());
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(part -> consumer.position(part) < ends.get(part))) {
                for (ConsumerRecord<String, Long> record : consumer.poll(Duration.ofMillis(500))) {
                    Long before = last.put(record.key(), record.value());
                    check(before == null || before <= record.value(),
                        record.key() + " went from " + before + " to " + record.value());
                }
            }
        }
        last.forEach((word, count) -> check(count <= expected.getOrDefault(word, 0L),
            word + " was counted " + count + " times, it stands there " + expected.get(word) + " times"));
        return last;
    }

    private void createTopics() throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(name + "-in", 4, (short) 1),
                new NewTopic(name + "-out", 2, (short) 1).configs(Map.of("cleanup.policy", "compact")))).all()
                .get(30, TimeUnit.SECONDS);
        }
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", (Object) bootstrap));
    }

    private void waitForCounts(int seconds) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        Map<String, Long> found = Map.of();
        while (System.nanoTime() < deadline) {
            found = counts();
            if (found.equals(expected)) {
                return;
            }
            Thread.sleep(1000);
        }
        long missing = expected.values().stream().mapToLong(Long::longValue).sum()
            - found.values().stream().mapToLong(Long::longValue).sum();
        throw new IllegalStateException(missing + " words are not counted after " + seconds + " s");
    }

    private void killedAndRestarted() throws Exception {
        Random random = new Random(7);
        for (int round = 0; round <= KILLS; round++) {
            startApplication();
            produce(round * LINES / (KILLS + 1), (round + 1) * LINES / (KILLS + 1));
            if (round < KILLS) {
                Thread.sleep(4000 + random.nextInt(4000));
                application.destroyForcibly().waitFor();
                counts();
            }
        }
        waitForCounts(120);
    }

    private void stopsCleanly() throws Exception {
        application.destroy();
        check(application.waitFor(60, TimeUnit.SECONDS), "the application does not stop within 60 s");
    }

    private void internalTopics() throws Exception {
        try (Admin admin = admin()) {
            Set<String> topics = admin.listTopics().names().get(30, TimeUnit.SECONDS);
            check(topics.contains(name + "-counts-changelog"), "no changelog topic in " + topics);
            check(topics.stream().anyMatch(topic -> topic.startsWith(name) && topic.endsWith("-repartition")),
                "no repartition topic in " + topics);
        }
    }

    private void stateIsRestored() throws Exception {
        deleteTree(folder.resolve("state"));
        startApplication();
        produce(LINES, LINES + 100);
        waitForCounts(120);
        application.destroy();
        application.waitFor(60, TimeUnit.SECONDS);
    }

    private static void deleteTree(Path root) throws Exception {
        try (var paths = Files.walk(root)) {
            for (Path path : paths.sorted(Collections.reverseOrder()).collect(Collectors.toList())) {
                Files.delete(path);
            }
        }
    }

    private void groupIsListed() throws Exception {
        try (Admin admin = admin()) {
            boolean listed = admin.listGroups().all().get(30, TimeUnit.SECONDS).stream()
                .anyMatch(group -> group.groupId().equals(name));
            check(listed, "the application's group is not listed");
            check(!admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get(30, TimeUnit.SECONDS)
                .isEmpty(), "the application's group has no offsets");
        }
    }

    public static void main(String[] arguments) throws Exception {
        StreamsCases cases = new StreamsCases(arguments[0]);
        try {
            report("topics", cases::createTopics);
            report("exactly_once_v2, killed " + KILLS + " times", cases::killedAndRestarted);
            report("repartition and changelog topics", cases::internalTopics);
            report("group and its offsets", cases::groupIsListed);
            report("clean stop", cases::stopsCleanly);
            report("state restored from the changelog", cases::stateIsRestored);
        } finally {
            if (cases.application != null) {
                cases.application.destroyForcibly();
            }
            deleteTree(cases.folder);
        }
    }
}
