package dev.moe4j.report.pair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;

import dev.moe4j.eval.perplexity.HtmlEscaper;
import dev.moe4j.report.SampleReport;
import dev.moe4j.report.page.Page;
import dev.moe4j.report.statistics.LayerLoad;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ReportTest {
    private static final String HOSTILE =
            "</script><script>document.title='broken out'</script>\u2028 & \"{{data}}\" '<b>";

    @Test
    void isSelfContained() {
        String html = Report.html(SampleReport.of(32, 2));

        // The browser must fetch nothing. URLs occur only in the library's licence and header comment.
        assertThat(html).doesNotContainPattern("(?i)<(script|img|iframe|link)[^>]*(src|href)\\s*=\\s*[\"']?+(?!data:)");
        assertThat(html).doesNotContainPattern("(?i)@import|url\\(");
        assertThat(html).contains("default-src 'none'");
        assertThat(html).contains("/*! https://github.com/leeoniya/uPlot", "The MIT License", "Leon Sorokin");
        assertThat(html).doesNotContainPattern("\\{\\{[a-z-]+}}");
    }

    @Test
    void carriesTheResult() {
        ReportData data = SampleReport.of(32, 2);
        String html = Report.html(data);
        JsonNode json = embedded(html);

        String heading = html.substring(html.indexOf("<h1>"), html.indexOf("</h1>"));
        assertThat(heading.replaceAll("<[^>]*>", "")).isEqualTo(HtmlEscaper.escape(data.sentence()));
        assertThat(json.get("speedups").size()).isEqualTo(4);
        assertThat(json.at("/speedups/0/verdict").asString()).isEqualTo("UNDECIDED_ONE_SEED");
        assertThat(json.at("/speedups/0/reading/factor").asDouble())
                .isCloseTo(data.speedups().getFirst().factor().orElseThrow(), offset(1e-6));
        assertThat(json.at("/moe/load/1/shares").size()).isEqualTo(32);
        assertThat(json.at("/dense/curves/0/loss").size()).isEqualTo(24);
        assertThat(json.at("/dense/trainingLoss/x").size()).isBetween(200, 400);
        assertThat(html.length()).as("size in characters").isLessThan(300_000);
    }

    @Test
    void textCannotEscapeItsElement() {
        String html = Report.html(SampleReport.of(HOSTILE, HOSTILE, 8, 1));

        assertThat(html).doesNotContain("<script>document.title", "</script><script>document");
        assertThat(html.split("</script>", -1)).as("script ends").hasSize(5);
        assertThat(embedded(html).at("/dense/name").asString()).isEqualTo(HOSTILE);
        assertThat(html).contains("&lt;/script&gt;&lt;script&gt;document.title=&#39;broken out&#39;");
    }

    @Test
    void insertedValuesAreNotSearchedForPlaceholders() {
        assertThat(Page.fill("{{a}} {{b}}", Map.of("a", "{{b}} $1 \\", "b", "x")))
                .isEqualTo("{{b}} $1 \\ x");
        assertThatThrownBy(() -> Page.fill("{{c}}", Map.of())).hasMessageContaining("{{c}}");
    }

    @Test
    void replacesAnOlderPageAndLeavesNothingElse(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("report.html");
        Files.writeString(file, "older");

        Report.write(SampleReport.of(8, 1), file);

        assertThat(file).content().startsWith("<!doctype html>").endsWith("</html>\n");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void aFailedWriteLeavesTheOlderPage(@TempDir Path folder) throws IOException {
        Path occupied = Files.createDirectory(folder.resolve("report.html"));
        Files.writeString(occupied.resolve("file"), "older");

        assertThatThrownBy(() -> Report.write(SampleReport.of(8, 1), occupied)).isInstanceOf(IOException.class);

        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(occupied);
        }
        assertThatThrownBy(() -> Report.write(SampleReport.of(8, 1), folder.resolve("missing/report.html")))
                .isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void missingMeasurementsAreHandled() {
        assertThat(ReportJson.thinned(Series.empty()).points()).isEmpty();
        RunSummary run = SampleReport.of(8, 1).moe();
        assertThat(run.expertLoad().getFirst().shares()).hasSize(8);
        assertThatThrownBy(() -> LayerLoad.of(1, new double[] {0, 0})).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Series.of(new double[] {1, 1}, new double[] {1, 1}))
                .hasMessageContaining("forward");
    }

    static JsonNode embedded(String html) {
        Matcher matcher = Pattern.compile(
                        "<script type=\"application/json\" id=\"report-data\">(.*?)</script>", Pattern.DOTALL)
                .matcher(html);
        assertThat(matcher.find()).isTrue();
        return new JsonMapper().readTree(matcher.group(1));
    }
}
