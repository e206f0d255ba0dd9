package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.error.ConfigurationException;

class HypTest {

    @TempDir private Path folder;

    @Test
    void builtInValuesAreYoloV5s() {
        Hyp hyp = Hyp.read(null);
        assertThat(hyp.get("lr0")).isEqualTo(0.01);
        assertThat(hyp.get("momentum")).isEqualTo(0.937);
        assertThat(hyp.get("weight_decay")).isEqualTo(0.0005);
        assertThat(hyp.ignored()).isEmpty();
    }

    @Test
    void fileReplacesWhatItNames() throws IOException {
        Hyp hyp = Hyp.read(file("lr0: 1e-3\nfliplr: 0\nmosaic: 1.0\nmixup: 0.0\niou_t: 0.2\n"));
        assertThat(hyp.get("lr0")).isEqualTo(0.001);
        assertThat(hyp.get("fliplr")).isZero();
        assertThat(hyp.get("lrf")).isEqualTo(0.01);
        assertThat(hyp.ignored()).containsExactly("mosaic");
    }

    @Test
    void unknownNameIsRefused() throws IOException {
        Path file = file("lr: 0.1\n");
        assertThatThrownBy(() -> Hyp.read(file))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        file
                                + " holds 'lr', which is no hyperparameter; there are lr0, lrf,"
                                + " momentum, weight_decay, warmup_epochs, warmup_momentum,"
                                + " warmup_bias_lr, box, obj, cls, obj_pw, cls_pw, fl_gamma,"
                                + " anchor_t, label_smoothing, hsv_h, hsv_s, hsv_v, fliplr,"
                                + " flipud");
    }

    @Test
    void textIsNoNumber() throws IOException {
        Path file = file("lr0: fast\n");
        assertThatThrownBy(() -> Hyp.read(file))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(file + ": 'lr0' is 'fast', but has to be a number");
    }

    private Path file(String text) throws IOException {
        return Files.writeString(folder.resolve("hyp.yaml"), text);
    }
}
