package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.norm.BatchNorm;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("torch")
class StateDictTest {

    @TempDir Path folder;
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
    void knowsParametersAndBuffersOfABlock() {
        StateDict state = StateDict.of(net());
        assertThat(state.entries())
                .extracting(StateDict.Entry::name)
                .containsExactly(
                        "01Conv2d_weight",
                        "01Conv2d_bias",
                        "02BatchNorm_gamma",
                        "02BatchNorm_beta",
                        "02BatchNorm_runningMean",
                        "02BatchNorm_runningVar");
        assertThat(state.parameters()).isEqualTo(state.entries().subList(0, 4));
        assertThat(state.buffers()).isEqualTo(state.entries().subList(4, 6));
        assertThat(state.trainable()).isEqualTo(state.parameters());
    }

    @Test
    void frozenParametersAreStillParameters() {
        Block block = net();
        block.freezeParameters(true, p -> p.getName().equals("weight"));
        StateDict state = StateDict.of(block);
        assertThat(state.parameters()).hasSize(4);
        assertThat(state.trainable()).hasSize(3);
    }

    @Test
    void copiesInPlaceByName() {
        StateDict from = StateDict.of(net());
        StateDict to = StateDict.of(net());
        NDArray weight = to.get("01Conv2d_weight").array();
        Layouts.toChannelsLast(weight);
        long address = ForeignMemory.address(weight);
        TensorList.of(to.entries().stream().map(StateDict.Entry::array).toList()).scale(0.5);
        String before = StateDict.sha256(to.entries());
        from.copyInto(to);
        assertThat(StateDict.sha256(to.entries()))
                .isEqualTo(StateDict.sha256(from.entries()))
                .isNotEqualTo(before);
        assertThat(ForeignMemory.address(weight)).isEqualTo(address);
        assertThat(Layouts.isChannelsLast(weight)).isTrue();
    }

    @Test
    void unequalStatesAreNotCopiedAtAll() {
        StateDict from =
                StateDict.of(
                        List.of(
                                entry("a", manager.ones(new Shape(2))),
                                entry("b", manager.ones(new Shape(3)))));
        NDArray a = manager.zeros(new Shape(2));
        StateDict to =
                StateDict.of(List.of(entry("a", a), entry("b", manager.zeros(new Shape(4)))));
        assertThatThrownBy(() -> from.copyInto(to))
                .isInstanceOf(TorchException.class)
                .hasMessage("entry b has shape (3) on one side and (4) on the other");
        assertThat(a.toFloatArray()).containsOnly(0f);
        assertThatThrownBy(() -> from.copyInto(StateDict.of(List.of(entry("a", a)))))
                .isInstanceOf(TorchException.class)
                .hasMessage("the state dict has no entry b");
        assertThatThrownBy(() -> StateDict.of(List.of(entry("a", a), entry("a", a))))
                .isInstanceOf(TorchException.class)
                .hasMessage("the state dict has two entries a");
    }

    @Test
    void checksumIsOverLittleEndianBytesInLogicalOrder() throws Exception {
        NDArray array = manager.arange(24f).reshape(1, 2, 3, 4);
        ByteBuffer bytes = ByteBuffer.allocate(24 * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < 24; i++) {
            bytes.putFloat(i);
        }
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes.array());
        String expected = HexFormat.of().formatHex(digest);
        assertThat(StateDict.sha256(List.of(entry("a", array)))).isEqualTo(expected);
        Layouts.toChannelsLast(array);
        assertThat(StateDict.sha256(List.of(entry("a", array)))).isEqualTo(expected);
        assertThat(ForeignMemory.bytes(array)).isEqualTo(bytes.array());
        assertThat(StateDict.sha256(List.of(entry("a", array.add(1))))).isNotEqualTo(expected);
    }

    @Test
    void filesKeepTypesShapesAndOrder() throws Exception {
        LinkedHashMap<String, NDArray> tensors = new LinkedHashMap<>();
        tensors.put("w", Layouts.toChannelsLast(manager.arange(24f).reshape(1, 2, 3, 4)));
        tensors.put("n", manager.create(new long[] {7}));
        tensors.put("scalar", manager.create(2.5f));
        tensors.put("half", TorchOps.toBfloat16(manager.create(new float[] {1.5f, -2f})));
        tensors.put("none", manager.zeros(new Shape(0)));
        Path path = folder.resolve("w.safetensors");
        Safetensors.write(path, tensors, Map.of("format", "pt"));
        SafetensorsFile file = SafetensorsFile.read(path);
        assertThat(file.names()).containsExactly("w", "n", "scalar", "half", "none");
        assertThat(file.metadata()).containsExactly(Map.entry("format", "pt"));
        assertThat(file.array(manager, "w")).isEqualTo(tensors.get("w"));
        assertThat(file.array(manager, "n").getDataType()).isEqualTo(DataType.INT64);
        assertThat(file.array(manager, "scalar").getFloat()).isEqualTo(2.5f);
        assertThat(file.dtype("half")).isEqualTo(SafetensorsFile.Type.BF16);
        assertThat(file.array(manager, "half").toFloatArray()).containsExactly(1.5f, -2f);
        Safetensors.write(path, new LinkedHashMap<>(), Map.of());
        assertThat(SafetensorsFile.read(path).names()).isEmpty();
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(path);
        }
    }

    @Test
    void fileInAFolderThatIsNotThere() {
        Path path = folder.resolve("gone").resolve("w.safetensors");
        assertThatThrownBy(() -> Safetensors.write(path, new LinkedHashMap<>(), Map.of()))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageStartingWith(
                        path + " cannot be written: java.nio.file.NoSuchFileException: ");
    }

    private StateDict.Entry entry(String name, NDArray array) {
        return new StateDict.Entry(name, array, false, true);
    }

    private Block net() {
        Block block =
                new SequentialBlock()
                        .add(Conv2d.builder().setKernelShape(new Shape(3, 3)).setFilters(4).build())
                        .add(BatchNorm.builder().build());
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 3, 8, 8));
        return block;
    }
}
