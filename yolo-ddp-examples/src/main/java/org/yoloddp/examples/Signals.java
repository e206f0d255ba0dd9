package org.yoloddp.examples;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.ObjIntConsumer;
import org.yoloddp.launch.StopSignal;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * Hands Ctrl-C, SIGTERM and SIGHUP to the program instead of ending the JVM, with how many there
 * have been. A shutdown hook would learn of the first only, and not which it was.
 */
final class Signals implements AutoCloseable {

    private static final List<String> NAMES = List.of("INT", "TERM", "HUP");

    private final Map<Signal, SignalHandler> before = new LinkedHashMap<>();
    private final AtomicInteger count = new AtomicInteger();

    /**
     * Begins.
     *
     * @param action is given each signal, and its number from 1, on a thread of the JVM
     */
    Signals(ObjIntConsumer<StopSignal> action) {
        for (String name : NAMES) {
            StopSignal signal = name.equals("INT") ? StopSignal.INTERRUPT : StopSignal.TERMINATE;
            try {
                Signal system = new Signal(name);
                SignalHandler handler = received -> action.accept(signal, count.incrementAndGet());
                before.put(system, Signal.handle(system, handler));
            } catch (IllegalArgumentException e) {
                // Windows has no SIGHUP, and a JVM with -Xrs leaves all to the system.
                continue;
            }
        }
    }

    /** Puts back what was there before. */
    @Override
    public void close() {
        before.forEach(Signal::handle);
    }
}
