package dev.moe4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.report.ladder.StudyReport;
import dev.moe4j.report.pair.PairSpeedup;
import dev.moe4j.report.pair.Report;
import dev.moe4j.report.pair.ReportData;
import dev.moe4j.report.pair.RunSummary;
import dev.moe4j.report.pair.Series;
import dev.moe4j.report.statistics.LearningCurve;
import dev.moe4j.report.statistics.Verdict;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Renders the pages in the system's Chromium. Skipped if there is none. */
class ReportBrowserTest {
    private static final int CHARTS = 2 * 2 + 3;

    /** The pages are kept here for inspection. */
    private static final Path PAGES = Path.of("target", "pages");

    @TempDir
    Path folder;

    @Test
    void drawsEverything() throws Exception {
        String page = render("experts32", SampleReport.of(32, 2));

        assertDrawn(page);
        assertThat(count(page, "<canvas")).isEqualTo(CHARTS);
        assertThat(count(page, "class=\"uplot")).isEqualTo(CHARTS);
        assertThat(count(page, "class=\"cell ")).isEqualTo(2 * 32);
        assertThat(count(page, "class=\"value\"")).isEqualTo(6);
        assertThat(page)
                .contains(
                        "Block 1, expert 17: ",
                        "undecided: one seed",
                        "3.1 %",
                        "not checked",
                        "Exact configuration: 32 experts, top-2");
    }

    @Test
    void drawsManyExpertsAndHostileNames() throws Exception {
        String name = "</script><script>document.documentElement.id='broken'</script><img src=x onerror=alert(1)>";
        String page = render("experts128", SampleReport.of(name, name, 128, 6));

        assertDrawn(page);
        assertThat(count(page, "class=\"cell ")).isEqualTo(6 * 128);
        assertThat(page).doesNotContain("id=\"broken\"", "<img");
        assertThat(page).contains("Exact configuration: &lt;/script&gt;");
    }

    @Test
    void drawsCurvesThatGiveNoFactor() throws Exception {
        ReportData whole = SampleReport.of(8, 1);
        SequencedMap<String, LearningCurve> ends = new LinkedHashMap<>();
        whole.moe().curves().forEach((domain, curve) -> ends.put(domain, new LearningCurve(List.of(curve.last()))));
        List<PairSpeedup> speedups = PairSpeedup.compareAll(whole.dense().curves(), ends);
        assertThat(speedups).extracting(PairSpeedup::verdict).contains(Verdict.NOT_REACHED);

        String page = render("not-reached", SampleReport.with(whole, ends, speedups));

        assertDrawn(page);
        assertThat(count(page, "<canvas")).isEqualTo(CHARTS);
        assertThat(page).contains("not reached", "This run does not show whether the mixture pays");
    }

    @Test
    void drawsAnEmptyReport() throws Exception {
        RunSummary run = new RunSummary(
                "empty",
                "",
                1,
                1,
                1,
                0,
                1,
                1,
                Double.NaN,
                new LinkedHashMap<>(),
                Series.empty(),
                new LinkedHashMap<>(),
                Series.empty(),
                Series.empty(),
                List.of());
        String page = render(
                "empty",
                new ReportData(
                        "Nothing",
                        Instant.EPOCH,
                        "",
                        "Nothing was measured.",
                        "bytes",
                        256,
                        new ReportData.TextData(List.of(), "", List.of()),
                        run,
                        run,
                        List.of()));

        assertDrawn(page);
        assertThat(page).contains("Not measured in this run.");
    }

    @Test
    void drawsAStudyWithThePublishedOne() throws Exception {
        String hostile = "<img src=x onerror=alert(1)>";
        Path study = SampleStudy.write(folder.resolve("study"), 2, 0.01, hostile);
        Path file = Files.createDirectories(PAGES).resolve("study.html");
        StudyReport.write(List.of(study), true, file);

        String page = draw(file);

        assertDrawn(page);
        // Three metrics by two costs, three charts of factors (FLOPs, time, published), and three of the published
        // study. Assumed energy is not drawn.
        assertThat(count(page, "<canvas")).isEqualTo(6 + 3 + 3);
        // Four mixtures, each with two layers, four texts and eight experts.
        assertThat(count(page, "class=\"cell ")).isEqualTo(4 * 2 * 4 * 8);
        assertThat(page)
                .contains("Energy (assumed)", "2 left out, 3 cut", "3.4 %", "not checked")
                .doesNotContain("against training energy", "This study, energy");
        assertThat(page).contains("Fine-tuned against zero-shot", "Mixtures pay in FLOPs", "1.1T", "mixture pays");
        assertThat(page).doesNotContain("<img");
    }

    private static void assertDrawn(String page) {
        String root = page.substring(page.indexOf("<html"), page.indexOf('>', page.indexOf("<html")) + 1);
        assertThat(root).doesNotContain("data-error").contains("data-ready");
        assertThat(page).doesNotContain("[object", "undefined", "NaN", "Infinity");
    }

    private String render(String name, ReportData data) throws IOException, InterruptedException {
        Path file = Files.createDirectories(PAGES).resolve(name + ".html");
        Report.write(data, file);
        return draw(file);
    }

    private String draw(Path file) throws IOException, InterruptedException {
        Optional<String> browser = browser();
        assumeTrue(browser.isPresent(), "no Chromium on this machine, so the page cannot be rendered");
        Path dom = folder.resolve("dom.html");
        Process process = new ProcessBuilder(
                        browser.get(),
                        "--headless",
                        "--no-sandbox",
                        "--disable-gpu",
                        "--disable-background-networking",
                        "--no-first-run",
                        "--user-data-dir=" + Files.createTempDirectory(folder, "profile"),
                        "--virtual-time-budget=10000",
                        "--dump-dom",
                        file.toAbsolutePath().toUri().toString())
                .redirectOutput(dom.toFile())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        if (!process.waitFor(90, TimeUnit.SECONDS)) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly().waitFor();
            throw new AssertionError("The browser did not render the report within 90 seconds");
        }
        String page = Files.readString(dom);
        assertThat(page).as("output of the browser").startsWith("<!DOCTYPE html>");
        // The scripts contain the same class names, so only the rendered elements are kept.
        return Pattern.compile("<script.*?</script>|<style>.*?</style>", Pattern.DOTALL)
                .matcher(page)
                .replaceAll("");
    }

    private static Optional<String> browser() {
        String path = Optional.ofNullable(System.getenv("PATH")).orElse("/usr/bin");
        return Stream.of("chromium", "chromium-browser", "google-chrome")
                .flatMap(name -> Stream.of(path.split(File.pathSeparator)).map(folder -> Path.of(folder, name)))
                .filter(Files::isExecutable)
                .map(Path::toString)
                .findFirst();
    }

    private static int count(String text, String part) {
        return text.split(Pattern.quote(part), -1).length - 1;
    }
}
