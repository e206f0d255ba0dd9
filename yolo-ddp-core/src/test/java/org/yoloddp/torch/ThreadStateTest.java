package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DispatchKey;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What libtorch keeps per thread: gradient mode, autocast, intra-op threads, generators. */
@Tag("torch")
class ThreadStateTest {

    private NDManager manager;

    @BeforeEach
    void open() {
        TorchRuntime.start();
        manager = NDManager.newBaseManager("PyTorch");
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void gradModeIsPutBack() throws Exception {
        boolean before = GradMode.isEnabled();
        try (GradMode on = GradMode.enabled()) {
            assertThat(GradMode.isEnabled()).isTrue();
            try (GradMode off = GradMode.disabled()) {
                assertThat(GradMode.isEnabled()).isFalse();
                assertThat(inThread(GradMode::isEnabled)).isTrue();
            }
            assertThat(GradMode.isEnabled()).isTrue();
            assertThatThrownBy(
                            () ->
                                    inThread(
                                            () -> {
                                                on.close();
                                                return null;
                                            }))
                    .rootCause()
                    .isInstanceOf(TorchException.class)
                    .hasMessageStartingWith("gradient mode was opened by thread ");
        }
        assertThat(GradMode.isEnabled()).isEqualTo(before);
    }

    @Test
    void autocastComputesInBfloat16OnThisThreadOnly() throws Exception {
        NDArray x = manager.ones(new Shape(8, 8));
        try (Autocast scope = Autocast.cpuBfloat16()) {
            assertThat(x.dot(x).getDataType()).isEqualTo(DataType.UNKNOWN);
            assertThat(inThread(() -> x.dot(x).getDataType())).isEqualTo(DataType.FLOAT32);
        }
        assertThat(x.dot(x).getDataType()).isEqualTo(DataType.FLOAT32);
    }

    @Test
    void autocastSeesWeightsThatWereChangedInPlace() {
        assertThat(autocastProducts(true)).containsExactly(1f, 2f, 3f);
    }

    /** The trap that the scope avoids: a cached copy of the first weights. */
    @Test
    void autocastByDispatchKeyAloneSeesOldWeights() {
        assertThat(autocastProducts(false)).containsExactly(1f, 1f, 1f);
    }

    private float[] autocastProducts(boolean scope) {
        NDArray weight = manager.ones(new Shape(64, 64));
        weight.setRequiresGradient(true);
        NDArray x = manager.full(new Shape(64, 64), 1f / 64);
        float[] seen = new float[3];
        try (GradMode on = GradMode.enabled();
                TensorList step = TensorList.of(List.of(weight));
                TensorList one = TensorList.of(List.of(manager.ones(new Shape(64, 64))))) {
            for (int i = 0; i < 3; i++) {
                NDArray y;
                if (scope) {
                    try (Autocast autocast = Autocast.cpuBfloat16()) {
                        y = x.dot(weight);
                    }
                } else {
                    torch.tls_set_dispatch_key_excluded(DispatchKey.AutocastCPU, false);
                    y = x.dot(weight);
                    torch.tls_set_dispatch_key_excluded(DispatchKey.AutocastCPU, true);
                }
                NDArray loss = TorchOps.toFloat32(y).mean();
                Autograd.backward(loss);
                seen[i] = loss.getFloat();
                step.add(one, 1);
            }
        }
        return seen;
    }

    @Test
    void dropoutIsReproducibleInTwoThreadsAtOnce() throws Exception {
        float[] alone = masks(1);
        assertThat(masks(2)).isNotEqualTo(alone);
        ExecutorService pool = Executors.newFixedThreadPool(2);
        try {
            CyclicBarrier together = new CyclicBarrier(2);
            Callable<float[]> task =
                    () -> {
                        together.await(30, TimeUnit.SECONDS);
                        return masks(1);
                    };
            List<Future<float[]>> both = List.of(pool.submit(task), pool.submit(task));
            for (Future<float[]> one : both) {
                assertThat(one.get(60, TimeUnit.SECONDS)).isEqualTo(alone);
            }
        } finally {
            pool.shutdownNow();
        }
    }

    /** libtorch's own dropout draws from one generator for all threads. */
    private static float[] masks(long seed) {
        float[] sums = new float[200];
        try (NDManager own = NDManager.newBaseManager("PyTorch");
                TorchGenerator generator = new TorchGenerator(seed)) {
            NDArray x = own.arange(1000f);
            for (int i = 0; i < sums.length; i++) {
                try (NDArray y = TorchOps.dropout(x, 0.5, generator);
                        NDArray sum = y.sum()) {
                    sums[i] = sum.getFloat();
                }
            }
        }
        return sums;
    }

    @Test
    void dropoutScalesWhatIsLeft() {
        try (TorchGenerator generator = new TorchGenerator(7);
                GradMode on = GradMode.enabled()) {
            NDArray x = manager.ones(new Shape(10000));
            x.setRequiresGradient(true);
            NDArray y = TorchOps.dropout(x, 0.25, generator);
            float[] values = y.toFloatArray();
            int zeros = 0;
            for (float value : values) {
                assertThat(value == 0f || value == 1 / 0.75f).isTrue();
                zeros += value == 0 ? 1 : 0;
            }
            assertThat(zeros).isBetween(2300, 2700);
            Autograd.backward(y.sum());
            assertThat(x.getGradient().toFloatArray()).isEqualTo(values);
            generator.reseed(7);
            assertThat(TorchOps.dropout(x, 0.25, generator).toFloatArray()).isEqualTo(values);
            assertThat(TorchOps.dropout(x, 1, generator).toFloatArray()).containsOnly(0f);
            assertThat(TorchOps.dropout(x, 0, generator).toFloatArray()).containsOnly(1f);
        }
    }

    @Test
    void generatorDrawsPyTorchsNumbers() {
        // torch.rand of torch.Generator().manual_seed(0)
        try (TorchGenerator generator = new TorchGenerator(0);
                org.bytedeco.pytorch.GeneratorOptional g = Tensors.optional(generator);
                Tensor drawn = torch.empty(1)) {
            drawn.uniform_(0, 1, g);
            assertThat(drawn.item_float()).isEqualTo(0.49625658988952637f);
        }
    }

    @Test
    void threadsAreSetForTheCallingThread() throws Exception {
        int before = TorchRuntime.threads();
        assertThat(
                        inThread(
                                () -> {
                                    TorchRuntime.setThreads(1);
                                    return TorchRuntime.threads();
                                }))
                .isEqualTo(1);
        assertThat(TorchRuntime.threads()).isEqualTo(before);
        assertThat(OpenBlas.threads()).as("OpenBLAS has one count per process").isEqualTo(1);
        TorchRuntime.setThreads(before);
        assertThat(OpenBlas.threads()).isEqualTo(before);
    }

    private static <T> T inThread(Callable<T> task) throws Exception {
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            return pool.submit(task).get(60, TimeUnit.SECONDS);
        } finally {
            pool.shutdownNow();
        }
    }
}
