package org.yoloddp.yolo;

/** A storage of the archive: the entry {@code data/<key>} with so many elements of one type. */
record PickledStorage(StorageType type, String key, long count) {}
