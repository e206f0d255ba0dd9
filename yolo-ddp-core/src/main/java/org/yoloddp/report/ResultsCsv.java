package org.yoloddp.report;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * results.csv in YOLOv5's layout: columns of 20 characters, numbers as {@code %20.5g}.
 *
 * <p>Written whole after each epoch, since a validation that starts late brings new columns.
 */
final class ResultsCsv {

    private static final int WIDTH = 20;
    private static final int DIGITS = 5;

    private final Path file;
    private final Set<String> columns = new LinkedHashSet<>();
    private final List<Row> rows = new ArrayList<>();

    private record Row(int epoch, Map<String, Double> values) {}

    ResultsCsv(Path file) {
        this.file = file;
    }

    void add(int epoch, Map<String, Double> values) {
        columns.addAll(values.keySet());
        rows.add(new Row(epoch, values));
        RunFiles.write(file, text());
    }

    private String text() {
        return Stream.concat(Stream.of(header()), rows.stream().map(this::line))
                .map(line -> line + "\n")
                .collect(Collectors.joining());
    }

    private String header() {
        return join("epoch", name -> CFormat.right(name, WIDTH));
    }

    private String line(Row row) {
        String epoch = CFormat.general(row.epoch(), WIDTH, DIGITS);
        return join(
                epoch,
                name ->
                        CFormat.general(
                                row.values().getOrDefault(name, Double.NaN), WIDTH, DIGITS));
    }

    private String join(String first, Function<String, String> cell) {
        return Stream.concat(Stream.of(CFormat.right(first, WIDTH)), columns.stream().map(cell))
                .collect(Collectors.joining(","));
    }
}
