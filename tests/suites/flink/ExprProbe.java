import java.io.PrintWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.Period;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Asks Flink for the type and the value of SQL expressions, one per line of the input file, and writes "expression,
 * type, value" separated by tabs. `@(x)` stands for x as the planner cannot see through it (it is not folded). An
 * expression that the planner refuses has the type "error" and the last message as its value; one that fails when it
 * runs has its type and "!" with the message. Escapes in values: \t \n \r \\.
 *
 * <p>Usage: ExprProbe INPUT OUTPUT [zone]
 */
public final class ExprProbe {
  static final int TOGETHER = 48;

  static final class Case {
    String text, sql, type, value;
  }

  static StreamTableEnvironment env;

  /** Case by case in one query while that works; halves where it fails. */
  static void run(List<Case> cases) {
    if (cases.isEmpty()) return;
    StringBuilder sql = new StringBuilder("SELECT ");
    for (int i = 0; i < cases.size(); i++) {
      sql.append(i == 0 ? "" : ", ").append(cases.get(i).sql).append(" AS c").append(i);
    }
    sql.append(" FROM probe");
    try (CloseableIterator<Row> rows = env.sqlQuery(sql.toString()).execute().collect()) {
      Row row = rows.next();
      for (int i = 0; i < cases.size(); i++) cases.get(i).value = show(row.getField(i), 0);
    } catch (Throwable e) {
      if (cases.size() == 1) {
        cases.get(0).value = "!" + cause(e);
        return;
      }
      int half = cases.size() / 2;
      run(cases.subList(0, half));
      run(cases.subList(half, cases.size()));
    }
  }

  static String cause(Throwable e) {
    while (e.getCause() != null && e.getCause() != e) e = e.getCause();
    String text = e.getClass().getSimpleName() + ": " + e.getMessage();
    int end = text.indexOf('\n');
    text = end < 0 ? text : text.substring(0, end);
    return escape(text.length() > 160 ? text.substring(0, 160) : text);
  }

  static String escape(String text) {
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
  }

  static String fraction(int nano) {
    String digits = String.format("%09d", nano).replaceAll("0+$", "");
    return digits.isEmpty() ? "" : "." + digits;
  }

  static String clock(LocalTime t) {
    return String.format("%02d:%02d:%02d", t.getHour(), t.getMinute(), t.getSecond()) + fraction(t.getNano());
  }

  static String show(Object value, int depth) {
    if (value == null) return "NULL";
    if (value instanceof Boolean) return (Boolean) value ? "TRUE" : "FALSE";
    if (value instanceof BigDecimal) return ((BigDecimal) value).toPlainString();
    if (value instanceof LocalDateTime) {
      LocalDateTime t = (LocalDateTime) value;
      return t.toLocalDate() + " " + clock(t.toLocalTime());
    }
    if (value instanceof Instant) {
      LocalDateTime t = LocalDateTime.ofInstant((Instant) value, ZoneOffset.UTC);
      return t.toLocalDate() + " " + clock(t.toLocalTime()) + "Z";
    }
    if (value instanceof LocalTime) return clock((LocalTime) value);
    if (value instanceof Period) return Long.toString(((Period) value).toTotalMonths());
    if (value instanceof Duration) return Long.toString(((Duration) value).toMillis());
    if (value instanceof byte[]) {
      StringBuilder hex = new StringBuilder("x'");
      for (byte b : (byte[]) value) hex.append(String.format("%02x", b));
      return hex.append("'").toString();
    }
    if (value instanceof Object[]) {
      StringBuilder out = new StringBuilder("[");
      for (Object o : (Object[]) value) out.append(out.length() == 1 ? "" : ", ").append(show(o, depth + 1));
      return out.append("]").toString();
    }
    if (value instanceof Row) {
      Row row = (Row) value;
      StringBuilder out = new StringBuilder("(");
      for (int i = 0; i < row.getArity(); i++) out.append(i == 0 ? "" : ", ").append(show(row.getField(i), depth + 1));
      return out.append(")").toString();
    }
    return escape(value.toString());
  }

  public static void main(String[] args) throws Exception {
    Configuration own = new Configuration();
    own.setString("rest.bind-port", "0");
    own.setString("rest.address", "127.0.0.1");
    MiniCluster cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
        .setConfiguration(own).setNumTaskManagers(1).setNumSlotsPerTaskManager(1).build());
    cluster.start();
    Configuration conf = new Configuration();
    conf.setString("table.local-time-zone", args.length > 2 ? args[2] : "UTC");
    StreamExecutionEnvironment stream = StreamExecutionEnvironment.createRemoteEnvironment(
        cluster.getRestAddress().get().getHost(), cluster.getRestAddress().get().getPort(), conf);
    stream.setParallelism(1);
    env = StreamTableEnvironment.create(stream);
    env.createTemporaryView("probe", env.fromDataStream(stream.fromData(1)).as("seen"));
    List<Case> all = new ArrayList<>(), batch = new ArrayList<>();
    try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(Path.of(args[1])))) {
      long start = System.currentTimeMillis();
      for (String line : Files.readAllLines(Path.of(args[0]), StandardCharsets.UTF_8)) {
        if (line.isBlank() || line.startsWith("#")) continue;
        Case c = new Case();
        boolean alone = line.startsWith("!");
        c.text = alone ? line.substring(1) : line;
        c.sql = expand(c.text);
        try {
          Table t = env.sqlQuery("SELECT " + c.sql + " FROM probe");
          c.type = t.getResolvedSchema().getColumnDataTypes().get(0).getLogicalType().asSummaryString();
          if (alone) run(Collections.singletonList(c));
          else batch.add(c);
        } catch (Throwable e) {
          c.type = "error";
          c.value = cause(e);
        }
        all.add(c);
        if (batch.size() == TOGETHER) {
          run(batch);
          batch.clear();
          for (Case done : all) out.println(done.text + "\t" + done.type + "\t" + done.value);
          all.clear();
          out.flush();
          System.err.println((System.currentTimeMillis() - start) + " ms");
        }
      }
      run(batch);
      for (Case done : all) out.println(done.text + "\t" + done.type + "\t" + done.value);
    }
    cluster.close();
    System.exit(0);
  }

  /** @(x) becomes a CASE over a column of the input. */
  static String expand(String text) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) != '@' || i + 1 >= text.length() || text.charAt(i + 1) != '(') {
        out.append(text.charAt(i));
        continue;
      }
      int depth = 0, end = i + 1;
      boolean quoted = false;
      for (; end < text.length(); end++) {
        char c = text.charAt(end);
        if (c == '\'') quoted = !quoted;
        if (quoted) continue;
        if (c == '(') depth++;
        if (c == ')' && --depth == 0) break;
      }
      out.append("(CASE WHEN seen = 1 THEN ").append(expand(text.substring(i + 2, end))).append(" END)");
      i = end;
    }
    return out.toString();
  }
}
