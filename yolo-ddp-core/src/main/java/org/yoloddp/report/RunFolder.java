package org.yoloddp.report;

import java.nio.file.Path;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingStart;
import org.yoloddp.train.WeightsView;

/**
 * Writes what a training does into a folder of its own: {@code exp}, {@code exp2}, {@code exp3} …
 *
 * <p>It holds {@code args.yaml} and {@code hyp.yaml} (what was set), {@code results.csv} (YOLOv5's
 * columns, a line per epoch), {@code weights/last.safetensors} and {@code
 * weights/best.safetensors}, {@code events.out.tfevents.*} for TensorBoard, and at the end {@code
 * summary.json}. A folder that cannot be written to is reported before the first step.
 *
 * <pre>{@code
 * builder.addObserver(RunFolder.at(Path.of("runs/train")));
 * }</pre>
 *
 * <p>One object serves one training.
 */
public final class RunFolder implements TrainingObserver {

    private final Path project;
    private String name = "exp";
    private boolean existOk;
    private int savePeriod;
    private Map<String, ?> args = Map.of();
    private Map<String, ?> hyperparameters = Map.of();
    private Clock clock = Clock.systemUTC();
    private volatile @Nullable Path folder;
    private @Nullable Writers writers;

    /** Whether a validation has been run; until then the last weights count as the best. */
    private boolean judged;

    private record Writers(List<String> lossTerms, ResultsCsv results, EventFile events) {}

    private RunFolder(Path project) {
        this.project = project;
    }

    /**
     * Runs below a folder, which is made if need be.
     *
     * @param project the folder that holds the runs, such as {@code runs/train}
     * @return the run folder, not made yet
     */
    public static RunFolder at(Path project) {
        return new RunFolder(project);
    }

    /**
     * Sets the name that the number is appended to.
     *
     * @param name the name, {@code exp} by default
     * @return this
     */
    public RunFolder optName(String name) {
        this.name = name;
        return this;
    }

    /**
     * Sets whether a folder that exists is used again, its files being replaced.
     *
     * @param existOk true to use it, false (the default) to take the next number
     * @return this
     */
    public RunFolder optExistOk(boolean existOk) {
        this.existOk = existOk;
        return this;
    }

    /**
     * Keeps the weights of every n-th epoch as {@code weights/epochN.safetensors} too.
     *
     * @param epochs how often; 0 or less (the default) for never
     * @return this
     */
    public RunFolder optSavePeriod(int epochs) {
        this.savePeriod = epochs;
        return this;
    }

    /**
     * Sets what {@code args.yaml} holds: the options of the run.
     *
     * @param args values by name, in the order to write; nested maps and collections are kept,
     *     numbers and booleans too, anything else becomes its text
     * @return this
     */
    public RunFolder optArgs(Map<String, ?> args) {
        this.args = new LinkedHashMap<>(args);
        return this;
    }

    /**
     * Sets what {@code hyp.yaml} holds: the hyperparameters.
     *
     * @param hyperparameters values by name, as for {@link #optArgs}
     * @return this
     */
    public RunFolder optHyperparameters(Map<String, ?> hyperparameters) {
        this.hyperparameters = new LinkedHashMap<>(hyperparameters);
        return this;
    }

    /** Sets the clock of the events, for tests. */
    RunFolder clock(Clock clock) {
        this.clock = clock;
        return this;
    }

    /**
     * The folder of this run. The first call, at the latest the start of the training, makes it;
     * later changes of the name have no effect.
     *
     * @return the folder
     * @throws RunFolderException if it cannot be made
     */
    public synchronized Path path() {
        Path made = folder;
        if (made == null) {
            made =
                    existOk
                            ? RunFiles.create(project.resolve(name))
                            : RunFiles.claim(project.resolve(name));
            folder = made;
        }
        return made;
    }

    /**
     * Makes the folder, and writes the settings.
     *
     * @param start what is about to be trained
     * @throws RunFolderException if the folder cannot be made or written to
     */
    @Override
    public void onStart(TrainingStart start) {
        Path run = path();
        if (writers != null) {
            throw RunFolderException.alreadyUsed(run);
        }
        RunFiles.create(run.resolve("weights"));
        RunFiles.write(run.resolve("args.yaml"), YamlText.of(args));
        RunFiles.write(run.resolve("hyp.yaml"), YamlText.of(hyperparameters));
        writers =
                new Writers(
                        start.lossTerms(),
                        new ResultsCsv(run.resolve("results.csv")),
                        EventFile.create(run, clock));
    }

    /**
     * Writes the epoch's values and the weights.
     *
     * @param report the epoch
     * @param weights the weights after the epoch
     * @throws RunFolderException if a file cannot be written
     */
    @Override
    public void onEpoch(EpochReport report, WeightsView weights) {
        Writers open = Objects.requireNonNull(writers, "onStart comes first");
        Map<String, Double> values = ResultColumns.of(report, open.lossTerms());
        open.results().add(report.epoch(), values);
        open.events().add(report.epoch(), values);
        Path folderOfWeights = path().resolve("weights");
        weights.write(folderOfWeights.resolve("last.safetensors"));
        judged |= report.validation().isPresent();
        if (report.best() || !judged) {
            weights.write(folderOfWeights.resolve("best.safetensors"));
        }
        if (savePeriod > 0 && report.epoch() % savePeriod == 0) {
            weights.write(folderOfWeights.resolve("epoch" + report.epoch() + ".safetensors"));
        }
    }

    /**
     * Writes the summary.
     *
     * @param report the training
     * @throws RunFolderException if it cannot be written
     */
    @Override
    public void onEnd(TrainingReport report) {
        closeEvents();
        RunFiles.write(path().resolve("summary.json"), SummaryJson.of(report));
    }

    /**
     * Closes what is open; what was written stays.
     *
     * @param cause why the training failed
     */
    @Override
    public void onFailure(Throwable cause) {
        closeEvents();
    }

    private void closeEvents() {
        if (writers != null) {
            writers.events().close();
        }
    }
}
