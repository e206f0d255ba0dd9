package org.yoloddp.examples;

import java.nio.file.Path;

/** The folder of the program: bin, lib, data, python. */
final class Home {

    private Home() {}

    static Path folder() {
        return Path.of(System.getProperty("yoloddp.home", "."));
    }

    static Path bundledData() {
        return folder().resolve("data").resolve("bccd").resolve("data.yaml");
    }
}
