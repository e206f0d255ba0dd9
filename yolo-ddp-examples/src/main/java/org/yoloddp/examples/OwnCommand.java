package org.yoloddp.examples;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How to start this program once more, with another command. */
final class OwnCommand {

    private static final String TERMINAL = "-Dyoloddp.terminal=";

    private OwnCommand() {}

    static List<String> with(List<String> arguments) {
        return command(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                ManagementFactory.getRuntimeMXBean().getInputArguments(),
                System.getProperty("java.class.path"),
                arguments);
    }

    /** The same JVM options, but nobody's debugger, whose port is taken, and no terminal. */
    static List<String> command(
            String java, List<String> options, String classPath, List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(java);
        options.stream()
                .filter(option -> !option.startsWith("-agentlib:jdwp"))
                .filter(option -> !option.startsWith("-Xrunjdwp"))
                .filter(option -> !option.startsWith(TERMINAL))
                .forEach(command::add);
        command.add(TERMINAL + "false");
        command.add("-cp");
        command.add(classPath);
        command.add(YoloDdp.class.getName());
        command.addAll(arguments);
        return List.copyOf(command);
    }
}
