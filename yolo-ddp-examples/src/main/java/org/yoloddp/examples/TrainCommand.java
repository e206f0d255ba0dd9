package org.yoloddp.examples;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code yolo-ddp train}. */
@Command(
        name = "train",
        description = "Trains a YOLOv5 on images in YOLO format.",
        sortOptions = false,
        showDefaultValues = true)
final class TrainCommand implements Callable<Integer> {

    private final Console console;

    @Mixin private TrainOptions options = new TrainOptions();

    TrainCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        return new TrainJob(options, console).run().exitCode();
    }
}
