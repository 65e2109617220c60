import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs SQL scripts one after another in this JVM, each in an environment and an embedded cluster of its own, and
 * says for every script what came of it, one line: ANSWER, name, ok|refused|failed, message; separated by tabs.
 * "refused": a statement did not pass the planner; "failed": a job ended with an error. Rows of queries are lines
 * ROW, name, text. SET and RESET are carried out here, because they belong to Flink's SQL client.
 *
 * <p>Arguments: [conf.KEY=VALUE ...] NAME=SCRIPT ...
 */
public final class FlinkAsk {
  private static final Pattern SET = Pattern.compile("(?is)SET\\s+'([^']*)'\\s*=\\s*'((?:[^']|'')*)'");
  private static final Pattern RESET = Pattern.compile("(?is)RESET(?:\\s+'([^']*)')?");

  /** The function of Nexmark's q14: how often the first character of `wanted` stands in `text`. */
  public static final class CountChar extends ScalarFunction {
    public Long eval(String text, String wanted) {
      return text == null || wanted == null || wanted.isEmpty()
          ? null : text.chars().filter(c -> c == wanted.charAt(0)).count();
    }
  }

  /** At semicolons outside of quotes and of statement sets; without comments. */
  static List<String> statements(String script) {
    List<String> found = new ArrayList<>();
    StringBuilder text = new StringBuilder();
    char quote = 0;
    for (int i = 0; i < script.length(); i++) {
      char c = script.charAt(i);
      if (quote == 0 && script.startsWith("--", i)) {
        while (i < script.length() && script.charAt(i) != '\n') i++;
        text.append('\n');
      } else if (quote == 0 && script.startsWith("/*", i)) {
        i = script.indexOf("*/", i) < 0 ? script.length() : script.indexOf("*/", i) + 1;
        text.append(' ');
      } else if (quote == 0 && c == ';' && !insideSet(text.toString())) {
        if (!text.toString().isBlank()) found.add(text.toString().trim());
        text.setLength(0);
      } else {
        if (quote != 0) { if (c == quote) quote = 0; } else if (c == '\'' || c == '`') quote = c;
        text.append(c);
      }
    }
    if (!text.toString().isBlank()) found.add(text.toString().trim());
    return found;
  }

  static boolean insideSet(String text) {
    String words = text.trim().toUpperCase();
    return words.startsWith("EXECUTE STATEMENT SET") && !words.endsWith("END");
  }

  /** The innermost cause that says something, in one line. */
  static String reason(Throwable error) {
    String text = error.toString();
    for (Throwable at = error; at != null && at != at.getCause(); at = at.getCause()) {
      if (at.getMessage() != null) text = at.getClass().getSimpleName() + ": " + at.getMessage();
    }
    return text.replaceAll("\\s+", " ").trim();
  }

  static void execute(TableEnvironment tables, String name, String statement) throws Exception {
    Matcher set = SET.matcher(statement), reset = RESET.matcher(statement);
    if (set.matches()) {
      tables.getConfig().set(set.group(1), set.group(2).replace("''", "'"));
      return;
    }
    if (reset.matches()) {
      if (reset.group(1) != null) tables.getConfig().getConfiguration().removeKey(reset.group(1));
      return;
    }
    TableResult result = tables.executeSql(statement);
    String words = statement.toUpperCase();
    if (words.startsWith("INSERT") || words.startsWith("EXECUTE")) {
      try {
        result.await(Long.getLong("ask.seconds", 90), TimeUnit.SECONDS);
      } catch (Exception error) {
        result.getJobClient().ifPresent(job -> { try { job.cancel().get(); } catch (Exception gone) { } });
        throw new JobFailed(error);
      }
    } else if (!words.startsWith("CREATE") && !words.startsWith("DROP") && !words.startsWith("ALTER")) {
      try (CloseableIterator<Row> rows = result.collect()) {
        while (rows.hasNext()) System.out.println("ROW\t" + name + "\t" + rows.next());
      } catch (Exception error) {
        throw new JobFailed(error);
      }
    }
  }

  static final class JobFailed extends Exception {
    JobFailed(Throwable cause) { super(cause); }
  }

  public static void main(String[] words) throws Exception {
    Map<String, String> settings = new LinkedHashMap<>();
    settings.put("parallelism.default", "1");
    settings.put("table.local-time-zone", "UTC");
    settings.put("restart-strategy.type", "none");
    for (String word : words) {
      String[] pair = word.split("=", 2);
      if (word.startsWith("conf.")) {
        settings.put(pair[0].substring(5), pair[1]);
        continue;
      }
      String state = "ok", message = "";
      try {
        TableEnvironment tables = TableEnvironment.create(EnvironmentSettings.newInstance().inStreamingMode()
            .withConfiguration(Configuration.fromMap(settings)).build());
        tables.createTemporarySystemFunction("count_char", CountChar.class);
        for (String statement : statements(Files.readString(Path.of(pair[1])))) {
          execute(tables, pair[0], statement);
        }
      } catch (JobFailed error) {
        state = "failed";
        message = reason(error.getCause());
      } catch (Throwable error) {
        state = "refused";
        message = reason(error);
      }
      System.out.println("ANSWER\t" + pair[0] + "\t" + state + "\t" + message);
      System.out.flush();
    }
    System.exit(0);
  }
}
