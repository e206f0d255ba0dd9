package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.StreamEvent;
import org.yoloddp.torch.DeviceStream;
import org.yoloddp.torch.Devices;
import org.yoloddp.torch.LateNumbers;
import org.yoloddp.torch.SideStream;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.TrainingReport;

/**
 * Training on one GPU, and the order of what it computes; {@link PretendedGpuTest} shows what can
 * be shown without one. Needs a CUDA libtorch, given by -Dyoloddp.libtorch=path:.
 */
@Tag("gpu")
@Timeout(300)
class GpuTrainingTest {

    private static final MemoryDevice GPU = new MemoryDevice("cuda", 0);
    private static final Duration LONG = Duration.ofSeconds(60);

    @BeforeAll
    static void requireGpu() {
        TorchRuntime.start();
        assumeTrue(Devices.gpuCount() > 0, "no GPU, or no CUDA libtorch");
    }

    @Test
    void aGpuLearnsWhatTheCpuLearns() {
        double cpu = lastLoss(b -> b.optWorld(World.threads(1)));
        double gpu = lastLoss(b -> b.optWorld(onGpu()));
        double other = lastLoss(b -> b.optWorld(World.threads(1)).setEpochs(1));
        assertThat(gpu).isCloseTo(cpu, within(1e-3));
        assertThat(other).isNotCloseTo(cpu, within(1e-2));
    }

    @Test
    void mixedPrecisionLearnsThereToo() {
        double plain = lastLoss(b -> b.optWorld(onGpu()));
        try (Toy toy = new Toy();
                DistributedTrainer trainer = toy.builder().optWorld(onGpu()).optAmp(true).build()) {
            TrainingReport report = trainer.train();
            // Float16 there, whose scale is found by some skipped steps at most.
            assertThat(report.lossScale()).isFinite();
            assertThat(report.skippedSteps()).isLessThan(report.steps());
            assertThat(loss(report)).isCloseTo(plain, within(.1));
        }
    }

    private static World onGpu() {
        return World.local().withDevices(DeviceChoice.gpus(0));
    }

    private static double lastLoss(UnaryOperator<DistributedTrainerBuilder> options) {
        try (Toy toy = new Toy();
                DistributedTrainer trainer = options.apply(toy.builder()).build()) {
            return loss(trainer.train());
        }
    }

    private static double loss(TrainingReport report) {
        return report.epochs().get(report.epochs().size() - 1).losses().values().stream()
                .mapToDouble(value -> value)
                .sum();
    }

    /** A row of products that takes a while, each after the other. */
    private static NDArray slow(NDArray start) {
        NDArray product = start;
        for (int i = 0; i < 200; i++) {
            product = product.matMul(start);
        }
        return product;
    }

    @Test
    void numbersAreLateAndRight() {
        try (NDManager manager = NDManager.newBaseManager(Device.gpu(0))) {
            NDArray identity = manager.eye(4096);
            identity.matMul(identity).getFloat(0, 0);
            NDArray late = slow(identity).get("5:6,4:7").reshape(new Shape(3));
            StreamEvent behind = DeviceStream.current(GPU).record();
            boolean passed = behind.hasPassed();
            LateNumbers numbers = LateNumbers.of(late);
            assertThat(passed).as("27 TFLOP are done at once").isFalse();
            assertThat(numbers.read(LONG)).containsExactly(0, 1, 0);
            assertThat(behind.hasPassed()).isTrue();
            behind.close();
        }
    }

    @Test
    void whatAnotherStreamBringsIsWaitedFor() throws Exception {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try (NDManager manager = NDManager.newBaseManager(Device.gpu(0));
                NDManager host = NDManager.newBaseManager(Device.cpu())) {
            NDArray identity = manager.eye(4096);
            NDArray numbers = host.arange(4096f).reshape(4096, 1);
            NDArray[] brought = new NDArray[1];
            StreamEvent there =
                    thread.submit(
                                    () -> {
                                        SideStream.begin(GPU);
                                        // The copy comes behind slow work of its own stream.
                                        NDArray ones = slow(manager.eye(4096));
                                        NDArray copy = SideStream.toDevice(manager, numbers);
                                        brought[0] = ones.matMul(copy);
                                        return DeviceStream.current(GPU).record();
                                    })
                            .get(60, TimeUnit.SECONDS);
            SideStream.takeOver(brought[0], there);
            there.close();
            NDArray result = identity.matMul(brought[0]);
            assertThat(LateNumbers.of(result).read(LONG)[4095]).isEqualTo(4095);
        } finally {
            thread.shutdownNow();
        }
    }

    @Test
    void aStreamWaitsForAnEventOfAnother() {
        ComputeStream current = DeviceStream.current(GPU);
        assertThat(current.device()).isEqualTo(GPU);
        try (StreamEvent event = current.record()) {
            assertThat(event.handle()).isNotZero();
            current.waitFor(event);
        }
        assertThat(Devices.memory(Device.gpu(0))).isEqualTo(GPU);
    }
}
