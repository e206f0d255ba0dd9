package org.yoloddp.sampler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.Golden;

class IndexSamplerTest {

    @Test
    void distributedEqualsPyTorch() {
        JsonArray rows = Golden.json("sampler.json").getAsJsonArray("distributed_sampler");
        assertThat(rows).hasSize(304);
        for (JsonElement element : rows) {
            JsonObject row = element.getAsJsonObject();
            IndexSampler sampler =
                    IndexSampler.distributed()
                            .shuffle(row.get("shuffle").getAsBoolean())
                            .seed(row.get("seed").getAsLong())
                            .dropLast(row.get("drop_last").getAsBoolean());
            JsonArray ranks = row.getAsJsonArray("ranks");
            for (int rank = 0; rank < ranks.size(); rank++) {
                assertThat(
                                sampler.indices(
                                        row.get("n").getAsInt(),
                                        row.get("epoch").getAsInt(),
                                        rank,
                                        ranks.size()))
                        .as("rank %d of %s", rank, row)
                        .isEqualTo(Golden.ints(ranks.get(rank)));
            }
        }
    }

    @Test
    void epochsEqualYoloV5sLoaderWithoutItsLag() {
        // Without worker processes the original's endless loader is in step with the epochs.
        int checked = 0;
        for (JsonElement element : Golden.json("sampler.json").getAsJsonArray("loader_order")) {
            JsonObject row = element.getAsJsonObject();
            int world = row.get("world").getAsInt();
            if (world > 1 && row.get("workers").getAsInt() == 0) {
                JsonArray epochs = row.getAsJsonArray("epochs");
                for (int epoch = 0; epoch < epochs.size(); epoch++) {
                    assertThat(
                                    IndexSampler.distributed()
                                            .indices(205, epoch, row.get("rank").getAsInt(), world))
                            .isEqualTo(Golden.ints(epochs.get(epoch)));
                    checked++;
                }
            }
        }
        assertThat(checked).isEqualTo(8);
    }

    @Test
    void ranksCoverTheDataAndHaveEqualShares() {
        Random random = new Random(1);
        for (int trial = 0; trial < 200; trial++) {
            int n = 1 + random.nextInt(300);
            int world = 1 + random.nextInt(9);
            int epoch = random.nextInt(50);
            DistributedSampler sampler =
                    IndexSampler.distributed()
                            .shuffle(random.nextBoolean())
                            .seed(random.nextLong());
            List<Integer> padded = all(sampler, n, epoch, world);
            assertThat(padded).hasSize((n + world - 1) / world * world);
            assertThat(padded).containsAll(IntStream.range(0, n).boxed().toList());
            List<Integer> cut = all(sampler.dropLast(true), n, epoch, world);
            assertThat(cut).hasSize(n / world * world).doesNotHaveDuplicates();
            assertThat(sampler.indices(n, epoch, world - 1, world))
                    .isEqualTo(sampler.indices(n, epoch, world - 1, world));
        }
    }

    @Test
    void unpaddedSharesHoldEachSampleOnce() {
        for (int n = 0; n < 40; n++) {
            for (int world = 1; world < 6; world++) {
                DistributedSampler unpadded = IndexSampler.distributed().pad(false);
                List<Integer> found = new ArrayList<>();
                for (int rank = 0; rank < world; rank++) {
                    int[] share = unpadded.indices(n, 3, rank, world);
                    int[] padded = IndexSampler.distributed().indices(n, 3, rank, world);
                    assertThat(share.length).isEqualTo((n - rank + world - 1) / world);
                    assertThat(share).isEqualTo(Arrays.copyOf(padded, share.length));
                    Arrays.stream(share).forEach(found::add);
                }
                assertThat(found)
                        .containsExactlyInAnyOrderElementsOf(
                                IntStream.range(0, n).boxed().toList());
                assertThat(all(unpadded.dropLast(true), n, 3, world)).hasSize(n / world * world);
            }
        }
    }

    private static List<Integer> all(IndexSampler sampler, int n, int epoch, int world) {
        int length = sampler.indices(n, epoch, 0, world).length;
        List<Integer> all = new ArrayList<>();
        for (int rank = 0; rank < world; rank++) {
            int[] share = sampler.indices(n, epoch, rank, world);
            assertThat(share).hasSize(length);
            Arrays.stream(share).forEach(all::add);
        }
        return all;
    }

