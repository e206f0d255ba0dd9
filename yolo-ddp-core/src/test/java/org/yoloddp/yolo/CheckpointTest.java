package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {

    @TempDir Path folder;

    private Path file;

    private Path file() {
        file = folder.resolve("weights.pt");
        return file;
    }

    private void assertRefused(String message) {
        assertThatThrownBy(() -> YoloV5Weights.read(file))
                .isInstanceOf(WeightsException.class)
                .hasMessage(message.replace("FILE", file.toString()));
    }

    private static CheckpointWriter oneTensor(int elements, int size, int offset, int stride) {
        return new CheckpointWriter()
                .beginModel("models.yolo", "Model")
                .text("_buffers")
                .ops("}")
                .text("a")
                .tensor("0", elements, size, offset, stride)
                .ops("s")
                .text("_parameters")
                .ops("}")
                .text("b")
                .tensor("0", elements, 1, 0, 1)
                .ops("s")
                .text("names")
                .ops("](")
                .text("cat")
                .text("dog")
                .ops("e")
                .endModel();
    }

    @Test
    void parametersComeBeforeBuffersAndStridesAreFollowed() {
        oneTensor(4, 2, 1, 2).storage("0", 1, 2, 3, 4).write(file());

        YoloV5Weights weights = YoloV5Weights.read(file);

        assertThat(weights.tensors().keySet()).containsExactly("b", "a");
        assertThat(weights.tensors().get("a").floats()).containsExactly(2, 4);
        assertThat(weights.tensors().get("b").floats()).containsExactly(1);
        assertThat(weights.names()).containsExactly("cat", "dog");
        assertThat(weights.classes()).isZero();
        assertThat(weights.yaml()).isEmpty();
    }

    @Test
    void forbiddenGlobalIsRefusedByName() {
        new CheckpointWriter()
                .global("os", "system")
                .text("touch /should-not-happen")
                .op(0x85)
                .ops("R.")
                .write(file());

        assertRefused(
                "FILE: data.pkl asks for os.system at byte 2, which is not on the list of what a"
                        + " YOLOv5 checkpoint needs. Nothing was executed; don't open this file with"
                        + " PyTorch unless you trust its source");
    }

    @Test
    void membersOfAllowedModulesAreNotAllowedThemselves() {
        new CheckpointWriter().global("models.common", "DetectMultiBackend").ops(".").write(file());

        assertRefused(
                "FILE: data.pkl asks for models.common.DetectMultiBackend at byte 2, which is not on"
                        + " the list of what a YOLOv5 checkpoint needs. Nothing was executed; don't"
                        + " open this file with PyTorch unless you trust its source");
    }

    @Test
    void truncatedArchiveIsRefused() throws IOException {
        oneTensor(4, 2, 1, 2).storage("0", 1, 2, 3, 4).write(file());
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length / 2));

        assertRefused(
                "FILE is not a whole ZIP archive as torch.save writes it: it is truncated, of another"
                        + " format, or older than PyTorch 1.6. Download it again, or save it again"
                        + " with a current PyTorch");
    }

    @Test
    void truncatedPickleIsRefused() {
        new CheckpointWriter().ops("}X").op(100).op(0).op(0).op(0).ops("abc").write(file());

        assertRefused("FILE: data.pkl is malformed at byte 8: text of 100 bytes");
    }

    @Test
    void pickleThatEndsInAnObjectIsRefused() {
        new CheckpointWriter().ops("}J").op(1).write(file());

        assertRefused("FILE: data.pkl is malformed at byte 4: it ends in the middle of an object");
    }

    @Test
    void compressedEntriesAreRefusedBeforeTheyAreUnpacked() {
        oneTensor(1 << 20, 1 << 20, 0, 1).storage("0", new float[1 << 20]).write(file(), true);

        assertRefused(
                "FILE: archive entry x/data.pkl is compressed, which torch.save never does; the file"
                        + " is damaged or forged");
    }

    @Test
    void tensorBeyondItsStorageIsRefused() {
        oneTensor(4, 4, 1, 1).storage("0", 1, 2, 3, 4).write(file());

        assertRefused("FILE: tensor a reaches beyond its storage of 4");
    }

    @Test
    void tensorThatRepeatsItsStorageIsRefused() {
        oneTensor(4, 2_000_000_000, 0, 0).storage("0", 1, 2, 3, 4).write(file());

        assertRefused("FILE: tensor a reaches beyond its storage of 4");
    }

    @Test
    void storageThatClaimsMoreThanItsEntryIsRefused() {
        oneTensor(1_000_000_000, 1, 0, 1).storage("0", 1, 2, 3, 4).write(file());

        assertRefused(
                "FILE: archive entry x/data/0 holds 16 bytes, where data.pkl says 1000000000 elements"
                        + " of 4; the file is damaged or forged");
    }

    @Test
    void missingStorageIsRefused() {
        oneTensor(4, 2, 0, 1).write(file());

        assertRefused("FILE: archive entry x/data/0 is missing; the file is damaged or forged");
    }

    @Test
    void flippedBitIsRefused() throws IOException {
        oneTensor(4, 2, 0, 1).storage("0", 1, 2, 3, 4).write(file());
        byte[] bytes = Files.readAllBytes(file);
        byte[] name = "x/data/0".getBytes(StandardCharsets.US_ASCII);
        int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf("x/data/0");
        bytes[at + name.length] ^= 1;
        Files.write(file, bytes);

        assertRefused(
                "FILE: archive entry x/data/0 fails its checksum; the file is damaged or forged");
    }

    @Test
    void moduleThatHoldsItselfIsRefused() {
        new CheckpointWriter()
                .op('}')
                .text("model")
                .global("models.yolo", "Model")
                .ops(")")
                .op(0x81)
                .ops("q")
                .op(7)
                .ops("}")
                .text("_modules")
                .ops("}")
                .text("self")
                .ops("h")
                .op(7)
                .ops("ssbs.")
                .write(file());

        assertRefused(
                "FILE does not hold a YOLOv5 checkpoint: its modules are nested deeper than 64 or more"
                        + " than 100000, so they probably hold themselves");
    }

    @Test
    void yamlThatHoldsItselfIsRefused() {
        oneTensorWithCyclicYaml().storage("0", 1).write(file());

        assertRefused(
                "FILE does not hold a YOLOv5 checkpoint: its yaml is nested too deep or too long, so"
                        + " it probably holds itself");
    }

    private static CheckpointWriter oneTensorWithCyclicYaml() {
        return new CheckpointWriter()
                .beginModel("models.yolo", "Model")
                .text("_parameters")
                .ops("}")
                .text("b")
                .tensor("0", 1, 1, 0, 1)
                .ops("s")
                .text("yaml")
                .ops("}q")
                .op(9)
                .text("again")
                .ops("h")
                .op(9)
                .ops("s")
                .endModel();
    }

    @Test
    void containerAsKeyIsRefused() {
        new CheckpointWriter().ops("}]Ns.").write(file());

        assertRefused(
                "FILE: data.pkl is malformed at byte 6: a dict key that is neither text nor a number");
    }

    @Test
    void unknownOpcodeIsRefused() {
        new CheckpointWriter().ops("}i").write(file());

        assertRefused("FILE: data.pkl is malformed at byte 4: opcode 0x69 is not used by PyTorch");
    }

    @Test
    void emptyStackIsRefused() {
        for (String opcodes :
                new String[] {"R", "b", "u", "t", "0", "2", "s", "a", "e", "Q", "."}) {
            new CheckpointWriter().ops(opcodes).write(file());

            assertThatThrownBy(() -> YoloV5Weights.read(file))
                    .as(opcodes)
                    .isInstanceOf(WeightsException.class)
                    .hasMessageStartingWith(file + ": data.pkl is malformed at byte 3: ");
        }
    }

    @Test
    void everyTruncationOfAPickleIsRefused() throws IOException {
        CheckpointWriter whole = oneTensor(4, 2, 1, 2).storage("0", 1, 2, 3, 4);
        byte[] pickle = whole.pickle();
        for (int length = 0; length < pickle.length; length++) {
            Path cut = CheckpointWriter.raw(Arrays.copyOf(pickle, length)).write(file());
            assertThatThrownBy(() -> YoloV5Weights.read(cut))
                    .as("%d bytes", length)
                    .isInstanceOf(WeightsException.class);
        }
    }

    @Test
    void archiveOfSomethingElseIsRefused() {
        new CheckpointWriter().ops("}.").write(file());

        assertRefused(
                "FILE does not hold a YOLOv5 checkpoint: no model under \"model\" or \"ema\"");
    }
}
