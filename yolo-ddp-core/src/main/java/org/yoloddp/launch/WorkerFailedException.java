package org.yoloddp.launch;

import org.yoloddp.error.YoloDdpException;

/** A worker process failed, and no restart was left. Its message tells the root cause. */
public final class WorkerFailedException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private final transient LaunchReport report;

    private WorkerFailedException(String message, LaunchReport report) {
        super(message);
        this.report = report;
    }

    static WorkerFailedException of(LaunchReport report) {
        int others = report.failures().size() - 1;
        return new WorkerFailedException(
                report.rootCause().map(WorkerFailure::describe).orElse("a worker failed")
                        + (report.restarts() == 0 ? "" : "; restarts used up: " + report.restarts())
                        + (others <= 0 ? "" : "; ranks that failed after it: " + others),
                report);
    }

    /**
     * Returns what is known of all failures.
     *
     * @return the report
     */
    public LaunchReport report() {
        return report;
    }
}
