import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.formats.common.TimestampFormat;
import org.apache.flink.formats.csv.CsvRowDataDeserializationSchema;
import org.apache.flink.formats.csv.CsvRowDataSerializationSchema;
import org.apache.flink.formats.json.JsonFormatOptions;
import org.apache.flink.formats.json.JsonParserRowDataDeserializationSchema;
import org.apache.flink.formats.json.JsonRowDataSerializationSchema;
import org.apache.flink.formats.raw.RawFormatDeserializationSchema;
import org.apache.flink.formats.raw.RawFormatSerializationSchema;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;
import org.apache.flink.util.Collector;

/**
 * Asks Flink's formats what becomes of records, one per line of standard input: format of the input, its options,
 * format of the output, its options, columns, the record in hexadecimal; separated by tabs. The answer: the rows in
 * hexadecimal, separated by commas, or "!" and why. build/.../tests/unit/format/format_ask answers the same questions.
 *
 * <p>Some records keep Flink's loops running forever; after a few seconds the answer is "!hangs".
 */
public final class FormatProbe {
  static final long PATIENCE_MS = 3000;

  final Map<String, DeserializationSchema<RowData>> decoders = new HashMap<>();
  final Map<String, SerializationSchema<RowData>> encoders = new HashMap<>();

  static Map<String, String> options(String text) {
    Map<String, String> options = new HashMap<>();
    for (String option : text.split(" ")) {
      int at = option.indexOf('=');
      if (at > 0) {
        options.put(option.substring(0, at), option.substring(at + 1));
      }
    }
    return options;
  }

  static boolean isOn(Map<String, String> options, String key) {
    return "true".equalsIgnoreCase(options.get(key));
  }

  static boolean isBigEndian(Map<String, String> options) {
    return !"little-endian".equals(options.get("endianness"));
  }

  static TimestampFormat timestamps(Map<String, String> options) {
    boolean iso = "ISO-8601".equals(options.get("timestamp-format.standard"));
    return iso ? TimestampFormat.ISO_8601 : TimestampFormat.SQL;
  }

  static RowType type(String columns) {
    return (RowType) LogicalTypeParser.parse("ROW<" + columns + ">", FormatProbe.class.getClassLoader());
  }

  static DeserializationSchema<RowData> csvDecoder(Map<String, String> options, RowType type) {
    CsvRowDataDeserializationSchema.Builder builder =
        new CsvRowDataDeserializationSchema.Builder(type, InternalTypeInfo.of(type));
    if (options.containsKey("field-delimiter")) {
      builder.setFieldDelimiter(options.get("field-delimiter").charAt(0));
    }
    if (isOn(options, "disable-quote-character")) {
      builder.disableQuoteCharacter();
    }
    if (options.containsKey("quote-character")) {
      builder.setQuoteCharacter(options.get("quote-character").charAt(0));
    }
    if (options.containsKey("allow-comments")) {
      builder.setAllowComments(isOn(options, "allow-comments"));
    }
    if (options.containsKey("array-element-delimiter")) {
      builder.setArrayElementDelimiter(options.get("array-element-delimiter"));
    }
    if (options.containsKey("escape-character")) {
      builder.setEscapeCharacter(options.get("escape-character").charAt(0));
    }
    if (options.containsKey("null-literal")) {
      builder.setNullLiteral(options.get("null-literal"));
    }
    builder.setIgnoreParseErrors(isOn(options, "ignore-parse-errors"));
    return builder.build();
  }

  static SerializationSchema<RowData> csvEncoder(Map<String, String> options, RowType type) {
    CsvRowDataSerializationSchema.Builder builder = new CsvRowDataSerializationSchema.Builder(type);
    if (options.containsKey("field-delimiter")) {
      builder.setFieldDelimiter(options.get("field-delimiter").charAt(0));
    }
    if (isOn(options, "disable-quote-character")) {
      builder.disableQuoteCharacter();
    }
    if (options.containsKey("quote-character")) {
      builder.setQuoteCharacter(options.get("quote-character").charAt(0));
    }
    if (options.containsKey("array-element-delimiter")) {
      builder.setArrayElementDelimiter(options.get("array-element-delimiter"));
    }
    if (options.containsKey("escape-character")) {
      builder.setEscapeCharacter(options.get("escape-character").charAt(0));
    }
    if (options.containsKey("null-literal")) {
      builder.setNullLiteral(options.get("null-literal"));
    }
    if (options.containsKey("write-bigdecimal-in-scientific-notation")) {
      builder.setWriteBigDecimalInScientificNotation(isOn(options, "write-bigdecimal-in-scientific-notation"));
    }
    return builder.build();
  }

