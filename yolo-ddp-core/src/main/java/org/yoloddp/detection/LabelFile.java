package org.yoloddp.detection;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * The labels of one image.
 *
 * @param rows class, centre x, centre y, width, height
 * @param duplicates how many repeated rows were left out
 */
record LabelFile(float[][] rows, int duplicates) {

    private static final int FIELDS = 5;

    /** A file that can't be used; the image is left out. */
    static final class BadLabels extends Exception {

        private static final long serialVersionUID = 1L;

        BadLabels(int line, String format, Object... arguments) {
            super("line " + line + ": " + String.format(Locale.ROOT, format, arguments));
        }
    }

    private record Row(int line, float[] values) {}

    /** A missing file has no labels. A class beyond the last is fatal: the names are wrong. */
    static LabelFile read(Path file, int classes) throws BadLabels {
        String text;
        try {
            text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        } catch (NoSuchFileException e) {
            return new LabelFile(new float[0][], 0);
        } catch (IOException e) {
            throw DatasetException.unreadable(file, e);
        }
        List<Row> rows = parse(text);
        // one long row makes all rows polygons
        boolean polygons = rows.stream().anyMatch(row -> row.values.length > FIELDS + 1);
        List<float[]> result = new ArrayList<>();
        Set<List<Float>> seen = new HashSet<>();
        for (Row row : rows) {
            float[] box = polygons ? enclose(row) : row.values;
            check(row.line, box);
            if (seen.add(List.of(box[0], box[1], box[2], box[3], box[4]))) {
                result.add(box);
            }
        }
        for (Row row : rows) {
            if (row.values[0] >= classes) {
                throw DatasetException.classOutOfRange(
                        file, row.line, (long) row.values[0], classes);
            }
        }
        return new LabelFile(result.toArray(float[][]::new), rows.size() - result.size());
    }

    private static List<Row> parse(String text) throws BadLabels {
        List<Row> rows = new ArrayList<>();
        List<String> lines = text.lines().toList();
        for (int i = 0; i < lines.size(); i++) {
            if (lines.get(i).isBlank()) {
                continue;
            }
            String[] fields = lines.get(i).strip().split("\\s+");
            float[] values = new float[fields.length];
            for (int k = 0; k < fields.length; k++) {
                values[k] = number(i + 1, fields[k]);
            }
            rows.add(new Row(i + 1, values));
        }
        return rows;
    }

    private static float number(int line, String field) throws BadLabels {
        try {
            // Java also takes the suffixes of its own literals
            if (!Character.isLetter(field.charAt(field.length() - 1))) {
                return Float.parseFloat(field);
            }
        } catch (NumberFormatException e) {
            // reported below
        }
        throw new BadLabels(line, "'%s' is not a number", field);
    }

    private static void check(int line, float[] row) throws BadLabels {
        if (row.length != FIELDS) {
            throw new BadLabels(
                    line,
                    "%d fields instead of class, centre x, centre y, width, height",
                    row.length);
        }
        for (int k = 0; k < FIELDS; k++) {
            if (row[k] < 0) {
                throw new BadLabels(line, "%s is negative", row[k]);
            }
            if (k > 0 && row[k] > 1) {
                throw new BadLabels(
                        line, "%s is above 1; coordinates are fractions of the image", row[k]);
            }
        }
        if (row[0] != Math.rint(row[0])) {
            throw new BadLabels(line, "class %s is not a whole number", row[0]);
        }
    }

    private static float[] enclose(Row row) throws BadLabels {
        float[] values = row.values;
        if (values.length < FIELDS || values.length % 2 == 0) {
            throw new BadLabels(
                    row.line, "%d numbers are no polygon of x, y pairs", values.length - 1);
        }
        float[] low = {Float.POSITIVE_INFINITY, Float.POSITIVE_INFINITY};
        float[] high = {Float.NEGATIVE_INFINITY, Float.NEGATIVE_INFINITY};
        for (int k = 1; k < values.length; k++) {
            int axis = (k - 1) % 2;
            low[axis] = Math.min(low[axis], values[k]);
            high[axis] = Math.max(high[axis], values[k]);
        }
        return new float[] {
            values[0],
            (low[0] + high[0]) / 2,
            (low[1] + high[1]) / 2,
            high[0] - low[0],
            high[1] - low[1]
        };
    }
}
