package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.yoloddp.DeviceChoice;
import org.yoloddp.error.ConfigurationException;

class PlacementTest {

    @Test
    void processAloneRunsAllRanks() {
        Placement alone = Placement.of(Map.of("WORLD_SIZE", "4"));
        assertThat(alone.launched()).isFalse();
        assertThat(alone.writes()).isTrue();
        assertThat(alone.world(3, null, DeviceChoice.cpu()).size()).isEqualTo(3);
    }

    @Test
    void onlyRankZeroOfLaunchedRanksWrites() {
        assertThat(Placement.of(Map.of("RANK", "0", "WORLD_SIZE", "2")).writes()).isTrue();
        Placement second = Placement.of(Map.of("RANK", "1", "WORLD_SIZE", "2"));
        assertThat(second.launched()).isTrue();
        assertThat(second.writes()).isFalse();
    }

    @Test
    void launchedRankCannotBeSeveralThreads() {
        assertThatThrownBy(
                        () ->
                                Placement.of(Map.of("RANK", "1", "WORLD_SIZE", "2"))
                                        .world(2, null, DeviceChoice.cpu()))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "--nproc is 2, but this process is one rank of those that a launcher has"
                                + " started: say launch --nproc-per-node 2, or unset RANK and"
                                + " WORLD_SIZE");
    }

    @Test
    void endpointIsForLaunchedRanks() {
        assertThatThrownBy(() -> Placement.of(Map.of()).world(1, "host:1", DeviceChoice.cpu()))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "--rdzv-endpoint is host:1, but this process is no rank that a launcher has"
                                + " started: RANK and WORLD_SIZE are not set");
        assertThatThrownBy(
                        () ->
                                Placement.of(Map.of("RANK", "1", "WORLD_SIZE", "2"))
                                        .world(1, "no port", DeviceChoice.cpu()))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("The endpoint of the rendezvous is 'no port', but has to be host:port");
    }

    @Test
    void rankThatIsNoNumberIsNamed() {
        assertThatThrownBy(() -> Placement.of(Map.of("RANK", "one", "WORLD_SIZE", "2")))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("RANK is 'one', but it is a number from 0; a launcher sets it");
    }
}
