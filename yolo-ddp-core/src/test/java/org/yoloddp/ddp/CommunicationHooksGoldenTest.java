package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.yoloddp.comm.Communicator;
import org.yoloddp.testing.Golden;
import org.yoloddp.torch.TorchRuntime;

/** Against what PyTorch's communication hooks make of the same gradients over several steps. */
@Tag("torch")
class CommunicationHooksGoldenTest {

    private static final double TOLERANCE = 1e-5;
    private static final JsonObject GOLDEN = Golden.json("communication_hooks.json");
    private static final Map<String, Shape> SHAPES = shapes();

    @BeforeAll
    static void start() {
        TorchRuntime.start();
    }

    private static Map<String, Shape> shapes() {
        Map<String, Shape> shapes = new LinkedHashMap<>();
        GOLDEN.getAsJsonObject("shapes")
                .asMap()
                .forEach(
                        (name, sizes) -> {
                            long[] axes =
                                    sizes.getAsJsonArray().asList().stream()
                                            .mapToLong(JsonElement::getAsLong)
                                            .toArray();
                            shapes.put(name, new Shape(axes));
                        });
        return shapes;
    }

    static Stream<JsonObject> powerSgd() {
        return cases("powerSgd");
    }

    static Stream<JsonObject> halves() {
        return Stream.concat(cases("float16"), cases("bfloat16"));
    }

    private static Stream<JsonObject> cases(String hook) {
        return GOLDEN.getAsJsonArray("cases").asList().stream()
                .map(JsonElement::getAsJsonObject)
                .filter(example -> example.get("hook").getAsString().equals(hook));
    }

    @ParameterizedTest
    @MethodSource("powerSgd")
    void approximatesAsPyTorch(JsonObject example) throws Exception {
        PowerSgd options = options(example);
        assertThat(largestError(example, options, 1)).isLessThan(TOLERANCE);
    }

    @ParameterizedTest
    @MethodSource("powerSgd")
    void anotherBeginningMissesByFar(JsonObject example) throws Exception {
        assertThat(largestError(example, options(example), -3)).isGreaterThan(500 * TOLERANCE);
    }

    @Test
    void withoutErrorFeedbackOrWarmStartItMissesByFar() throws Exception {
        JsonObject example = cases("powerSgd").findFirst().orElseThrow();
        PowerSgd options = options(example);
        assertThat(largestError(example, options.withErrorFeedback(false), 1))
                .isGreaterThan(500 * TOLERANCE);
        assertThat(largestError(example, options.withWarmStart(false), 1))
                .isGreaterThan(500 * TOLERANCE);
    }

    /** Sums of halves are rounded after each of several ranks there, once here: within an ulp. */
    @ParameterizedTest
    @MethodSource("halves")
    void sendsHalvesAsPyTorch(JsonObject example) throws Exception {
        boolean brain = example.get("hook").getAsString().equals("bfloat16");
        CommunicationHook.Factory factory =
                brain ? CommunicationHooks.bfloat16() : CommunicationHooks.float16();
        int ranks = example.get("ranks").getAsInt();
        double ulp = brain ? 0x1p-8 : 0x1p-10;
        assertThat(largestError(example, factory)).isLessThanOrEqualTo(ranks == 2 ? 0 : ulp);
        CommunicationHook.Factory other =
                brain ? CommunicationHooks.float16() : CommunicationHooks.bfloat16();
        assertThat(largestError(example, other)).isGreaterThan(0x1p-11);
    }

    private static PowerSgd options(JsonObject example) {
        return PowerSgd.defaults()
                .withStartStep(2)
                .withMatrixRank(example.get("matrixRank").getAsInt())
                .withMinCompressionRate(example.get("minCompressionRate").getAsDouble())
                .withErrorFeedback(example.get("errorFeedback").getAsBoolean())
                .withWarmStart(example.get("warmStart").getAsBoolean());
    }

    /** The random numbers are PyTorch's, the first of each vector times a factor. */
    private static double largestError(JsonObject example, PowerSgd options, float factor)
            throws Exception {
        JsonArray draws = example.getAsJsonArray("draws");
        RandomMatrices random =
                (parameter, step, index, into) -> {
                    JsonObject drawn = draws.get((int) step - 1).getAsJsonObject();
                    // What PyTorch does not draw at this step, since it goes on with the last Q.
                    double[] all =
                            Golden.doubles(
                                    (drawn.has(parameter) ? drawn : draws.get(2).getAsJsonObject())
                                            .get(parameter));
                    for (int i = 0; i < into.length; i++) {
                        into[i] = (float) all[index * into.length + i];
                    }
                    into[0] *= factor;
                };
        return largestError(
                example,
                (communicator, buckets, manager) ->
                        new PowerSgdHook(options, communicator, buckets, manager, random));
    }

    private static double largestError(JsonObject example, CommunicationHook.Factory factory)
            throws Exception {
        List<Double> errors =
                Ranks.run(example.get("ranks").getAsInt(), c -> error(example, factory, c));
        assertThat(errors).containsOnly(errors.get(0));
        return errors.get(0);
    }

    private static double error(
            JsonObject example, CommunicationHook.Factory factory, Communicator communicator) {
        JsonArray averages = example.getAsJsonArray("averages");
        float big = example.has("big") ? example.get("big").getAsFloat() : 1;
        double largest = 0;
        try (NDManager manager = NDManager.newBaseManager()) {
            HookBucket bucket = HookBucket.of(communicator, manager, 0, SHAPES, true);
            try (CommunicationHook hook =
                    factory.create(communicator, List.of(bucket.bucket()), manager)) {
                for (int step = 0; step < averages.size(); step++) {
                    for (String name : SHAPES.keySet()) {
                        bucket.write(name, gradient(name, step, communicator.rank(), big));
                    }
                    bucket.raise(0, false);
                    bucket.raise(1, communicator.rank() == 1 && step == 2);
                    hook.start(bucket.bucket()).await(communicator.deadline());
                    assertThat(bucket.raised(0)).isFalse();
                    assertThat(bucket.raised(1)).isEqualTo(step == 2);
                    JsonObject expected = averages.get(step).getAsJsonObject();
                    for (String name : SHAPES.keySet()) {
                        double[] golden = Golden.doubles(expected.get(name));
                        float[] actual = bucket.read(name);
                        for (int i = 0; i < golden.length; i++) {
                            largest = Math.max(largest, Math.abs(actual[i] - (float) golden[i]));
                        }
                    }
                }
            }
        }
        return largest;
    }

    /** As the golden file says. */
    private static float[] gradient(String name, long step, long rank, float big) {
        float[] gradient = new float[Math.toIntExact(SHAPES.get(name).size())];
        long parameter = List.copyOf(SHAPES.keySet()).indexOf(name);
        for (long i = 0; i < gradient.length; i++) {
            long mixed = i * i * (3 + step) + i * 37 + step * 101 + rank * 53 + parameter * 17;
            gradient[(int) i] = (mixed % 97 - 48) / 32f * big;
        }
        return gradient;
    }
}
