package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.DType;
import org.yoloddp.ddp.BucketLayout.Bucket;
import org.yoloddp.ddp.BucketLayout.Gradient;
import org.yoloddp.ddp.BucketLayout.Slot;
import org.yoloddp.error.ConfigurationException;

class BucketLayoutTest {

    private static final Reduction HUNDRED_FLOATS =
            Reduction.defaults().withBucketBytes(400).withFirstBucketBytes(64);

    @Test
    void fillsASmallFirstBucketAndThenLargerOnes() {
        BucketLayout layout =
                BucketLayout.of(
                        List.of(f32("a", 16), f32("b", 50), f32("c", 30), f32("d", 30)),
                        HUNDRED_FLOATS,
                        3);

        assertThat(layout.buckets())
                .containsExactly(
                        new Bucket(DType.F32, List.of(new Slot("a", 0, 16)), 16, 0),
                        new Bucket(
                                DType.F32,
                                List.of(new Slot("b", 0, 50), new Slot("c", 64, 30)),
                                94,
                                0),
                        new Bucket(DType.F32, List.of(new Slot("d", 0, 30)), 30, 3));
        assertThat(layout.buckets().get(2).tailOffset()).isEqualTo(32);
    }

    @Test
    void alignsEveryGradientAndTheTailTo64Bytes() {
        List<Gradient> gradients = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            gradients.add(
                    new Gradient("p" + i, i % 3 == 0 ? DType.F64 : DType.F32, 1 + i * 7L % 23));
        }
        BucketLayout layout = BucketLayout.of(gradients, HUNDRED_FLOATS, 3);

        for (Bucket bucket : layout.buckets()) {
            long previousEnd = 0;
            for (Slot slot : bucket.slots()) {
                assertThat(slot.offset() * bucket.dtype().bytes() % 64).isZero();
                assertThat(slot.offset()).isGreaterThanOrEqualTo(previousEnd);
                previousEnd = slot.offset() + slot.count();
            }
            assertThat(bucket.count()).isEqualTo(previousEnd);
        }
        Bucket last = layout.buckets().get(layout.buckets().size() - 1);
        assertThat(last.tailOffset() * last.dtype().bytes() % 64).isZero();
        assertThat(last.tailOffset()).isGreaterThanOrEqualTo(last.count());
        assertThat(last.totalCount()).isEqualTo(last.tailOffset() + 3);
    }

    @Test
    void onlyTheLastBucketHasATail() {
        List<Bucket> buckets =
                BucketLayout.of(
                                List.of(f32("a", 100), f32("b", 100), f32("c", 100)),
                                HUNDRED_FLOATS,
                                3)
                        .buckets();

        assertThat(buckets).hasSize(3);
        assertThat(buckets).extracting(Bucket::tailCount).containsExactly(0L, 0L, 3L);
        assertThat(buckets.get(0).totalCount()).isEqualTo(100);
        assertThat(buckets.get(2).tailOffset()).isEqualTo(112);
    }

    @Test
    void aGradientLargerThanABucketGetsOneOfItsOwn() {
        List<Bucket> buckets =
                BucketLayout.of(
                                List.of(f32("a", 16), f32("huge", 1000), f32("c", 16)),
                                HUNDRED_FLOATS,
                                3)
                        .buckets();

        assertThat(buckets).hasSize(3);
        assertThat(buckets.get(1).slots()).containsExactly(new Slot("huge", 0, 1000));
    }

    @Test
    void eachTypeHasBucketsOfItsOwnInTheOrderOfTheirLastGradient() {
        List<Bucket> buckets =
                BucketLayout.of(
                                List.of(
                                        f32("a", 4),
                                        new Gradient("x", DType.F64, 4),
                                        f32("b", 4),
                                        new Gradient("y", DType.F16, 4)),
                                Reduction.defaults(),
                                3)
                        .buckets();

        assertThat(buckets)
                .extracting(Bucket::dtype)
                .containsExactly(DType.F64, DType.F32, DType.F16);
        assertThat(buckets.get(1).slots())
                .containsExactly(new Slot("a", 0, 4), new Slot("b", 16, 4));
    }

    @Test
    void sizesAreRelativeToTheModelUnlessGiven() {
        Reduction defaults = Reduction.defaults();

        assertThat(defaults.bucketBytesFor(8L << 20)).isEqualTo(1L << 20);
        assertThat(defaults.firstBucketBytesFor(8L << 20)).isEqualTo(256L << 10);
        assertThat(defaults.bucketBytesFor(1000)).isEqualTo(64L << 10);
        assertThat(defaults.bucketBytesFor(1L << 40)).isEqualTo(25L << 20);
        assertThat(defaults.withBucketBytes(1000).bucketBytesFor(8L << 20)).isEqualTo(1000);
        assertThat(defaults.withBucketBytes(1000).firstBucketBytesFor(8L << 20)).isEqualTo(250);
        assertThat(defaults.withFirstBucketBytes(7).firstBucketBytesFor(8L << 20)).isEqualTo(7);
    }

    @Test
    void refusesNegativeSizes() {
        assertThatThrownBy(() -> Reduction.defaults().withBucketBytes(-1))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("bucketBytes is -1, must be 0 or more");
        assertThatThrownBy(() -> Reduction.defaults().withVerifyEvery(-2))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("verifyEvery is -2, must be 0 or more");
    }

    @Test
    void aModelWithoutGradientsHasNoBuckets() {
        assertThat(BucketLayout.of(List.of(), Reduction.defaults(), 3).buckets()).isEmpty();
    }

    private static Gradient f32(String parameter, long count) {
        return new Gradient(parameter, DType.F32, count);
    }
}
