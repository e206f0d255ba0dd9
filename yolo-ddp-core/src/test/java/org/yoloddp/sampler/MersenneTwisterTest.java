package org.yoloddp.sampler;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.yoloddp.testing.Golden;

class MersenneTwisterTest {

    private static final JsonObject GOLDEN = Golden.json("sampler.json");

    @Test
    void permutationsEqualTorch() throws NoSuchAlgorithmException {
        JsonArray rows = GOLDEN.getAsJsonArray("randperm");
        assertThat(rows).hasSize(120);
        for (JsonElement element : rows) {
            JsonObject row = element.getAsJsonObject();
            int n = row.get("n").getAsInt();
            int[] values = new MersenneTwister(row.get("seed").getAsLong()).permutation(n);
            if (row.has("values")) {
                assertThat(values).as("%s", row).isEqualTo(Golden.ints(row.get("values")));
            } else {
                assertThat(Arrays.copyOf(values, 20)).isEqualTo(Golden.ints(row.get("first20")));
                assertThat(sha256(values)).isEqualTo(row.get("sha256_le_int64").getAsString());
            }
        }
    }

    @Test
    void permutationsFollowOneAnotherAsInTorch() {
        for (JsonElement element : GOLDEN.getAsJsonArray("randperm_consecutive")) {
            JsonObject row = element.getAsJsonObject();
            MersenneTwister random = new MersenneTwister(row.get("seed").getAsLong());
            // RandomSampler draws a second permutation per pass and throws it away.
            int wasted = row.has("note") ? 1 : 0;
            for (JsonElement draw : row.getAsJsonArray("draws")) {
                assertThat(random.permutation(10)).isEqualTo(Golden.ints(draw));
                IntStream.range(0, wasted).forEach(i -> random.permutation(10));
            }
        }
    }

    @Test
    void numbersEqualTorch() {
        MersenneTwister integers = new MersenneTwister(0);
        for (int expected : Golden.ints(GOLDEN.get("random_int31_seed0"))) {
            assertThat(integers.nextInt() & Integer.MAX_VALUE).isEqualTo(expected);
        }
        MersenneTwister bounded = new MersenneTwister(0);
        for (int expected : Golden.ints(GOLDEN.get("randint_0_1000_seed0"))) {
            assertThat(bounded.below(1000)).isEqualTo(expected);
        }
        MersenneTwister doubles = new MersenneTwister(0);
        for (double expected : Golden.doubles(GOLDEN.get("rand_seed0_float64"))) {
            assertThat(doubles.nextDouble()).isEqualTo(expected);
        }
    }

    private static String sha256(int[] values) throws NoSuchAlgorithmException {
        ByteBuffer bytes =
                ByteBuffer.allocate(values.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int value : values) {
            bytes.putLong(value);
        }
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
    }
}
