package org.yoloddp.examples;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code yolo-ddp doctor}. */
@Command(
        name = "doctor",
        description = {
            "Looks at what training needs on this machine, and says what is missing and how to get"
                    + " it.",
            "Exit code 1 if something is missing, or with --gpu something does not work."
        })
final class DoctorCommand implements Callable<Integer> {

    private final Console console;

    @Option(
            names = "--gpu",
            description =
                    "Also try the GPUs: a training, mixed precision, the order of streams, several"
                            + " ranks, bandwidth, a rank that hangs. Takes some minutes.")
    private boolean tryGpus;

    @Option(
            names = "--parts",
            split = ",",
            defaultValue = "TRAINING,AMP,STEP,STREAM_ORDER,RANKS,BANDWIDTH,HUNG_PEER",
            description = "What --gpu tries: ${COMPLETION-CANDIDATES}.")
    private List<GpuPart> parts = List.of();

    @Option(
            names = "--dry-run",
            hidden = true,
            description = "Trainings of --gpu on the CPU, and all of it short; for its test.")
    private boolean dryRun;

    DoctorCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
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
        if (missing > 0) {
            return ExitCode.FAILED;
        }
        return tryGpus ? tryGpus() : ExitCode.DONE;
    }

    private int tryGpus() throws IOException {
        List<GpuResult> results = new GpuTrial(console, GpuRanks.look(), dryRun).run(parts);
        long failed = results.stream().filter(r -> r.state() == GpuResult.State.FAIL).count();
        console.print(
                failed == 0
                        ? "The GPUs do what training asks of them."
                        : failed + " of " + results.size() + " parts failed on the GPUs.");
        return failed == 0 ? ExitCode.DONE : ExitCode.FAILED;
    }
}
