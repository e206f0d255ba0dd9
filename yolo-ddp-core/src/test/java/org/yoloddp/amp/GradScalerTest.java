package org.yoloddp.amp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.Golden;
import org.yoloddp.torch.TensorList;
import org.yoloddp.torch.TorchRuntime;

@Tag("torch")
class GradScalerTest {

    @Test
    void scalesAndSkipsAsPyTorch() {
        TorchRuntime.start();
        int skipped = 0;
        for (JsonElement element : Golden.json("optim.json").getAsJsonArray("grad_scaler")) {
            JsonObject golden = element.getAsJsonObject();
            JsonObject args = golden.getAsJsonObject("args");
            GradScaler scaler =
                    new GradScaler(
                            new GradScaler.Options(
                                    number(args, "init_scale", 65536),
                                    number(args, "growth_factor", 2),
                                    number(args, "backoff_factor", .5),
                                    (int) number(args, "growth_interval", 2000)));
            for (JsonElement each : golden.getAsJsonArray("steps")) {
                JsonObject step = each.getAsJsonObject();
                assertThat(scaler.scale()).isEqualTo(number(step, "scale_used", -1));
                boolean skip = unscale(scaler, step.get("kind").getAsString());
                scaler.update(skip);
                assertThat(skip).isNotEqualTo(step.get("stepped").getAsBoolean());
                assertThat(scaler.scale()).isEqualTo(number(step, "scale_after", -1));
                assertThat(scaler.growthTracker())
                        .isEqualTo((int) number(step, "growth_tracker_after", -1));
                skipped += skip ? 1 : 0;
            }
        }
        assertThat(skipped).isGreaterThan(5);
    }

    private static double number(JsonObject from, String name, double otherwise) {
        return from.has(name) ? from.get(name).getAsDouble() : otherwise;
    }

