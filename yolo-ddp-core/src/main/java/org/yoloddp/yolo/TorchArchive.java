package org.yoloddp.yolo;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.HashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import org.jspecify.annotations.Nullable;

/**
 * A ZIP archive as torch.save writes it: stored, never compressed, so that what it unpacks to is no
 * bigger than the file. Anything else is refused before memory is set aside for it.
 */
final class TorchArchive implements AutoCloseable {

    private static final int MAX_PICKLE_BYTES = 64 << 20;

    private final Path file;
    private final ZipFile zip;
    private final String prefix;
    private final Map<String, ByteBuffer> storages = new HashMap<>();
    private long remaining;

    private TorchArchive(Path file, ZipFile zip, String prefix, long remaining) {
        this.file = file;
        this.zip = zip;
        this.prefix = prefix;
        this.remaining = remaining;
    }

    static TorchArchive open(Path file) {
        ZipFile zip = null;
        try {
            zip = new ZipFile(file.toFile());
            String prefix = prefix(file, zip);
            return new TorchArchive(file, zip, prefix, Files.size(file));
        } catch (ZipException e) {
            throw WeightsException.notAnArchive(file, e);
        } catch (IOException e) {
            throw WeightsException.unreadable(file, e);
        } catch (WeightsException e) {
            closeQuietly(zip, e);
            throw e;
        }
    }

    /** Entries lie in one folder of any name; the one that holds data.pkl. */
    private static String prefix(Path file, ZipFile zip) {
        for (Enumeration<? extends ZipEntry> all = zip.entries(); all.hasMoreElements(); ) {
            String name = all.nextElement().getName();
            if (name.endsWith("/data.pkl") && name.indexOf('/') == name.lastIndexOf('/')) {
                return name.substring(0, name.length() - "data.pkl".length());
            }
        }
        throw WeightsException.badStructure(file, "no data.pkl in the archive");
    }

    byte[] pickle() {
        return read(prefix + "data.pkl", MAX_PICKLE_BYTES);
    }

    /** The bytes of a storage, little-endian; as long as the pickle says. */
    ByteBuffer storage(PickledStorage storage) {
        ByteBuffer data = storages.get(storage.key());
        if (data == null) {
            data = ByteBuffer.wrap(read(prefix + "data/" + storage.key(), Integer.MAX_VALUE - 8L));
            storages.put(storage.key(), data);
        }
        if (data.capacity() / storage.type().bytes() < storage.count()) {
            throw WeightsException.badEntry(
                    file,
                    prefix + "data/" + storage.key(),
                    "holds "
                            + data.capacity()
                            + " bytes, where data.pkl says "
                            + storage.count()
                            + " elements of "
                            + storage.type().bytes());
        }
        return data.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }

    private byte[] read(String name, long limit) {
        ZipEntry entry = zip.getEntry(name);
        if (entry == null) {
            throw WeightsException.badEntry(file, name, "is missing");
        }
        if (entry.getMethod() != ZipEntry.STORED || entry.getSize() != entry.getCompressedSize()) {
            throw WeightsException.badEntry(
                    file, name, "is compressed, which torch.save never does");
        }
        long size = entry.getSize();
        if (size > limit) {
            throw WeightsException.badEntry(
                    file, name, "has " + size + " bytes, more than the " + limit + " allowed");
        }
        remaining -= size;
        if (remaining < 0) {
            throw WeightsException.badEntry(
                    file, name, "overlaps others: together they are longer than the file");
        }
        byte[] bytes;
        try (InputStream in = zip.getInputStream(entry)) {
            bytes = in.readNBytes((int) size);
        } catch (IOException e) {
            throw WeightsException.notAnArchive(file, e);
        }
        CRC32 checksum = new CRC32();
        checksum.update(bytes);
        if (bytes.length != size || checksum.getValue() != entry.getCrc()) {
            throw WeightsException.badEntry(file, name, "fails its checksum");
        }
        return bytes;
    }

    private static void closeQuietly(@Nullable ZipFile zip, WeightsException failure) {
        try {
            if (zip != null) {
                zip.close();
            }
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    @Override
    public void close() {
        try {
            zip.close();
        } catch (IOException e) {
            throw WeightsException.unreadable(file, e);
        }
    }
}
