package org.yoloddp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.error.YoloDdpException;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.NodeRange;
import org.yoloddp.launch.WorkerFailure;

/**
 * The launcher of one of several nodes, as a program of its own: arguments are the node rank and
 * the number of nodes, the address and port of node 0, the number of ranks here, a folder, and then
 * the words of their command. It leaves what came of it in {@code report.NODE} of the folder.
 */
public final class LaunchedNode {

    /** The system property that allows restarts. */
    static final String RESTARTS = "restarts";

    /** The system property that lets ranks outlive a launcher that is killed. */
    static final String UNTIED = "untied";

    private LaunchedNode() {}

    /** The command of a launcher. */
    static List<String> command(
            int node,
            int nodes,
            String address,
            int port,
            int ranks,
            Path folder,
            List<String> rank) {
        List<String> words =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx128m",
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                LaunchedNode.class.getName(),
                                Integer.toString(node),
                                Integer.toString(nodes),
                                address,
                                Integer.toString(port),
                                Integer.toString(ranks),
                                folder.toString()));
        words.addAll(rank);
        return words;
    }

    public static void main(String[] arguments) throws IOException {
        int node = Integer.parseInt(arguments[0]);
        Path folder = Path.of(arguments[5]);
        List<String> words = List.of(arguments);
        String text;
        try {
            LaunchReport report =
                    Launcher.builder()
                            .setCommand(words.subList(6, words.size()))
                            .optNodes(NodeRange.of(Integer.parseInt(arguments[1])))
                            .optNodeRank(node)
                            .optMasterAddress(arguments[2])
                            .optMasterPort(Integer.parseInt(arguments[3]))
                            .optProcesses(Integer.parseInt(arguments[4]))
                            .optMaxRestarts(Integer.getInteger(RESTARTS, 0))
                            .optWatchesInput(Boolean.getBoolean(UNTIED))
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
