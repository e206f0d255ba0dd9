package org.yoloddp.examples;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yoloddp.error.ConfigurationException;
import picocli.CommandLine.ITypeConverter;

/**
 * A fault that a rank of the toy job waits for.
 *
 * @param fault what
 * @param rank whom
 * @param step before which step
 * @param restart after how many restarts of the job
 */
record PlannedFault(Fault fault, int rank, long step, int restart) {

    private static final Pattern FORM = Pattern.compile("(\\w+)@(\\d+):(\\d+):(\\d+)");

    /** Reads it from a command line. */
    static final class Converter implements ITypeConverter<PlannedFault> {

        @Override
        public PlannedFault convert(String text) {
            Matcher parts = FORM.matcher(text);
            if (!parts.matches()) {
                throw new ConfigurationException(
                        "'" + text + "' is no planned fault, such as kill@RANK:STEP:RESTART");
            }
            return new PlannedFault(
                    Fault.valueOf(parts.group(1).toUpperCase(Locale.ROOT)),
                    Integer.parseInt(parts.group(2)),
                    Long.parseLong(parts.group(3)),
                    Integer.parseInt(parts.group(4)));
        }
    }

    /** As the command line takes it. */
    String option() {
        return fault.name().toLowerCase(Locale.ROOT) + "@" + rank + ":" + step + ":" + restart;
    }

    @Override
    public String toString() {
        return fault.label()
                + " of rank "
                + rank
                + " before step "
                + step
                + (restart == 0 ? "" : " after restart " + restart);
    }
}
