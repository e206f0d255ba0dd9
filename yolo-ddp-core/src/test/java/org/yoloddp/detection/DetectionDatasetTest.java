package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.testing.Golden;
import org.yoloddp.testing.SharedFiles;

class DetectionDatasetTest {

    @TempDir private Path folder;
    private DatasetFolder files;

    @BeforeEach
    void writeDataset() {
        files = new DatasetFolder(folder);
    }

    @Test
    void realImagesGiveTheOriginalsFacts() {
        DetectionDataset bccd = DetectionDataset.load(SharedFiles.require("data/bccd/data.yaml"));
        assertThat(bccd.classNames()).containsExactly("RBC", "WBC", "Platelets");
        JsonObject golden = Golden.json("bccd.json").getAsJsonObject("splits");
        for (Map.Entry<String, JsonElement> entry : golden.entrySet()) {
            DetectionSplit split = bccd.split(entry.getKey());
            JsonObject facts = entry.getValue().getAsJsonObject();
            assertThat(split.size()).isEqualTo(facts.get("images").getAsInt());
            assertThat(split.backgrounds()).isEqualTo(facts.get("backgrounds").getAsInt());
            assertThat(split.instancesPerClass())
                    .containsExactly(Golden.ints(facts.get("instances_per_class")));
            double[] sums = new double[4];
            double[] smallest = {1, 1, 1, 1};
            double[] largest = new double[4];
            for (DetectionSample sample : split.samples()) {
                assertThat(List.of(sample.width(), sample.height())).containsExactly(640, 480);
                for (float[] row : sample.labels()) {
                    for (int k = 0; k < 4; k++) {
                        sums[k] += row[k + 1];
                        smallest[k] = Math.min(smallest[k], row[k + 1]);
                        largest[k] = Math.max(largest[k], row[k + 1]);
                    }
                }
            }
            assertThat(sums).containsExactly(Golden.doubles(facts.get("xywhn_sum")), within(1e-9));
            assertThat(smallest).containsExactly(Golden.doubles(facts.get("xywhn_min")));
            assertThat(largest).containsExactly(Golden.doubles(facts.get("xywhn_max")));
        }
        assertThat(bccd.problems()).isEmpty();
    }

    @Test
    void imagesLabelsAndNamesAreRead() {
        files.image("images/train/sub/b.jpg", 64, 48);

        DetectionSplit train = files.load().split("train");

        assertThat(train.classNames()).containsExactly("cat", "dog");
        assertThat(train.samples())
                .extracting(DetectionSample::path)
                .containsExactly(
                        files.path("images/train/a.png"), files.path("images/train/sub/b.jpg"));
        assertThat(train.samples().get(0).labels())
                .isDeepEqualTo(new float[][] {{0, .5f, .5f, .2f, .4f}});
        assertThat(train.samples().get(1).width()).isEqualTo(64);
        assertThat(train.samples().get(1).height()).isEqualTo(48);
        assertThat(train.backgrounds()).isEqualTo(1);
        assertThat(train.problems()).isEmpty();
    }