    @Test
    void anotherEpochIsAnotherOrder() {
        IndexSampler sampler = IndexSampler.distributed();
        int[] first = sampler.indices(100, 0, 0, 2);
        sampler.indices(100, 7, 1, 2);
        assertThat(sampler.indices(100, 0, 0, 2)).isEqualTo(first);
        assertThat(sampler.indices(100, 1, 0, 2)).isNotEqualTo(first);
        assertThat(IndexSampler.distributed().seed(1).indices(100, 0, 0, 2)).isNotEqualTo(first);
    }

    @Test
    void sequentialKeepsTheOrderOfTheData() {
        assertThat(IndexSampler.sequential().indices(5, 3, 0, 2)).containsExactly(0, 2, 4);
        assertThat(IndexSampler.sequential().indices(5, 3, 1, 2)).containsExactly(1, 3, 0);
    }

    @Test
    void weightedDrawsFollowTheWeights() {
        double[] weights = {0, 1, 2, 0, 5, 0};
        IndexSampler sampler = IndexSampler.weightedRandom(weights, 80_000, 3);
        int[] counts = new int[weights.length];
        all(sampler, weights.length, 0, 4).forEach(index -> counts[index]++);
        assertThat(counts[0] + counts[3] + counts[5]).isZero();
        assertThat(counts[1]).isCloseTo(10_000, within(300));
        assertThat(counts[2]).isCloseTo(20_000, within(400));
        assertThat(counts[4]).isCloseTo(50_000, within(500));
    }

    @Test
    void weightedSharesAreTheSameDrawsAtAnyWorldSize() {
        IndexSampler sampler = IndexSampler.weightedRandom(new double[] {1, 2, 3, 4}, 12, 9);
        int[] one = sampler.indices(4, 5, 0, 1);
        int[] dealt = new int[12];
        for (int rank = 0; rank < 3; rank++) {
            int[] share = sampler.indices(4, 5, rank, 3);
            for (int i = 0; i < share.length; i++) {
                dealt[rank + 3 * i] = share[i];
            }
        }
        assertThat(dealt).isEqualTo(one).isNotEqualTo(sampler.indices(4, 6, 0, 1));
        assertThat(IndexSampler.weightedRandom(new double[] {1, 2}, 5, 9).indices(2, 0, 1, 2))
                .hasSize(3);
    }

    @Test
    void laterChangesOfTheWeightsHaveNoEffect() {
        double[] weights = {1, 0};
        IndexSampler sampler = IndexSampler.weightedRandom(weights, 10, 0);
        weights[1] = 1e9;
        assertThat(sampler.indices(2, 0, 0, 1)).containsOnly(0);
    }

    @Test
    void refusesBadWeights() {
        refused(
                "a weighted sampler needs a weight for each sample; it was given none",
                () -> IndexSampler.weightedRandom(new double[0], 3, 0));
        refused(
                "weights of samples must be finite and not negative: weight 1 is -2.0",
                () -> IndexSampler.weightedRandom(new double[] {1, -2}, 3, 0));
        refused(
                "weights of samples must be finite and not negative: weight 0 is NaN",
                () -> IndexSampler.weightedRandom(new double[] {Double.NaN, 1}, 3, 0));
        refused(
                "weights of samples must be finite and not negative: weight 0 is Infinity",
                () ->
                        IndexSampler.weightedRandom(
                                new double[] {Double.POSITIVE_INFINITY, 1}, 3, 0));
        refused(
                "the sum of the weights of samples must be finite and above 0: it is 0.0",
                () -> IndexSampler.weightedRandom(new double[2], 3, 0));
        refused(
                "the sum of the weights of samples must be finite and above 0: it is Infinity",
                () -> IndexSampler.weightedRandom(new double[] {1e308, 1e308}, 3, 0));
        refused(
                "samples per epoch must be at least 1: 0",
                () -> IndexSampler.weightedRandom(new double[] {1}, 0, 0));
        refused(
                "a weighted sampler needs one weight per sample: 2 weights, 3 samples in the data"
                        + " set",
                () -> IndexSampler.weightedRandom(new double[] {1, 1}, 3, 0).indices(3, 0, 0, 1));
    }

    @Test
    void refusesBadArguments() {
        refused(
                "rank must be from 0 to world size - 1: rank 2 of 2 ranks",
                () -> IndexSampler.distributed().indices(3, 0, 2, 2));
        refused(
                "data set size and epoch must be at least 0: 3, -1",
                () -> IndexSampler.sequential().indices(3, -1, 0, 2));
    }

    private static void refused(String message, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isExactlyInstanceOf(ConfigurationException.class)
                .hasMessage(message);
    }
}
