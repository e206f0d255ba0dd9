package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("torch")
class GradientHooksTest {

    private NDManager manager;
    private final List<NDArray> parameters = new ArrayList<>();

    @BeforeEach
    void make() {
        TorchRuntime.start();
        manager = NDManager.newBaseManager();
        NDArray flat = manager.zeros(new Shape(200, 8)).reshape(-1);
        for (int i = 0; i < 200; i++) {
            NDArray parameter = manager.ones(new Shape(8));
            parameter.setRequiresGradient(true);
            GradientViews.bind(parameter, flat, i * 8L);
            parameters.add(parameter);
        }
    }

    @AfterEach
    void free() {
        manager.close();
    }

    /** The first parameters' gradients are computed last. */
    private void backward(int count) {
        try (NDManager scope = manager.newSubManager();
                GradMode on = GradMode.enabled()) {
            NDArray two = scope.full(new Shape(8), 2f);
            NDArray sum = null;
            for (NDArray parameter : parameters.subList(0, count)) {
                NDArray term = two.mul(parameter);
                sum = sum == null ? term : sum.add(term);
            }
            Autograd.backward(sum.sum());
        }
    }

    private float gradient(int index) {
        try (NDArray gradient = GradientViews.gradient(manager, parameters.get(index))) {
            return gradient.getFloat(3);
        }
    }

    @Test
    void tellsOfEachParameterOnceOnTheCallersThreadBeforeItsGradientIsAdded() {
        List<Integer> told = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        List<Float> own = new ArrayList<>();
        List<Float> previous = new ArrayList<>();
        try (GradientHooks hooks =
                GradientHooks.register(
                        parameters,
                        i -> {
                            own.add(gradient(i));
                            if (!told.isEmpty()) {
                                previous.add(gradient(told.get(told.size() - 1)));
                            }
                            told.add(i);
                            threads.add(Thread.currentThread());
                        })) {
            backward(4);

            assertThat(hooks.failure()).isNull();
        }
        assertThat(told).containsExactly(3, 2, 1, 0);
        assertThat(threads).containsOnly(Thread.currentThread());
        assertThat(own).containsOnly(0f);
        assertThat(previous).containsExactly(2f, 2f, 2f);
        assertThat(gradient(0)).isEqualTo(2);
    }

    @Test
    void nothingIsCalledAfterCloseAndGradientsStillAddUp() {
        AtomicInteger calls = new AtomicInteger();
        GradientHooks hooks = GradientHooks.register(parameters, i -> calls.incrementAndGet());
        backward(200);
        hooks.close();
        hooks.close();
        backward(200);

        assertThat(calls).hasValue(200);
        assertThat(gradient(7)).isEqualTo(4);
    }

    @Test
    void whatAListenerThrowsIsKeptAndBackwardGoesOn() {
        IllegalStateException first = new IllegalStateException("first");
        try (GradientHooks hooks =
                GradientHooks.register(
                        parameters,
                        i -> {
                            if (i == 5) {
                                throw first;
                            }
                            throw new AssertionError("second");
                        })) {
            backward(6);

            assertThat(hooks.failure()).isSameAs(first);
            assertThat(gradient(0)).isEqualTo(2);
        }
    }

    @Test
    void aStepKeepsNoNativeMemory() {
        AtomicInteger calls = new AtomicInteger();
        try (GradientHooks hooks =
                GradientHooks.register(parameters, i -> calls.incrementAndGet())) {
            for (int step = 0; step < 20; step++) {
                backward(200);
            }
            System.gc();
            long objects = Pointer.totalCount();
            long bytes = Pointer.totalBytes();
            for (int step = 0; step < 50; step++) {
                backward(200);
            }
            System.gc();

            assertThat(calls).hasValue(70 * 200);
            // 10 000 more hooks were called.
            assertThat(Pointer.totalCount() - objects).isLessThan(1000);
            assertThat(Pointer.totalBytes() - bytes).isLessThan(100_000);
        }
    }

    @Test
    void listsOfGradientsFollowWhenGradientsMove() {
        List<NDArray> two = parameters.subList(0, 2);
        NDArray elsewhere = manager.zeros(new Shape(64));
        try (TensorList gradients = TensorList.ofGradients(two)) {
            backward(2);
            assertThat(gradients.globalNorm(1)).isEqualTo(32);
            GradientViews.bind(two.get(0), elsewhere, 16);
            GradientViews.bind(two.get(1), elsewhere, 32);
            assertThat(gradients.globalNorm(1)).isZero();
            backward(2);

            assertThat(gradients.globalNorm(1)).isEqualTo(32);
            assertThat(elsewhere.get("16:24").toFloatArray()).containsOnly(2);
            assertThat(elsewhere.get("32:40").toFloatArray()).containsOnly(2);
            gradients.zero();
            assertThat(elsewhere.toFloatArray()).containsOnly(0);
        }
    }
}