    @Test
    void splitsMayBeListsOfImagesAndOfFoldersAndNamesAMap() {
        files.image("pictures/images/c.png", 20, 20);
        files.write("pictures/labels/c.txt", "1 .5 .5 .5 .5");
        files.write("list/train.txt", "./../images/train/a.png\nnotes.md\n");
        files.write(
                "data.yaml",
                "path: .\ntrain: [list/train.txt, pictures/images]\nval: ../images/val\n"
                        + "names: {1: dog, 0: cat}\nnc: 2\n"
                        + "download: raise SystemExit('executed')\n");

        DetectionDataset dataset = files.load();

        assertThat(dataset.classNames()).containsExactly("cat", "dog");
        assertThat(dataset.split("train").samples())
                .extracting(DetectionSample::path)
                .containsExactly(
                        files.path("images/train/a.png"), files.path("pictures/images/c.png"));
        assertThat(dataset.split("val").size()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "0 .5 .5 .2 | line 1: 4 fields instead of class, centre x, centre y, width, height",
                "0 .5 .5 .2 .2 1 | line 1: 6 fields instead of class, centre x, centre y, width,"
                        + " height",
                "0 .5 -.5 .2 .2 | line 1: -0.5 is negative",
                "-1 .5 .5 .2 .2 | line 1: -1.0 is negative",
                "0 .5 1.5 .2 .2 | line 1: 1.5 is above 1; coordinates are fractions of the image",
                "0 .5 x .2 .2 | line 1: 'x' is not a number",
                "0 .5 .5f .2 .2 | line 1: '.5f' is not a number",
                "0 NaN .5 .2 .2 | line 1: 'NaN' is not a number",
                "0.5 .5 .5 .2 .2 | line 1: class 0.5 is not a whole number",
                "0 .1 .1 .2 .2 .3 .3 .4 | line 1: 7 numbers are no polygon of x, y pairs",
            })
    void imagesWithBadLabelsAreLeftOutAndListed(String line, String message) {
        files.image("images/train/b.png", 20, 20);
        Path labels = files.write("labels/train/b.txt", line);

        DetectionDataset dataset = files.load();

        assertThat(dataset.split("train").size()).isEqualTo(1);
        assertThat(dataset.problems()).containsExactly(new DatasetProblem(labels, true, message));
    }

    @Test
    void repeatedRowsAreIgnoredAndPolygonsEnclosed() {
        Path labels = files.write("labels/train/a.txt", "0 .5 .5 .2 .4\n\n0 .5 .5 .2 .4\n");
        files.write("labels/val/v.txt", "1 .1 .2 .5 .2 .5 .6 .3 .8\n0 .2 .2 .4 .4\n");

        DetectionDataset dataset = files.load();

        assertThat(dataset.split("train").samples().get(0).labels()).hasDimensions(1, 5);
        assertThat(dataset.problems())
                .containsExactly(new DatasetProblem(labels, false, "1 repeated rows ignored"));
        float[][] boxes = dataset.split("val").samples().get(0).labels();
        assertThat(boxes[0]).containsExactly(new float[] {1, .3f, .5f, .4f, .6f}, within(1e-6f));
        assertThat(boxes[1]).containsExactly(new float[] {0, .3f, .3f, .2f, .2f}, within(1e-6f));
    }

    @Test
    void damagedImagesAreLeftOutListedAndNotChanged() throws IOException {
        byte[] png = Files.readAllBytes(files.path("images/train/a.png"));
        byte[] half = Arrays.copyOf(png, png.length / 2);
        byte[] jpg = Files.readAllBytes(files.image("images/train/g.jpg", 64, 48));
        byte[] cut = Arrays.copyOf(jpg, jpg.length - 20);
        Path truncated = files.write("images/train/b.png", half);
        Path text =
                files.write("images/train/c.jpg", "this is not an image, whatever its name says");
        Path empty = files.write("images/train/d.jpg", "");
        Path tiny = files.image("images/train/e.png", 9, 9);
        Path unended = files.write("images/train/g.jpg", cut);

        DetectionSplit train = files.load().split("train");

        assertThat(train.problems())
                .containsExactly(
                        new DatasetProblem(truncated, true, "PNG without an end; it is truncated"),
                        new DatasetProblem(text, true, "neither BMP, JPEG, PNG, TIFF nor WebP"),
                        new DatasetProblem(empty, true, "only 0 bytes, which is no image"),
                        new DatasetProblem(tiny, true, "9x9 pixels; the least is 10x10"),
                        new DatasetProblem(
                                unended,
                                false,
                                "JPEG without end marker; used as far as it decodes"));
        assertThat(train.samples())
                .extracting(DetectionSample::path)
                .containsExactly(files.path("images/train/a.png"), unended);
        assertThat(unended).hasBinaryContent(cut);
    }

