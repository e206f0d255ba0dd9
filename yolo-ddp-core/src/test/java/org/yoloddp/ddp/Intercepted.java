package org.yoloddp.ddp;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.function.Supplier;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.Work;

/** Lets a test see, change or refuse what a rank asks of its communicator. */
final class Intercepted {

    private Intercepted() {}

    /** What happens in place of a reduction. */
    @FunctionalInterface
    interface AllReduce {
        Work run(String tag, CommBuffer buffer, Supplier<Work> reduction);
    }

    /** Lets all reductions go through a test's hands. */
    static Communicator allReduce(Communicator inner, AllReduce interceptor) {
        return (Communicator)
                Proxy.newProxyInstance(
                        Intercepted.class.getClassLoader(),
                        new Class<?>[] {Communicator.class},
                        (proxy, method, arguments) -> {
                            if (!method.getName().equals("allReduce")) {
                                return invoke(inner, method, arguments);
                            }
                            Supplier<Work> reduction =
                                    () -> (Work) invokeUnchecked(inner, method, arguments);
                            return interceptor.run(
                                    (String) arguments[3], (CommBuffer) arguments[0], reduction);
                        });
    }

    private static Object invokeUnchecked(
            Object target, java.lang.reflect.Method method, Object[] arguments) {
        try {
            return invoke(target, method, arguments);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable t) {
            throw new IllegalStateException(t);
        }
    }

    private static Object invoke(Object target, java.lang.reflect.Method method, Object[] arguments)
            throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
