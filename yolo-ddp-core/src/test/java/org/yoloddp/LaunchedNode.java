package org.yoloddp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.yoloddp.error.YoloDdpException;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.NodeRange;
import org.yoloddp.launch.WorkerFailure;

/**
 * The launcher of one of two nodes with two ranks each, as a program of its own: arguments are the
 * node rank, the address and port of node 0, a folder, and then what {@link HashedTraining} wants.
 * It leaves what came of it in {@code report.NODE} of the folder.
 */
public final class LaunchedNode {

    private LaunchedNode() {}

    public static void main(String[] arguments) throws IOException {
        int node = Integer.parseInt(arguments[0]);
        Path folder = Path.of(arguments[3]);
        String text;
        try {
            LaunchReport report =
                    Launcher.builder()
                            .setCommand(
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "-Xmx256m",
                                    "-XX:TieredStopAtLevel=1",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    HashedTraining.class.getName(),
                                    folder.toString(),
                                    arguments[4],
                                    arguments[5])
                            .optNodes(NodeRange.of(2))
                            .optNodeRank(node)
                            .optMasterAddress(arguments[1])
                            .optMasterPort(Integer.parseInt(arguments[2]))
                            .optProcesses(2)
                            .build()
                            .run();
            List<String> failures =
                    report.failures().stream().map(WorkerFailure::describe).toList();
            text = report.outcome() + "\n" + String.join("\n", failures);
        } catch (YoloDdpException e) {
            text = e.getClass().getSimpleName() + ": " + e.getMessage();
        }
        Files.writeString(folder.resolve("report." + node), text);
    }
}