    @Test
    void aMissingDescriptionIsAnError() {
        Path yaml = files.path("none/data.yaml");
        assertThatThrownBy(() -> DetectionDataset.load(yaml))
                .isInstanceOf(DatasetException.class)
                .hasMessage(
                        "no data set description at %s; give the path of a data.yaml that has"
                                + " train, val and names",
                        yaml);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'train: a' | ' has no ''val''; a data set needs train, val and names'",
                "'just text' | ' is no data set description: it holds no keys'",
                "'{train: a, val: b, names: 3}' | ' is no data set description: ''names'' has to be"
                        + " a list, or a map from class index to name'",
                "'{train: a, val: b, names: {1: x, 2: y}}' | ' is no data set description: the keys"
                        + " of ''names'' have to be 0 to 1, but 0 is missing'",
                "'{train: a, val: b, names: [x], nc: 3}' | ' is no data set description: ''nc'' is"
                        + " 3, but ''names'' has 1 entries'",
                "'{train: [], val: b, names: [x]}' | ' is no data set description: ''train'' is an"
                        + " empty list'",
            })
    void aWrongDescriptionIsAnError(String yaml, String message) {
        files.write("data.yaml", yaml);
        assertThatThrownBy(files::load)
                .isInstanceOf(DatasetException.class)
                .hasMessage(files.yaml() + message);
    }

    @Test
    void brokenYamlIsAnErrorThatNamesTheFile() {
        files.write("data.yaml", "train: [a\nval: b");
        assertThatThrownBy(files::load)
                .isInstanceOf(DatasetException.class)
                .hasMessageStartingWith(files.yaml() + " is no data set description: ");
    }

    @Test
    void yamlThatAsksForObjectsIsRefused() {
        files.write("data.yaml", "train: !!java.io.File [/tmp]\nval: b\nnames: [x]");
        assertThatThrownBy(files::load).isInstanceOf(DatasetException.class);
    }

    @Test
    void aMissingSplitIsAnError() {
        assertThatThrownBy(() -> files.load().split("test"))
                .isInstanceOf(DatasetException.class)
                .hasMessage("%s has no split 'test'; it has train, val", files.yaml());
    }

    @Test
    void aSplitThatPointsNowhereIsAnError() {
        files.write("data.yaml", "{train: images/train, val: images/none, names: [cat, dog]}");
        assertThatThrownBy(files::load)
                .isInstanceOf(DatasetException.class)
                .hasMessage(
                        "%s: split 'val' points at %s, which does not exist; nothing is downloaded,"
                                + " so put the images there or mend the path",
                        files.yaml(), files.path("images/none"));
    }

    @Test
    void noImagesIsAnError() {
        files.delete("images/train/a.png");
        assertThatThrownBy(files::load)
                .isInstanceOf(DatasetException.class)
                .hasMessage(
                        "%s: no images for split 'train' in %s; their names end in bmp, jpeg, jpg,"
                                + " mpo, png, tif, tiff, webp",
                        files.yaml(), files.path("images/train"));
    }

    @Test
    void noUsableImagesIsAnErrorThatShowsTheFirst() {
        Path image = files.write("images/train/a.png", "");
        assertThatThrownBy(files::load)
                .isInstanceOf(DatasetException.class)
                .hasMessage(
                        "%s: none of the 1 images of split 'train' can be used; the first problem"
                                + " is %s: only 0 bytes, which is no image",
                        files.yaml(), image);
    }

    @Test
    void noLabelsAtAllIsAnErrorThatSaysWhereTheyWouldBe() {
        files.delete("labels/train/a.txt");
        assertThatThrownBy(files::load)
                .isInstanceOf(DatasetException.class)
                .hasMessage(
                        "%s: none of the 1 images of split 'train' has a label; the labels of the"
                                + " first are looked for in %s",
                        files.yaml(), files.path("labels/train/a.txt"));
    }

    @Test
    void aClassOutOfRangeIsAnErrorThatNamesFileAndLine() {
        Path labels = files.write("labels/train/a.txt", "0 .5 .5 .2 .4\n2 .5 .5 .2 .4\n");
        assertThatThrownBy(files::load)
                .isInstanceOf(DatasetException.class)
                .hasMessage(
                        "%s, line 2: class 2 is out of range; the data set names 2 classes, 0 to 1",
                        labels);
    }
}
