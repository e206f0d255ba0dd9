package org.yoloddp.torch;

import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;

/**
 * An operator that the binding does not bind (those that begin with an underscore: fused and
 * foreach ones), called by libtorch's dispatcher with a stack of arguments.
 */
final class BoxedOp {

    private final OperatorHandle handle;
    private final String name;

    private BoxedOp(String name, OperatorHandle handle) {
        this.name = name;
        this.handle = handle;
    }

    static BoxedOp of(String name, String overload) {
        TorchRuntime.start();
        // a copy, since what the dispatcher returns is a temporary
        return new BoxedOp(
                name,
                new OperatorHandle(
                        Dispatcher.realSingleton().findSchemaOrThrow("aten::" + name, overload)));
    }

    Call call() {
        return new Call();
    }

    /** One call: arguments in the order of the schema, those by keyword and defaults included. */
    final class Call implements AutoCloseable {

        private final IValueVector stack = new IValueVector();

        Call list(TensorList list) {
            return value(list.value());
        }

        Call value(IValue value) {
            stack.push_back(value);
            return this;
        }

        Call number(double value) {
            return push(new IValue(value));
        }

        Call integer(long value) {
            return push(new IValue(value));
        }

        Call flag(boolean value) {
            return push(new IValue(value));
        }

        Call none() {
            return push(new IValue());
        }

        private Call push(IValue value) {
            try (value) {
                stack.push_back(value);
            }
            return this;
        }

        /** Runs it; the results then lie on the stack. */
        Call run() {
            try {
                handle.callBoxed(stack);
            } catch (RuntimeException e) {
                throw TorchException.operator(name, e);
            }
            return this;
        }

        IValue result() {
            return stack.get(0);
        }

        @Override
        public void close() {
            stack.close();
        }
    }
}
