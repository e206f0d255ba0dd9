package org.yoloddp.yolo;

import java.util.List;

/** The arguments of a row, by position, with defaults. */
final class RowArguments {

    private final String source;
    private final LayerRow row;

    RowArguments(String source, LayerRow row) {
        this.source = source;
        this.row = row;
    }

    private boolean given(int index) {
        return index < row.arguments().size() && !"None".equals(row.arguments().get(index));
    }

    /** A required positive number. */
    int number(int index) {
        if (!given(index)) {
            throw bad("argument " + index + " is missing");
        }
        return number(index, 0);
    }

    /** A whole number that is not negative. */
    int number(int index, int otherwise) {
        if (!given(index)) {
            return otherwise;
        }
        Object value = row.arguments().get(index);
        if (value instanceof Number number
                && number.doubleValue() == number.intValue()
                && number.intValue() >= 0) {
            return number.intValue();
        }
        throw bad("argument " + index + " is " + value + ", not a whole number");
    }

    /** A whole number above 0. */
    int positive(int index, int otherwise) {
        int value = given(index) ? number(index, otherwise) : otherwise;
        if (value < 1) {
            throw bad("argument " + index + " is " + value + "; it must be at least 1");
        }
        return value;
    }

    boolean flag(int index, boolean otherwise) {
        if (!given(index)) {
            return otherwise;
        }
        if (row.arguments().get(index) instanceof Boolean flag) {
            return flag;
        }
        throw bad(
                "argument " + index + " is " + row.arguments().get(index) + ", not true or false");
    }

    int[] numbers(int index, int[] otherwise) {
        if (!given(index)) {
            return otherwise;
        }
        if (row.arguments().get(index) instanceof List<?> list
                && list.stream().allMatch(Integer.class::isInstance)) {
            return list.stream().mapToInt(value -> (Integer) value).toArray();
        }
        throw bad(
                "argument "
                        + index
                        + " is "
                        + row.arguments().get(index)
                        + ", not a list of numbers");
    }

    void onlyInputs(int actual) {
        if (actual != 1) {
            throw bad("it takes one input, not " + actual);
        }
    }

    ModelYamlException bad(String what) {
        return ModelYamlException.badRow(source, row.index(), row, what);
    }
}
