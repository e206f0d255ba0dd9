package org.yoloddp.examples;

import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code yolo-ddp doctor}. */
@Command(
        name = "doctor",
        description = {
            "Looks at what training needs on this machine, and says what is missing and how to get"
                    + " it.",
            "Exit code 1 if something is missing."
        })
final class DoctorCommand implements Callable<Integer> {

    private final Console console;

    DoctorCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        console.print("yolo-ddp " + Version.text());
        List<Finding> findings = Doctor.examine();
        for (Finding finding : findings) {
            String state = "[" + finding.state().name().toLowerCase(Locale.ROOT) + "]";
            console.printf("%-10s %-12s %s", state, finding.subject(), finding.text());
        }
        long missing = findings.stream().filter(f -> f.state() == Finding.State.MISSING).count();
        console.print(
                missing == 0
                        ? "This machine can train."
                        : "This machine can't train before what is missing is there.");
        return missing == 0 ? ExitCode.DONE : ExitCode.FAILED;
    }
}
