package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Arrays that share memory: gradients in a flat array, foreign memory, handles without leaks. */
@Tag("torch")
class SharedMemoryTest {

    private NDManager manager;
    private GradMode grad;

    @BeforeEach
    void open() {
        grad = GradMode.enabled();
        manager = NDManager.newBaseManager("PyTorch");
    }

    @AfterEach
    void close() {
        manager.close();
        grad.close();
    }

    @Test
    void backwardAddsStraightIntoTheFlatArray() {
        NDArray flat = manager.zeros(new Shape(100));
        NDArray parameter =
                Layouts.toChannelsLast(manager.arange(24f).reshape(1, 2, 3, 4).duplicate());
        parameter.setRequiresGradient(true);
        GradientViews.bind(parameter, flat, 16);
        long address = ForeignMemory.address(flat);
        for (int i = 1; i <= 3; i++) {
            Autograd.backward(parameter.square().sum());
            NDArray gradient = GradientViews.gradient(parameter);
            assertThat(ForeignMemory.address(gradient)).isEqualTo(address + 16 * 4);
            assertThat(Layouts.strides(gradient)).isEqualTo(Layouts.strides(parameter));
            assertThat(gradient.toFloatArray()).isEqualTo(parameter.mul(2 * i).toFloatArray());
        }
        float[] all = flat.toFloatArray();
        assertThat(java.util.Arrays.copyOf(all, 16)).containsOnly(0f);
        // in memory the second element is the second channel's first
        assertThat(all[17]).isEqualTo(12f * 6);
        GradientViews.unbind(parameter);
        assertThat(GradientViews.gradient(parameter)).isNull();
    }

    @Test
    void viewOfAViewCountsFromItsOwnBegin() {
        NDArray flat = manager.zeros(new Shape(20));
        NDArray part = flat.get("10:");
        NDArray parameter = manager.ones(new Shape(2));
        parameter.setRequiresGradient(true);
        GradientViews.bind(parameter, part, 8);
        Autograd.backward(parameter.sum());
        assertThat(flat.getFloat(18)).isEqualTo(1f);
        assertThatThrownBy(() -> GradientViews.bind(parameter, part, 9))
                .isInstanceOf(TorchException.class)
                .hasMessage(
                        "a gradient of shape (2) at offset 9 does not fit into a flat array of 10"
                                + " elements");
    }

    @Test
    void foreignMemoryIsSharedBothWays() {
        ByteBuffer memory = ByteBuffer.allocateDirect(400).order(ByteOrder.nativeOrder());
        long address = new Pointer(memory).address();
        NDArray array = ForeignMemory.array(manager, address, DataType.FLOAT32, 100, memory);
        memory.putFloat(4 * 7, 5f);
        assertThat(array.getFloat(7)).isEqualTo(5f);
        array.addi(1);
        assertThat(memory.getFloat(4 * 7)).isEqualTo(6f);
        assertThat(ForeignMemory.address(array)).isEqualTo(address);
        assertThat(ForeignMemory.byteCount(array)).isEqualTo(400);
        array.close();
        assertThat(array.isReleased()).isTrue();
        memory.putFloat(0, 1f);
    }

    @Test
    void typeThatTorchHasNotIsRefused() {
        assertThatThrownBy(() -> ForeignMemory.array(manager, 64, DataType.STRING, 1, this))
                .isInstanceOf(TorchException.class)
                .hasMessage("arrays of type string are not supported here");
    }

    @Test
    void emptyArraysHaveNoBytes() {
        assertThat(ForeignMemory.bytes(manager.zeros(new Shape(0, 3)))).isEmpty();
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void memoryStaysFlatOverManyRounds() throws Exception {
        NDArray x = manager.ones(new Shape(4, 16, 32, 32));
        NDArray weight = manager.ones(new Shape(16, 16, 1, 1));
        weight.setRequiresGradient(true);
        NDArray flat = manager.zeros(new Shape(256));
        GradientViews.bind(weight, flat, 0);
        int threads = TorchRuntime.threads();
        TorchRuntime.setThreads(1);
        rounds(x, weight, 200);
        long before = residentMegabytes();
        rounds(x, weight, 1000);
        // 1000 lost activations of one op would be 260 MB
        assertThat(residentMegabytes() - before).isLessThan(60);
        TorchRuntime.setThreads(threads);
        assertThat(Pointer.totalBytes()).isLessThan(1 << 20);
    }

    private void rounds(NDArray x, NDArray weight, int count) {
        for (int i = 0; i < count; i++) {
            try (NDManager batch = manager.newSubManager()) {
                NDArray input = x.duplicate();
                input.attach(batch);
                NDArray y = TorchOps.silu(TorchOps.conv2d(input, weight, null, 1, 0, 1, 1));
                Autograd.backward(TorchOps.toFloat32(TorchOps.toBfloat16(y)).mean());
                GradientViews.gradient(batch, weight);
            }
        }
    }

    private static long residentMegabytes() throws Exception {
        System.gc();
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS")) {
                return Long.parseLong(line.replaceAll("\\D", "")) / 1024;
            }
        }
        throw new AssertionError("no VmRSS");
    }
}
