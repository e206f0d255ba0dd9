package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.yoloddp.testing.Golden;
import org.yoloddp.testing.SharedFiles;

/** Pixels and boxes are those of the original, whose OpenCV is of the same version. */
class TransformsGoldenTest {

    private final GoldenTensors tensors = GoldenTensors.read("augment");
    private final JsonObject golden = Golden.json("augment.json");

    @Test
    void resizedImagesAreTheOriginals() {
        PixelImage base = image("base_bgr");
        for (int size : new int[] {64, 80, 192}) {
            assertThat(ImageReader.fit(base, size, true)).isEqualTo(image("resize/linear" + size));
        }
        for (int size : new int[] {64, 80}) {
            assertThat(ImageReader.fit(base, size, false)).isEqualTo(image("resize/area" + size));
        }
    }

    @Test
    void sizesAreTheOriginalsExceptThatNoneIsZero() {
        for (JsonElement element : golden.getAsJsonArray("load_image_hw")) {
            JsonObject c = element.getAsJsonObject();
            int[] from = Golden.ints(c.get("hw0"));
            int[] to = Golden.ints(c.get("hw"));
            PixelImage blank = new PixelImage(from[1], from[0], new byte[from[0] * from[1] * 3]);
            PixelImage fitted = ImageReader.fit(blank, c.get("img_size").getAsInt(), true);
            assertThat(List.of(fitted.height(), fitted.width()))
                    .containsExactly(Math.max(to[0], 1), Math.max(to[1], 1));
        }
    }

    @Test
    void letterboxedImagesAreTheOriginals() {
        PixelImage base = image("base_bgr");
        int checked = 0;
        for (JsonElement element : golden.getAsJsonArray("letterbox")) {
            JsonObject c = element.getAsJsonObject();
            if (c.has("scaleFill")) {
                continue; // distorts the image; not offered
            }
            int[] cut = Golden.ints(c.get("input_hw"));
            int[] shape = Golden.ints(c.get("new_shape_hw"));
            boolean auto = c.get("auto").getAsBoolean();
            int stride = !auto ? 0 : c.has("stride") ? c.get("stride").getAsInt() : 32;
            Letterbox letterbox = new Letterbox(shape[1], shape[0], !c.has("scaleup"), stride);
            ImageSample result = letterbox.apply(sample(crop(base, cut[1], cut[0])));
            assertThat(sha256(result.image().bgr()))
                    .as(c.toString())
                    .isEqualTo(c.get("sha256").getAsString());
            double[] pad = Golden.doubles(c.get("pad_wh"));
            assertThat(result.placement().left()).isEqualTo(pad[0]);
            assertThat(result.placement().top()).isEqualTo(pad[1]);
            checked++;
        }
        assertThat(checked).isEqualTo(15);
        assertThat(new Letterbox(96, 96, true, 0).apply(sample(base)).image())
                .isEqualTo(image("letterbox2"));
    }

    @Test
    void coloursAreTheOriginals() {
        PixelImage input = image("hsv_in_bgr");
        for (JsonElement element : golden.getAsJsonArray("hsv")) {
            JsonObject c = element.getAsJsonObject();
            double[] gains = Golden.doubles(c.get("gains_h_s_v"));
            if (c.getAsJsonArray("draws").isEmpty()) {
                assertThat(new ColourJitter(0, 0, 0).apply(sample(input), null).image())
                        .isSameAs(input);
                continue;
            }
            double[] draws =
                    Golden.doubles(c.getAsJsonArray("draws").get(0).getAsJsonArray().get(2));
            byte[] table =
                    ColourJitter.table(
                            draws[0] * gains[0] + 1,
                            draws[1] * gains[1] + 1,
                            draws[2] * gains[2] + 1);
            for (int channel = 0; channel < 3; channel++) {
                int[] expected = Golden.ints(c.getAsJsonArray("lut_hue_sat_val").get(channel));
                for (int x = 0; x < 256; x++) {
                    assertThat(table[3 * x + channel] & 255).isEqualTo(expected[x]);
                }
            }
            assertThat(OpenCv.mapHsv(input, table))
                    .isEqualTo(image("hsv_out" + c.get("index").getAsInt()));
        }
    }

    @Test
    void allColoursSurviveAsInTheOriginal() {
        byte[] identity = ColourJitter.table(1, 1, 1);
        assertThat(OpenCv.mapHsv(image("cube_bgr"), identity)).isEqualTo(image("cube_back_bgr"));
    }

