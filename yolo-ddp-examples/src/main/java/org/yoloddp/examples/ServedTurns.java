package org.yoloddp.examples;

import com.google.gson.Gson;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingObserver;

/** Lets a training take as many steps as a line of input asks for, and answers with their times. */
final class ServedTurns implements TrainingObserver {

    private static final Pattern RUN = Pattern.compile("run (\\d+)");

    private final int warmUp;
    private final @Nullable Double residentBefore;
    private final BufferedReader requests;
    private final Console console;
    private final Gson gson = new Gson();
    private double[] millis = {};
    private int taken;
    private double faultedBefore;

    /**
     * @param residentBefore the memory in MB before there was a model, if known
     */
    ServedTurns(
            int warmUp, @Nullable Double residentBefore, BufferedReader requests, Console console) {
        this.warmUp = warmUp;
        this.residentBefore = residentBefore;
        this.requests = requests;
        this.console = console;
    }

    @Override
    public void onStep(StepReport report) {
        if (report.step() + 1 < warmUp) {
            return;
        }
        if (report.step() + 1 == warmUp) {
            Map<String, Object> start = new TreeMap<>();
            start.put("versions", BenchReport.ourVersions());
            start.put(
                    "memory", residentBefore == null ? Map.of() : Map.of("before", residentBefore));
            console.print(gson.toJson(start));
            next();
            return;
        }
        millis[taken++] = report.millis();
        if (taken == millis.length) {
            Map<String, Double> memory = ProcessMemory.now();
            memory.put("faulted", (ProcessMemory.faulted() - faultedBefore) / taken);
            console.print(gson.toJson(new TurnProcess.Turn(millis, memory)));
            next();
        }
    }

    private void next() {
        try {
            String line = requests.readLine();
            Matcher run = RUN.matcher(line == null ? "" : line.strip());
            if (!run.matches()) {
                throw new EndedException();
            }
            millis = new double[Integer.parseInt(run.group(1))];
            taken = 0;
            faultedBefore = ProcessMemory.faulted();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** No more steps are wanted. */
    static final class EndedException extends YoloDdpException {

        private static final long serialVersionUID = 1;

        private EndedException() {
            super("no more steps are wanted");
        }
    }
}
