package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;

class LauncherBuilderTest {

    @Test
    void defaultsAreTorchruns() {
        Settings settings = builder().settings();
        assertThat(settings.processes()).isEqualTo(1);
        assertThat(settings.nodes()).isEqualTo(NodeRange.of(1));
        assertThat(settings.masterAddress()).isEqualTo("127.0.0.1");
        assertThat(settings.masterPort()).isZero();
        assertThat(settings.maxRestarts()).isZero();
        assertThat(settings.timing().monitorInterval()).hasMillis(100);
        assertThat(builder().optNodes(NodeRange.of(2)).settings().masterPort()).isEqualTo(29500);
    }

    @Test
    void standaloneOverridesWhatIsSaidOfNodes() {
        Settings settings =
                builder()
                        .optNodes(NodeRange.parse("2:4"))
                        .optNodeRank(3)
                        .optMasterAddress("10.0.0.1")
                        .optMasterPort(29500)
                        .optStandalone()
                        .settings();
        assertThat(settings.nodes()).isEqualTo(NodeRange.of(1));
        assertThat(settings.nodeRank()).isZero();
        assertThat(settings.masterAddress()).isEqualTo("127.0.0.1");
        assertThat(settings.masterPort()).isZero();
    }

    @Test
    void whatCannotBeIsRefused() {
        refused(() -> Launcher.builder().build(), "there is no command to launch");
        refused(
                () -> builder().optProcesses(0).build(),
                "there are 0 processes per node, but it needs one");
        refused(
                () -> builder().optNodes(NodeRange.parse("1:3")).optNodeRank(3).build(),
                "the node rank is 3, but with 1:3 nodes it ends at 2");
        refused(
                () -> builder().optNodes(NodeRange.of(2)).optMasterPort(0).build(),
                "the master port is 0, but several nodes must agree on one, such as 29500");
        refused(
                () -> builder().optRunId("../x").build(),
                "the job is called '../x', but it takes letters, digits, '.', '-' and '_'");
        refused(
                () -> NodeRange.parse("many"),
                "the number of nodes is 'many', but it is N or MIN:MAX");
        refused(
                () -> NodeRange.parse("3:2"),
                "from 3 to 2 nodes cannot be: it takes 1 or more, MIN:MAX");
        refused(
                () -> StreamSelection.parse("0:7"),
                "streams are given as '0:7', but it is 0, 1 (output), 2 (errors), 3 (both), or such"
                        + " as 0:1,1:3 by local rank");
    }

    @Test
    void streamsAreSelectedAsForTorchrun() {
        StreamSelection some = StreamSelection.parse("0:1,2:3");
        assertThat(some.has(0, 1)).isTrue();
        assertThat(some.has(0, 2)).isFalse();
        assertThat(some.has(1, 1)).isFalse();
        assertThat(some.has(2, 2)).isTrue();
        assertThat(some.isEmpty()).isFalse();
        assertThat(StreamSelection.parse("3").has(5, 2)).isTrue();
        assertThat(StreamSelection.parse("0").isEmpty()).isTrue();
    }

    private static void refused(ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(ConfigurationException.class).hasMessage(message);
    }

    private static LauncherBuilder builder() {
        return Launcher.builder().setCommand("train");
    }
}
