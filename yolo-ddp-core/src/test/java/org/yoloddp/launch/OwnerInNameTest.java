package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class OwnerInNameTest {

    @BeforeEach
    void processesAreSeen() {
        assumeThat(Files.exists(Path.of("/proc/self/ns/pid"))).as("a system with /proc").isTrue();
    }

    @Test
    void whoLivesIsNotGone() {
        assertThat(OwnerInName.isGone(OwnerInName.prefix() + "123")).isFalse();
    }

    @Test
    void numberThatIsUsedAgainDeceivesNobody() {
        String[] own = OwnerInName.prefix().split("-", -1);
        assertThat(OwnerInName.isGone(own[0] + "-" + own[1] + "-1-123")).isTrue();
    }

    @Test
    void nobodyHasANumberBeyondTheSystemsLargest() {
        String[] own = OwnerInName.prefix().split("-", -1);
        assertThat(OwnerInName.isGone(own[0] + "-4194999-" + own[2] + "-123")).isTrue();
    }

    @Test
    void nothingIsKnownOfOtherSpacesOfProcessNumbers() {
        String[] own = OwnerInName.prefix().split("-", -1);
        assertThat(OwnerInName.isGone("1-" + own[1] + "-1-123")).isFalse();
    }

    @Test
    void otherNamesOwnNothing() {
        assertThat(OwnerInName.isGone("123")).isFalse();
        assertThat(OwnerInName.isGone("of-nobody-at-all")).isFalse();
    }
}
