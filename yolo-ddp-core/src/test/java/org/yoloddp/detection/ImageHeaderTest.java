package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The header says what OpenCV decodes. */
class ImageHeaderTest {

    @TempDir private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"bmp", "png", "jpg", "tif", "webp"})
    void sizesAreThoseThatOpenCvDecodes(String extension) throws Exception {
        Path file = folder.resolve("image." + extension);
        PixelImage image = new PixelImage(37, 21, new byte[37 * 21 * 3]);
        assertThat(OpenCv.write(file, image)).isTrue();

        ImageHeader header = ImageHeader.read(file);

        assertThat(header).isEqualTo(new ImageHeader(37, 21, false));
        PixelImage decoded = Objects.requireNonNull(OpenCv.decode(Files.readAllBytes(file)));
        assertThat(decoded.width()).isEqualTo(37);
        assertThat(decoded.height()).isEqualTo(21);
    }

    @ParameterizedTest
    @CsvSource({"1,40,30", "3,40,30", "5,30,40", "6,30,40", "7,30,40", "8,30,40"})
    void anOrientationIsFollowedAsOpenCvDoes(int orientation, int width, int height)
            throws Exception {
        Path file = new DatasetFolder(folder).image("images/train/a.jpg", 40, 30);
        byte[] turned = withOrientation(Files.readAllBytes(file), orientation);
        Files.write(file, turned);

        assertThat(ImageHeader.read(file)).isEqualTo(new ImageHeader(width, height, false));
        PixelImage decoded = Objects.requireNonNull(OpenCv.decode(turned));
        assertThat(decoded.width()).isEqualTo(width);
        assertThat(decoded.height()).isEqualTo(height);
    }

    @Test
    void whatIsNoImageDecodesToNothing() {
        assertThat(OpenCv.decode(new byte[] {1, 2, 3})).isNull();
        assertThat(OpenCv.decode(new byte[0])).isNull();
        assertThat(OpenCv.write(folder.resolve("a.xyz"), new PixelImage(1, 1, new byte[3])))
                .isFalse();
    }

    private static byte[] withOrientation(byte[] jpeg, int orientation) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(jpeg, 0, 2);
        out.write(new byte[] {(byte) 0xFF, (byte) 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0});
        out.write(new byte[] {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0});
        out.write(new byte[] {0x12, 1, 3, 0, 1, 0, 0, 0, (byte) orientation, 0, 0, 0, 0, 0, 0, 0});
        out.write(jpeg, 2, jpeg.length - 2);
        return out.toByteArray();
    }
}