    /** Takes the scale off gradients of which one may not be finite, and checks the others. */
    private static boolean unscale(GradScaler scaler, String kind) {
        float scale = (float) scaler.scale();
        float odd =
                switch (kind) {
                    case "inf" -> Float.POSITIVE_INFINITY;
                    case "nan" -> Float.NaN;
                    default -> 0;
                };
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray first = manager.create(new float[] {1e-3f * scale, odd});
            NDArray second = manager.create(new float[] {-.25f * scale}, new Shape(1, 1));
            try (TensorList list = TensorList.of(List.of(first, second))) {
                boolean found = scaler.unscale(list);
                float inverse = (float) (1 / (double) scale);
                assertThat(first.getFloat(0)).isEqualTo(1e-3f * scale * inverse);
                assertThat(second.getFloat(0, 0)).isEqualTo(-.25f * scale * inverse);
                return found;
            }
        }
    }

    @Test
    void anInfinityIsFoundWhereverItIs() {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager()) {
            for (float odd : new float[] {Float.NEGATIVE_INFINITY, Float.NaN, Float.MAX_VALUE}) {
                for (int place = 0; place < 40; place += 13) {
                    float[] values = new float[40];
                    values[place] = odd;
                    // Not dense in memory order, as gradients of convolutions are.
                    NDArray array = manager.create(values, new Shape(5, 8)).transpose();
                    NDArray other = manager.ones(new Shape(3));
                    try (TensorList list = TensorList.of(List.of(other, array))) {
                        assertThat(list.scaleAndFindNonFinite(.5))
                                .isEqualTo(odd != Float.MAX_VALUE);
                    }
                    assertThat(other.toFloatArray()).containsExactly(.5f, .5f, .5f);
                }
            }
            try (TensorList none = TensorList.of(List.of())) {
                assertThat(none.scaleAndFindNonFinite(.5)).isFalse();
            }
        }
    }

    @Test
    void aSavedStateGoesOn() {
        GradScaler.Options options =
                GradScaler.Options.defaults().withGrowthInterval(4).withInitialScale(1024);
        GradScaler saved = new GradScaler(options);
        saved.update(false);
        saved.update(true);
        saved.update(false);
        saved.update(false);
        assertThat(saved.state()).isEqualTo(Map.of("scale", 512.0, "growth_tracker", 2.0));
        GradScaler loaded = new GradScaler(options);
        loaded.load(saved.state());
        for (GradScaler each : List.of(saved, loaded)) {
            each.update(false);
            assertThat(each.scale()).isEqualTo(512);
            each.update(false);
            assertThat(each.scale()).isEqualTo(1024);
        }
        GradScaler shorter = new GradScaler(options.withGrowthInterval(2));
        shorter.load(Map.of("scale", 8.0, "growth_tracker", 3.0));
        shorter.update(false);
        assertThat(shorter.scale()).isEqualTo(16);
    }

    @Test
    void aDamagedStateIsRefused() {
        GradScaler scaler = new GradScaler(GradScaler.Options.defaults());
        assertThatThrownBy(() -> scaler.load(Map.of("scale", 2.0)))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "the saved state of the loss scale has no 'growth_tracker', only [scale]");
        assertThatThrownBy(() -> scaler.load(Map.of("scale", Double.NaN, "growth_tracker", 0.0)))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "the saved state of the loss scale has scale NaN, which no run can have"
                                + " had; is the file damaged?");
        assertThatThrownBy(() -> scaler.load(Map.of("scale", 2.0, "growth_tracker", 1.5)))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "the saved state of the loss scale has growth_tracker 1.5, which no run"
                                + " can have had; is the file damaged?");
        assertThat(scaler.scale()).isEqualTo(65536);
    }

    @Test
    void dividingTwiceIsRefused() {
        TorchRuntime.start();
        GradScaler scaler = new GradScaler(GradScaler.Options.defaults());
        try (TensorList none = TensorList.of(List.of())) {
            scaler.unscale(none);
            assertThatThrownBy(() -> scaler.unscale(none))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage(
                            "unscale() was called twice for one step; call update() in between");
            scaler.update(false);
            assertThat(scaler.unscale(none)).isFalse();
        }
    }

    @Test
    void aScaleThatOnlyFallsEndsTheRun() {
        GradScaler scaler =
                new GradScaler(GradScaler.Options.defaults().withInitialScale(0x1p-126));
        scaler.update(true);
        assertThat(scaler.scale()).isEqualTo(0x1p-127);
        assertThatThrownBy(() -> scaler.update(true))
                .isInstanceOf(LossScaleException.class)
                .hasMessage(
                        "gradients aren't finite even with the loss scaled by"
                                + " "
                                + 0x1p-127
                                + ", and every step on the way down was"
                                + " skipped. The weights are those of the last step that was"
                                + " taken. Look at the data and the loss, or lower the learning"
                                + " rate; without loss scaling (Precision.withoutLossScaling())"
                                + " the first loss that isn't finite is named");
    }

    @Test
    void optionsOutOfRangeAreRefused() {
        GradScaler.Options options = GradScaler.Options.defaults();
        assertRefused(
                () -> options.withInitialScale(0),
                "the initial loss scale is 0.0, but it and its inverse have to be above 0 and"
                        + " finite in float32");
        assertRefused(
                () -> options.withInitialScale(1e39),
                "the initial loss scale is 1.0E39, but it and its inverse have to be above 0 and"
                        + " finite in float32");
        assertRefused(
                () -> options.withGrowthFactor(1),
                "the growth factor of the loss scale is 1.0, but has to be above 1 and finite");
        assertRefused(
                () -> options.withBackoffFactor(1),
                "the backoff factor of the loss scale is 1.0, but has to be between 0 and 1");
        assertRefused(
                () -> options.withGrowthInterval(0),
                "the growth interval of the loss scale is 0 steps, but has to be 1 or more");
    }

    private static void assertRefused(Supplier<?> made, String message) {
        assertThatThrownBy(made::get)
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(message);
    }
}
