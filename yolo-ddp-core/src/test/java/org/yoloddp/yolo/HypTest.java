package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.error.ConfigurationException;

class HypTest {

    @TempDir Path folder;

    @Test
    void fileOverridesWhatItNames() throws Exception {
        Path file = folder.resolve("hyp.yaml");
        Files.writeString(file, "lr0: 0.02\nfliplr: 0\n");

        Hyp hyp = Hyp.load(file);

        assertThat(hyp).isEqualTo(Hyp.defaults().with("lr0", 0.02).with("fliplr", 0));
        assertThat(hyp).isNotEqualTo(Hyp.defaults());
        assertThat(hyp.get("anchor_t")).isEqualTo(4);
    }

    @Test
    void mistakesAreRefused() throws Exception {
        Path file = folder.resolve("hyp.yaml");
        Files.writeString(file, "lr0: fast\n");

        assertThatThrownBy(() -> Hyp.load(file))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("hyperparameters " + file + ": lr0 is fast, not a number");
        assertThatThrownBy(() -> Hyp.defaults().with("lr", 1))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "unknown hyperparameter lr; known are " + Hyp.defaults().toMap().keySet());
        assertThatThrownBy(() -> Hyp.defaults().with("box", -1))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("hyperparameter box is -1.0; it must be finite and at least 0");
    }
}
