package org.yoloddp.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Reading needs no natives; hostile files give typed errors and never exhaust memory. */
class SafetensorsFileTest {

    @TempDir Path folder;

    @Test
    void readsEveryType() throws IOException {
        ByteBuffer data = ByteBuffer.allocate(35).order(ByteOrder.LITTLE_ENDIAN);
        data.putFloat(1.5f).putDouble(-2.25).putLong(-3).putInt(4).putShort((short) 0x3c00);
        data.putShort((short) 0x4040).put((byte) -5).put((byte) 250).put((byte) 1);
        data.putShort((short) 0x8001).putShort((short) -7);
        String json =
                "{\"__metadata__\":{\"format\":\"pt\"},"
                        + entry("f32", "F32", "[1]", 0, 4)
                        + entry("f64", "F64", "[1]", 4, 12)
                        + entry("i64", "I64", "[]", 12, 20)
                        + entry("i32", "I32", "[1,1]", 20, 24)
                        + entry("f16", "F16", "[1]", 24, 26)
                        + entry("bf16", "BF16", "[1]", 26, 28)
                        + entry("i8", "I8", "[1]", 28, 29)
                        + entry("u8", "U8", "[1]", 29, 30)
                        + entry("bool", "BOOL", "[1]", 30, 31)
                        + entry("tiny", "F16", "[1]", 31, 33)
                        + entry("i16", "I16", "[1]", 33, 35)
                        + "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[35,35]}}";
        byte[] bytes = file(json, data.array());
        Path path = Files.write(folder.resolve("all.safetensors"), bytes);
        for (SafetensorsFile file :
                new SafetensorsFile[] {
                    SafetensorsFile.read(path),
                    SafetensorsFile.read(new ByteArrayInputStream(bytes))
                }) {
            assertThat(file.names()).startsWith("f32", "f64").endsWith("empty").hasSize(12);
            assertThat(file.metadata()).containsEntry("format", "pt");
            assertThat(file.floats("f32")).containsExactly(1.5f);
            assertThat(file.floats("f64")).containsExactly(-2.25f);
            assertThat(file.floats("f16")).containsExactly(1f);
            assertThat(file.floats("bf16")).containsExactly(3f);
            assertThat(file.floats("tiny")).containsExactly(-0x1p-24f);
            assertThat(file.longs("i64")).containsExactly(-3);
            assertThat(file.longs("i32")).containsExactly(4);
            assertThat(file.longs("i16")).containsExactly(-7);
            assertThat(file.longs("i8")).containsExactly(-5);
            assertThat(file.longs("u8")).containsExactly(250);
            assertThat(file.longs("bool")).containsExactly(1);
            assertThat(file.floats("empty")).isEmpty();
            assertThat(file.shape("empty")).containsExactly(0, 3);
            assertThat(file.shape("i64")).isEmpty();
            assertThat(file.dtype("bf16")).isEqualTo(SafetensorsFile.Type.BF16);
            assertThat(file.bytes("u8")).containsExactly(250);
            assertThat(file.contains("f32")).isTrue();
            assertThat(file.contains("f33")).isFalse();
        }
        SafetensorsFile file = SafetensorsFile.read(path);
        assertThatThrownBy(() -> file.floats("gone"))
                .isInstanceOf(SafetensorsException.class)
                .hasMessage(path + " has no tensor gone");
        assertThatThrownBy(() -> file.floats("i64"))
                .isInstanceOf(SafetensorsException.class)
                .hasMessage("tensor i64 of " + path + " is of type I64, not of floats");
        assertThatThrownBy(() -> file.longs("f32"))
                .isInstanceOf(SafetensorsException.class)
                .hasMessage("tensor f32 of " + path + " is of type F32, not of integers");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "[4] ; [0,8] ; tensor x of shape [4] and type F32 needs 16 bytes, not 8",
                "[2] ; [-8,0] ; tensor x has the offsets [-8, 0]",
                "[2] ; [8,0] ; tensor x has the offsets [8, 0]",
                "[-2] ; [0,8] ; tensor x has the shape [-2]",
                "[4294967296,4294967296] ; [0,8] ; tensor x has the shape [4294967296, 4294967296]",
                "[2] ; [0] ; tensor x lacks a type, a shape or two offsets",
                "[2] ; [4,12] ; tensor x begins at byte 4 of the data, where 0 was expected"
                        + " (tensors overlap, or leave a gap)",
                "[4] ; [0,16] ; its tensors need 16 bytes of data, and it has 8",
                "[1] ; [0,4] ; its tensors need 4 bytes of data, and it has 8"
            })
    void tensorThatDoesNotFit(String shape, String offsets, String why) {
        String json =
                "{\"x\":{\"dtype\":\"F32\",\"shape\":"
                        + shape
                        + ",\"data_offsets\":"
                        + offsets
                        + "}}";
        assertDamaged(file(json, new byte[8]), why);
    }

    @Test
    void overlappingTensors() {
        String json =
                "{"
                        + entry("a", "F32", "[2]", 0, 8)
                        + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
        assertDamaged(
                file(json, new byte[8]),
                "tensor b begins at byte 4 of the data, where 8 was expected (tensors overlap, or"
                        + " leave a gap)");
    }

    @Test
    void sameTensorTwice() {
        String json =
                "{"
                        + entry("a", "F32", "[1]", 0, 4)
                        + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
        assertDamaged(file(json, new byte[8]), "it has two tensors a");
    }

    @Test
    void unknownType() {
        String json = "{\"x\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}";
        assertDamaged(file(json, new byte[4]), "tensor x is of the unknown type F99");
    }

    @Test
    void headerLongerThanTheFile() {
        byte[] bytes = file("{}", new byte[0]);
        bytes[0] = 100;
        assertDamaged(bytes, "its header is said to have 100 bytes, and the whole file has 10");
        assertThatThrownBy(() -> SafetensorsFile.read(new ByteArrayInputStream(bytes)))
                .isInstanceOf(SafetensorsException.class)
                .hasMessage("the stream is no intact safetensors file: it ends too early");
    }

    @ParameterizedTest
    @CsvSource({"-1", "1", "100000001", "9223372036854775807"})
    void absurdHeaderLength(long length) {
        byte[] bytes =
                ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array();
        assertDamaged(bytes, "its header is said to have " + length + " bytes");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {"[]", "{", "{\"x\":3}", "{\"x\":{\"shape\":[1.5]}}", "nonsense", "{} {}"})
    void headerThatIsNotTheExpectedJson(String json) {
        assertThatThrownBy(
                        () ->
                                SafetensorsFile.read(
                                        new ByteArrayInputStream(file(json, new byte[0]))))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageStartingWith("the stream is no intact safetensors file: ");
    }

    @Test
    void deeplyNestedHeader() {
        String json = "{\"x\":{\"y\":" + "[".repeat(1_000_000) + "}}";
        assertThatThrownBy(
                        () ->
                                SafetensorsFile.read(
                                        new ByteArrayInputStream(file(json, new byte[0]))))
                .isInstanceOf(SafetensorsException.class);
    }

    @Test
    void truncatedAnywhere() throws IOException {
        byte[] whole =
                file(
                        "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                        new byte[8]);
        for (int length = 0; length < whole.length; length++) {
            byte[] part = java.util.Arrays.copyOf(whole, length);
            Path path = Files.write(folder.resolve("part.safetensors"), part);
            assertThatThrownBy(() -> SafetensorsFile.read(path))
                    .isInstanceOf(SafetensorsException.class);
            assertThatThrownBy(() -> SafetensorsFile.read(new ByteArrayInputStream(part)))
                    .isInstanceOf(SafetensorsException.class);
        }
    }

    @Test
    void fileThatIsNotThere() {
        Path path = folder.resolve("gone.safetensors");
        assertThatThrownBy(() -> SafetensorsFile.read(path))
                .isInstanceOf(SafetensorsException.class)
                .hasMessage(path + " cannot be read: java.nio.file.NoSuchFileException: " + path);
    }

    private void assertDamaged(byte[] bytes, String why) {
        try {
            Path path = Files.write(folder.resolve("x.safetensors"), bytes);
            assertThatThrownBy(() -> SafetensorsFile.read(path))
                    .isInstanceOf(SafetensorsException.class)
                    .hasMessage(path + " is no intact safetensors file: " + why);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static String entry(String name, String type, String shape, int begin, int end) {
        return "\""
                + name
                + "\":{\"dtype\":\""
                + type
                + "\",\"shape\":"
                + shape
                + ",\"data_offsets\":["
                + begin
                + ","
                + end
                + "]},";
    }

    private static byte[] file(String json, byte[] data) {
        byte[] header = json.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header)
                .put(data)
                .array();
    }
}
