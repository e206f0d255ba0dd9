package org.yoloddp.examples;

import java.util.List;
import org.yoloddp.error.YoloDdpException;

/** A job that was struck by a fault did not end as it should. */
final class FaultsException extends YoloDdpException {

    private static final long serialVersionUID = 1;

    private FaultsException(String message) {
        super(message);
    }

    static FaultsException wrong(String fault, String what, String output, List<String> details) {
        return new FaultsException(
                "after '"
                        + fault
                        + "' "
                        + what
                        + "; the job's output:\n"
                        + output.strip()
                        + "\n"
                        + String.join("\n", details));
    }

    static FaultsException left(int bad, int rounds, long seed) {
        return new FaultsException(
                bad
                        + " of "
                        + rounds
                        + " rounds ended wrongly or left something behind; see above, and repeat one"
                        + " with --rounds 1 --seed and its number, from "
                        + seed
                        + " on");
    }
}
