package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Wants an otherwise idle machine, and a Python with the rival's packages. */
@Tag("rival")
class RivalBenchTest {

    private static final String PYTHON = "YOLODDP_PYTHON";

    private static String homeBefore = "";

    @BeforeAll
    static void useTheSourcesAsProgramFolder() {
        homeBefore = System.getProperty("yoloddp.home", "");
        System.setProperty("yoloddp.home", "src/main");
    }

    @AfterAll
    static void putBack() {
        System.setProperty("yoloddp.home", homeBefore);
    }

    @Test
    void stepIsFasterThanThatOfYoloV5AsShipped() {
        String python = System.getenv(PYTHON);
        assumeTrue(python != null, "set " + PYTHON + " to a Python with the rival's packages");
        Output output = new Output();
        int exitCode =
                output.run("bench", "step", "--rival=python", "--python=" + python, "--json");
        assertThat(exitCode).as(output.err()).isZero();
        JsonArray rows = new Gson().fromJson(output.out(), JsonObject.class).getAsJsonArray("rows");
        JsonElement shipped = rows.get(0);
        assertThat(shipped.getAsJsonObject().get("ratio").getAsDouble())
                .as(output.out())
                .isGreaterThanOrEqualTo(1.15);
    }
}