    @Test
    void rectangularBatchesAreTheOriginals() {
        for (JsonElement element : golden.getAsJsonArray("rect")) {
            JsonObject c = element.getAsJsonObject();
            List<DetectionSample> samples =
                    c.getAsJsonArray("image_hw_by_index").asList().stream()
                            .map(Golden::ints)
                            .map(s -> new DetectionSample(null, s[1], s[0], new float[0][]))
                            .toList();
            List<BatchRequest> batches =
                    RectangularBatches.of(
                            samples,
                            c.get("img_size").getAsInt(),
                            c.get("batch").getAsInt(),
                            c.get("stride").getAsInt(),
                            c.get("pad").getAsDouble());
            // the original's sort may swap images of equal ratio; ours keeps them in order
            double[] ratios =
                    samples.stream().mapToDouble(i -> (double) i.height() / i.width()).toArray();
            int[] order = batches.stream().flatMapToInt(b -> Arrays.stream(b.indices())).toArray();
            int[] expected = Golden.ints(c.get("order"));
            assertThat(order).containsExactlyInAnyOrder(expected);
            assertThat(Arrays.stream(order).mapToDouble(i -> ratios[i]))
                    .containsExactlyElementsOf(
                            Arrays.stream(expected).mapToObj(i -> ratios[i]).toList());
            List<JsonElement> shapes = c.getAsJsonArray("batch_shapes_hw").asList();
            assertThat(batches).hasSize(shapes.size());
            for (int i = 0; i < shapes.size(); i++) {
                assertThat(new int[] {batches.get(i).height(), batches.get(i).width()})
                        .containsExactly(Golden.ints(shapes.get(i)));
            }
        }
    }

    @Test
    void aValidationSampleIsTheOriginalsDownToItsBoxes() {
        JsonObject item = golden.getAsJsonObject("eval_item0");
        DetectionDataset bccd = DetectionDataset.load(SharedFiles.require("data/bccd/data.yaml"));
        SampleSource source = new SampleSource(bccd.split("val"), 192, false);
        ImageSample result = new Letterbox(224, 160, false, 0).apply(source.load(0));

        byte[] planes = tensors.bytes("eval_item0_chw_rgb");
        byte[] rgb = result.image().rgb();
        for (int i = 0; i < planes.length; i++) {
            int pixel = i % (160 * 224);
            assertThat(rgb[pixel * 3 + i / (160 * 224)]).isEqualTo(planes[i]);
        }
        float[][] labels = Golden.floatRows(item.get("labels_img_cls_xywhn"));
        assertThat(result.labels()).hasDimensions(labels.length, 5);
        for (int i = 0; i < labels.length; i++) {
            assertThat(result.labels()[i])
                    .containsExactly(Arrays.copyOfRange(labels[i], 1, 6), within(1e-7f));
        }
        double[] pad = Golden.doubles(item.get("pad_wh"));
        assertThat(result.placement()).isEqualTo(new Placement(640, 480, .3, pad[0], pad[1]));
    }

    @Test
    void decodedAndLetterboxedPixelsOfRealImagesAreTheOriginals() {
        JsonObject facts = Golden.json(SharedFiles.require("golden/forward.json"));
        byte[] images =
                GoldenTensors.read(SharedFiles.require("golden/forward.safetensors"))
                        .bytes("images");
        int plane = 320 * 320;
        for (int n = 0; n < 4; n++) {
            JsonObject fact = facts.getAsJsonArray("images").get(n).getAsJsonObject();
            String file = "data/bccd/" + fact.get("file").getAsString();
            PixelImage decoded = ImageReader.decode(SharedFiles.require(file));
            assertThat(sha256(decoded.bgr()))
                    .isEqualTo(fact.get("decoded_bgr_sha256").getAsString());
            byte[] rgb = new Letterbox(320, 320, true, 0).apply(sample(decoded)).image().rgb();
            for (int i = 0; i < 3 * plane; i++) {
                assertThat(rgb[i % plane * 3 + i / plane]).isEqualTo(images[n * 3 * plane + i]);
            }
        }
    }

    private PixelImage image(String name) {
        return new PixelImage(tensors.size(name, 1), tensors.size(name, 0), tensors.bytes(name));
    }

    private static PixelImage crop(PixelImage image, int width, int height) {
        byte[] result = new byte[width * height * 3];
        for (int y = 0; y < height; y++) {
            System.arraycopy(image.bgr(), y * image.width() * 3, result, y * width * 3, width * 3);
        }
        return new PixelImage(width, height, result);
    }

    private static ImageSample sample(PixelImage image) {
        Placement placement = new Placement(image.width(), image.height(), 1, 0, 0);
        return new ImageSample(0, image, new float[0][], placement);
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
