package org.yoloddp.yolo;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/** Makes the layer of one row. */
final class LayerFactory {

    /** A layer and its output channels. */
    record Made(Layer layer, int channels) {}

    private final ModelYaml yaml;
    private final LayerRow row;
    private final RowArguments arguments;
    private final Seeds seeds;
    private final String activation;

    LayerFactory(ModelYaml yaml, LayerRow row, RowArguments arguments, Seeds seeds) {
        this.yaml = yaml;
        this.row = row;
        this.arguments = arguments;
        this.seeds = seeds;
        this.activation = yaml.activation();
    }

    Made make(int in, int joined, int inputs) {
        if (row.module().equals("Concat")) {
            if (arguments.number(0, 1) != 1) {
                throw arguments.bad("only concatenation of channels (1) is supported");
            }
            return new Made(PlainLayer.concat(), joined);
        }
        arguments.onlyInputs(inputs);
        return switch (row.module()) {
            case "Conv" -> stacked(in, c -> conv(c, 1));
            case "DWConv" -> stacked(in, c -> conv(c, 0));
            case "Bottleneck" ->
                    stacked(
                            in,
                            c ->
                                    new BottleneckLayer(
                                            c,
                                            out(),
                                            arguments.flag(1, true),
                                            1,
                                            0.5,
                                            activation,
                                            seeds));
            case "C3" ->
                    new Made(
                            new C3Layer(
                                    in,
                                    out(),
                                    repeats(),
                                    arguments.flag(1, true),
                                    1,
                                    0.5,
                                    activation,
                                    seeds),
                            out());
            case "SPPF" ->
                    stacked(
                            in,
                            c ->
                                    SppLayer.chained(
                                            c, out(), arguments.positive(1, 5), activation, seeds));
            case "SPP" ->
                    stacked(
                            in,
                            c ->
                                    SppLayer.parallel(
                                            c,
                                            out(),
                                            arguments.numbers(1, new int[] {5, 9, 13}),
                                            activation,
                                            seeds));
            case "Upsample" -> new Made(upsample(), in);
            case "MaxPool2d" -> {
                int kernel = arguments.positive(0, 2);
                yield new Made(
                        PlainLayer.maxPool(
                                kernel, arguments.positive(1, kernel), arguments.number(2, 0)),
                        in);
            }
            case "Detect" -> throw arguments.bad("Detect must be the last layer");
            default ->
                    throw arguments.bad(
                            "unknown module; known are Conv, DWConv, Bottleneck, C3, SPP, SPPF,"
                                    + " Concat, nn.Upsample, nn.MaxPool2d, Detect");
        };
    }

    private ConvLayer conv(int in, int groupsOrDepthwise) {
        int kernel = arguments.positive(1, 1);
        int stride = arguments.positive(2, 1);
        boolean depthwise = groupsOrDepthwise == 0;
        int padding = depthwise ? kernel / 2 : arguments.number(3, kernel / 2);
        int groups = depthwise ? gcd(in, out()) : arguments.positive(4, 1);
        if (in % groups != 0 || out() % groups != 0) {
            throw arguments.bad(
                    groups + " groups divide neither or only one of " + in + " and " + out());
        }
        return new ConvLayer(
                new ConvLayer.Spec(in, out(), kernel, stride, padding, groups, activation), seeds);
    }

    private Layer upsample() {
        if (row.arguments().size() > 2 && !"nearest".equals(row.arguments().get(2))) {
            throw arguments.bad("only nearest upsampling is supported");
        }
        return PlainLayer.upsample(arguments.positive(1, 2));
    }

    /** Repeats stand beside each other in a sequence; only C3 takes their number itself. */
    private Made stacked(int in, IntFunction<Layer> layer) {
        int repeats = repeats();
        if (repeats == 1) {
            return new Made(layer.apply(in), out());
        }
        List<Layer> layers = new ArrayList<>();
        for (int i = 0; i < repeats; i++) {
            layers.add(layer.apply(i == 0 ? in : out()));
        }
        return new Made(new SequenceLayer(layers), out());
    }

    /** Ties are rounded to even, as Python does. */
    private int repeats() {
        int repeats = row.repeats();
        return repeats > 1 ? Math.max((int) Math.rint(repeats * yaml.depthMultiple()), 1) : repeats;
    }

    private int out() {
        int channels = arguments.positive(0, 0);
        int untouched = yaml.anchors()[0].length / 2 * (yaml.classes() + 5);
        return channels == untouched
                ? channels
                : (int) Math.ceil(channels * yaml.widthMultiple() / 8) * 8;
    }

    private static int gcd(int a, int b) {
        return b == 0 ? a : gcd(b, a % b);
    }
}
