package org.yoloddp;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.yoloddp.error.ConfigurationException;

/**
 * On which devices of each host its ranks compute. Immutable.
 *
 * <p>GPUs are numbered as libtorch sees them, from 0; the environment variable CUDA_VISIBLE_DEVICES
 * decides which those are.
 */
public final class DeviceChoice {

    private enum Kind {
        AUTOMATIC,
        CPU,
        GPUS
    }

    private static final DeviceChoice AUTOMATIC = new DeviceChoice(Kind.AUTOMATIC, List.of());
    private static final DeviceChoice ON_CPU = new DeviceChoice(Kind.CPU, List.of());

    private final Kind kind;
    private final List<Integer> indices;

    private DeviceChoice(Kind kind, List<Integer> indices) {
        this.kind = kind;
        this.indices = indices;
    }

    /**
     * Lets what is there decide: GPUs if libtorch is a CUDA build and sees any, else the CPU.
     *
     * @return the default
     */
    public static DeviceChoice automatic() {
        return AUTOMATIC;
    }

    /**
     * Chooses the CPU, whatever is there.
     *
     * @return the choice
     */
    public static DeviceChoice cpu() {
        return ON_CPU;
    }

    /**
     * Chooses GPUs: the rank with number i on its host computes on the i-th of them.
     *
     * @param indices one or more; the same one twice is possible where ranks are processes
     * @return the choice
     * @throws ConfigurationException if there is none, or one is negative
     */
    public static DeviceChoice gpus(int... indices) {
        if (indices.length == 0 || IntStream.of(indices).anyMatch(index -> index < 0)) {
            throw new ConfigurationException(
                    "the GPUs " + Arrays.toString(indices) + " can't be; name one or more from 0");
        }
        return new DeviceChoice(Kind.GPUS, IntStream.of(indices).boxed().toList());
    }

    /**
     * Reads what YOLOv5's {@code --device} takes.
     *
     * @param text {@code cpu}, numbers of GPUs such as {@code 0} or {@code 0,1}, maybe behind
     *     {@code cuda:}, or nothing for {@link #automatic()}
     * @return the choice
     * @throws ConfigurationException if it is none of these
     */
    public static DeviceChoice parse(String text) {
        String plain = text.strip().toLowerCase(Locale.ROOT).replace(" ", "");
        if (plain.isEmpty()) {
            return automatic();
        }
        if (plain.equals("cpu")) {
            return cpu();
        }
        String numbers = plain.startsWith("cuda:") ? plain.substring("cuda:".length()) : plain;
        if (!numbers.matches("\\d{1,4}(,\\d{1,4})*")) {
            throw new ConfigurationException(
                    "the device '"
                            + text
                            + "' is neither 'cpu' nor numbers of GPUs such as '0' or '0,1'");
        }
        return gpus(Arrays.stream(numbers.split(",")).mapToInt(Integer::parseInt).toArray());
    }

    boolean isAutomatic() {
        return kind == Kind.AUTOMATIC;
    }

    boolean isCpu() {
        return kind == Kind.CPU;
    }

    /** The GPUs that are named; empty unless some are. */
    List<Integer> indices() {
        return indices;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof DeviceChoice choice
                && choice.kind == kind
                && choice.indices.equals(indices);
    }

    @Override
    public int hashCode() {
        return 31 * kind.hashCode() + indices.hashCode();
    }

    /** Returns the text that {@link #parse} reads, {@code automatic} for nothing. */
    @Override
    public String toString() {
        return switch (kind) {
            case AUTOMATIC -> "automatic";
            case CPU -> "cpu";
            case GPUS -> indices.stream().map(String::valueOf).collect(Collectors.joining(","));
        };
    }
}
