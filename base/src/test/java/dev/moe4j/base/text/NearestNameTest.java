package dev.moe4j.base.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NearestNameTest {
    @ParameterizedTest
    @CsvSource({
        "trian, train", // swapped
        "quikstart, quickstart", // missing
        "traiin, train", // doubled
        "doktor, doctor", // replaced
        "serve, serve",
        "xyz,", // nothing near
        "'',"
    })
    void findsWhatWasMeant(String word, String name) {
        List<String> names = List.of("train", "quickstart", "doctor", "eval", "serve");

        List<String> nearest = NearestName.names(word, names, 1);
        assertThat(nearest.isEmpty() ? null : nearest.getFirst()).isEqualTo(name);
    }
}
