package org.yoloddp.rendezvous;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads what {@link MessageWriter} wrote. Never allocates more than the message holds; what does
 * not fit is a {@link MalformedMessageException}.
 */
final class MessageReader {

    private final ByteBuffer in;

    MessageReader(byte[] message) {
        this.in = ByteBuffer.wrap(message);
    }

    int int8() throws MalformedMessageException {
        return need(1).get();
    }

    int int32() throws MalformedMessageException {
        return need(4).getInt();
    }

    long int64() throws MalformedMessageException {
        return need(8).getLong();
    }

    byte[] bytes() throws MalformedMessageException {
        return raw(int32());
    }

    byte @Nullable [] optional() throws MalformedMessageException {
        return int8() == 0 ? null : bytes();
    }

    byte[] raw(int length) throws MalformedMessageException {
        need(length);
        byte[] value = new byte[length];
        in.get(value);
        return value;
    }

    String text() throws MalformedMessageException {
        return new String(bytes(), StandardCharsets.UTF_8);
    }

    List<String> texts() throws MalformedMessageException {
        int count = count();
        List<String> values = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            values.add(text());
        }
        return values;
    }

    Map<String, String> table() throws MalformedMessageException {
        int count = count();
        Map<String, String> values = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            String name = text();
            values.put(name, text());
        }
        return values;
    }

    void end() throws MalformedMessageException {
        if (in.hasRemaining()) {
            throw new MalformedMessageException(in.remaining() + " bytes too many");
        }
    }

    private int count() throws MalformedMessageException {
        int count = int32();
        if (count < 0 || count > in.remaining() / 4) {
            throw new MalformedMessageException("a list of " + count);
        }
        return count;
    }

    private ByteBuffer need(int length) throws MalformedMessageException {
        if (length < 0 || length > in.remaining()) {
            throw new MalformedMessageException(
                    length + " bytes announced, " + in.remaining() + " there");
        }
        return in;
    }
}
