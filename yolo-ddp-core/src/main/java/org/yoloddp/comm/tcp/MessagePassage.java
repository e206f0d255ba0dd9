package org.yoloddp.comm.tcp;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.Slice;

/** One end of a message between hosts: the call, the data, and back whether it was expected. */
final class MessagePassage implements Passage {

    private final Entry entry;
    private final Supplier<Optional<Link>> connection;
    private final boolean sends;
    private final ByteBuffer out;
    private final Header.Reader in = new Header.Reader();
    private @Nullable ByteBuffer data;
    private @Nullable ByteBuffer sign;
    private int next;
    private boolean done;

    MessagePassage(Entry entry, Supplier<Optional<Link>> connection) {
        this.entry = entry;
        this.connection = connection;
        this.sends = entry.call.operation() == Operation.SEND;
        this.out = Header.of(entry.bytes);
    }

    @Override
    public boolean isDone() {
        return done;
    }

    @Override
    public boolean step() {
        Link link = connection.get().orElse(null);
        return link != null && (sends ? send(link) : receive(link));
    }

    private boolean send(Link link) {
        boolean helped = link.write(out);
        while (!out.hasRemaining() && nextData()) {
            if (!link.write(data())) {
                break;
            }
            helped = true;
        }
        helped |= in.read(link);
        if (in.isWhole()) {
            if (in.sign() != Header.ACCEPTED) {
                throw new MismatchException(in.call().orElse(new byte[0]), link.peer);
            }
            done = !out.hasRemaining() && !nextData();
        }
        return helped;
    }

    private boolean receive(Link link) {
        if (done) {
            return false;
        }
        boolean helped = in.read(link);
        if (!in.isWhole()) {
            return helped;
        }
        if (sign == null) {
            byte[] call = in.call().orElse(new byte[0]);
            boolean expected = call.length > 0 && isExpected(call);
            sign = Header.sign(expected ? Header.ACCEPTED : Header.REFUSED);
            if (!expected) {
                link.write(sign);
                throw new MismatchException(call, link.peer);
            }
        }
        while (nextData()) {
            if (!link.read(data())) {
                return helped;
            }
            helped = true;
        }
        helped |= link.write(sign);
        done = !sign.hasRemaining();
        return helped;
    }

    private boolean isExpected(byte[] bytes) {
        Fingerprint call = Codec.fingerprint(entry.call.group(), bytes);
        return call.operation() == Operation.SEND
                && call.dtype() == entry.call.dtype()
                && call.count() == entry.call.count()
                && call.tag().equals(entry.call.tag());
    }

    private ByteBuffer data() {
        ByteBuffer now = data;
        if (now == null) {
            throw new IllegalStateException("No data is due");
        }
        return now;
    }

    /** Finds the next slice that is not through; tells whether there is one. */
    private boolean nextData() {
        ByteBuffer now = data;
        while ((now == null || !now.hasRemaining()) && next < entry.slices.size()) {
            Slice slice = entry.slices.get(next++);
            HostBuffer buffer = entry.buffer;
            if (buffer != null) {
                now = buffer.window(slice.from(), slice.count());
                data = now;
            }
        }
        return now != null && now.hasRemaining();
    }
}
