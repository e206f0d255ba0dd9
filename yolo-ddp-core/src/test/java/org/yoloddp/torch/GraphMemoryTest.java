package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("torch")
class GraphMemoryTest {

    private static final float FACTOR = 3;

    @Test
    void aCollectionBeforeBackwardLeavesScalarsAlone() {
        assertThat(gradients(true)).containsExactly(FACTOR);
    }

    @Test
    void withoutItGradientsAreWrong() {
        assertThat(gradients(false)).as("the negative control").isNotEqualTo(Set.of(FACTOR));
    }

    @Test
    void subManagersAreWatchedToo() {
        TorchRuntime.start();
        try (NDManager rank = NDManager.newBaseManager()) {
            GraphMemory memory = GraphMemory.of(rank);
            try (NDManager step = rank.newSubManager();
                    NDManager inner = step.newSubManager()) {
                NDArray weight = inner.ones(new Shape(2));
                assertThat(gradient(weight)).isEqualTo(FACTOR);
            }
            memory.release();
        }
    }

    /** Gradients of {@code sum(3 w)} where the collector has run before backward. */
    private static Set<Float> gradients(boolean keep) {
        TorchRuntime.start();
        Set<Float> found = new HashSet<>();
        try (NDManager manager = NDManager.newBaseManager()) {
            GraphMemory memory = keep ? GraphMemory.of(manager) : null;
            for (int round = 0; round < 20; round++) {
                try (NDManager scope = manager.newSubManager()) {
                    found.add(gradient(scope.ones(new Shape(2))));
                }
                if (memory != null) {
                    memory.release();
                }
            }
        }
        return found;
    }

    private static float gradient(NDArray weight) {
        weight.setRequiresGradient(true);
        try (GradMode on = GradMode.enabled()) {
            NDArray loss = weight.mul(FACTOR).sum();
            collect();
            Autograd.backward(loss);
            return weight.getGradient().toFloatArray()[0];
        }
    }

    /** Collects until no more buffer is freed. */
    private static void collect() {
        BufferPoolMXBean pool =
                ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                        .filter(bean -> bean.getName().equals("direct"))
                        .findFirst()
                        .orElseThrow();
        long before;
        do {
            before = pool.getCount();
            System.gc();
            System.runFinalization();
        } while (pool.getCount() < before);
    }
}