  DeserializationSchema<RowData> decoder(String format, String text, String columns) throws Exception {
    String key = format + "|" + text + "|" + columns;
    DeserializationSchema<RowData> decoder = decoders.get(key);
    if (decoder == null) {
      Map<String, String> options = options(text);
      RowType type = type(columns);
      if (format.equals("json")) {
        decoder = new JsonParserRowDataDeserializationSchema(type, InternalTypeInfo.of(type),
            isOn(options, "fail-on-missing-field"), isOn(options, "ignore-parse-errors"), timestamps(options));
      } else if (format.equals("csv")) {
        decoder = csvDecoder(options, type);
      } else {
        decoder = new RawFormatDeserializationSchema(type.getTypeAt(0), InternalTypeInfo.of(type), "UTF-8",
            isBigEndian(options));
      }
      decoder.open(null);
      decoders.put(key, decoder);
    }
    return decoder;
  }

  SerializationSchema<RowData> encoder(String format, String text, String columns) throws Exception {
    String key = format + "|" + text + "|" + columns;
    SerializationSchema<RowData> encoder = encoders.get(key);
    if (encoder == null) {
      Map<String, String> options = options(text);
      RowType type = type(columns);
      if (format.equals("json")) {
        encoder = new JsonRowDataSerializationSchema(type, timestamps(options), JsonFormatOptions.MapNullKeyMode.FAIL,
            "null", isOn(options, "encode.decimal-as-plain-number"), isOn(options, "encode.ignore-null-fields"));
      } else if (format.equals("csv")) {
        encoder = csvEncoder(options, type);
      } else {
        encoder = new RawFormatSerializationSchema(type.getTypeAt(0), "UTF-8", isBigEndian(options));
      }
      encoder.open(null);
      encoders.put(key, encoder);
    }
    return encoder;
  }

  static byte[] unhex(String text) {
    byte[] bytes = new byte[text.length() / 2];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
    }
    return bytes;
  }

  static String hex(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    for (byte b : bytes == null ? new byte[0] : bytes) {
      text.append(String.format("%02x", b));
    }
    return text.toString();
  }

  @SuppressWarnings("deprecation")
  List<String> rows(String[] fields) throws Throwable {
    DeserializationSchema<RowData> decoder = decoder(fields[0], fields[1], fields[4]);
    SerializationSchema<RowData> encoder = encoder(fields[2], fields[3], fields[4]);
    List<String> rows = new ArrayList<>();
    Throwable[] thrown = new Throwable[1];
    Collector<RowData> collector = new Collector<RowData>() {
      public void collect(RowData row) {
        if (row != null) {
          rows.add(hex(encoder.serialize(row)));
        }
      }

      public void close() {}
    };
    Thread thread = new Thread(() -> {
      try {
        decoder.deserialize(unhex(fields[5]), collector);
      } catch (Throwable e) {
        thrown[0] = e;
      }
    });
    thread.start();
    thread.join(PATIENCE_MS);
    if (thread.isAlive()) {
      thread.stop();
      decoders.clear();
      encoders.clear();
      throw new IllegalStateException("hangs");
    }
    if (thrown[0] != null) {
      throw thrown[0];
    }
    return rows;
  }

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, "UTF-8");
    FormatProbe probe = new FormatProbe();
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      try {
        out.println(String.join(",", probe.rows(line.split("\t", -1))));
      } catch (Throwable e) {
        Throwable cause = e;
        while (cause.getCause() != null && cause.getCause() != cause) {
          cause = cause.getCause();
        }
        out.println("!" + (cause.getClass().getSimpleName() + ": " + cause.getMessage()).replaceAll("\\s+", " "));
      }
    }
    out.flush();
  }
}
