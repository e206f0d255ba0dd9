package org.yoloddp.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.testing.Golden;

class CFormatTest {

    @Test
    void printsWhatTheOriginalPrints() {
        JsonArray examples = Golden.json("results_csv.json").getAsJsonArray("examples_of_%20.5g");
        assertThat(examples).hasSize(17);
        for (JsonElement example : examples) {
            double value = Double.parseDouble(example.getAsJsonArray().get(0).getAsString());
            assertThat(CFormat.general(value, 20, 5))
                    .isEqualTo(example.getAsJsonArray().get(1).getAsString());
        }
    }

    @ParameterizedTest
    @CsvSource({
        // the exact binary value decides, and an exact half goes to the even digit
        "0.5,                  1, 0.5",
        "2.5,                  1, 2",
        "3.5,                  1, 4",
        "0.125,                2, 0.12",
        "1.005,                3, 1",
        "1.000049999999999,    5, 1",
        "1.00005,              5, 1.0001",
        "2.00005,              5, 2",
        // where the exponent form begins, after rounding
        "0.0001,               5, 0.0001",
        "0.000099999,          5, 9.9999e-05",
        "0.0000999999,         5, 0.0001",
        "99999.4,              5, 99999",
        "99999.6,              5, 1e+05",
        // exponents have two digits or more
        "1e100,                5, 1e+100",
        "-1.5e-300,            5, -1.5e-300",
        "4.9e-324,             5, 4.9407e-324",
        "-0.0,                 5, -0",
        "-Infinity,            5, -inf"
    })
    void roundsAsC(double value, int digits, String expected) {
        assertThat(CFormat.general(value, 0, digits)).isEqualTo(expected);
    }
}
