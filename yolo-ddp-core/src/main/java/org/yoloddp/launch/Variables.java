package org.yoloddp.launch;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.yoloddp.error.ConfigurationException;

/** Environment variables that are read as numbers. */
record Variables(Map<String, String> map) {

    Optional<String> text(String name) {
        return Optional.ofNullable(map.get(name)).map(String::strip).filter(t -> !t.isEmpty());
    }

    boolean has(String name) {
        return text(name).isPresent();
    }

    /** Returns the names of a list that are not set. */
    List<String> missing(String... names) {
        return List.of(names).stream().filter(name -> !has(name)).toList();
    }

    int number(String name) {
        return optionalNumber(name)
                .orElseThrow(() -> new ConfigurationException(name + " is not set"));
    }

    int number(String name, int otherwise) {
        return optionalNumber(name).orElse(otherwise);
    }

    Optional<Integer> optionalNumber(String name) {
        Optional<String> text = text(name);
        try {
            return text.map(Integer::parseInt);
        } catch (NumberFormatException e) {
            throw new ConfigurationException(
                    name + " is '" + text.orElse("") + "', but has to be a whole number");
        }
    }

    /** Returns the number that the first of some variables holds. */
    Optional<Integer> firstNumber(String... names) {
        for (String name : names) {
            Optional<Integer> number = optionalNumber(name);
            if (number.isPresent()) {
                return number;
            }
        }
        return Optional.empty();
    }

    int port() {
        return number("MASTER_PORT", ProcessPlace.DEFAULT_PORT);
    }

    String job() {
        return text("TORCHELASTIC_RUN_ID").orElse("default");
    }

    int generation() {
        return firstNumber(Launcher.GENERATION_VARIABLE, "TORCHELASTIC_RESTART_COUNT").orElse(0);
    }

    /** Writes {@code A is 1, B is 2} of those that are set. */
    String show(String... names) {
        return String.join(
                ", ",
                List.of(names).stream()
                        .filter(this::has)
                        .map(name -> name + " is " + text(name).orElse(""))
                        .toList());
    }
}
