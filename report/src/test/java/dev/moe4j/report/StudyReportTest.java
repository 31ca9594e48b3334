package dev.moe4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;

import dev.moe4j.report.ladder.StudyReport;
import dev.moe4j.report.ladder.StudyResults;
import dev.moe4j.report.ladder.StudyVerdict;
import dev.moe4j.report.statistics.ComparedGroup;
import dev.moe4j.report.statistics.CostMeasure;
import dev.moe4j.report.statistics.FamilySpeedup;
import dev.moe4j.report.statistics.ModelAtBudget;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.study.steps.StudyIndex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class StudyReportTest {

    @TempDir
    private Path folder;

    private StudyReport.Result report(int seeds, double noise) throws IOException {
        Path study = SampleStudy.write(folder.resolve("study"), seeds, noise, "");
        return StudyReport.write(List.of(study), false, folder.resolve("report.html"));
    }

    private static StudyReport.Factor factor(StudyReport.Result result, String figure, String cost) {
        return result.studies().getFirst().factors().stream()
                .filter(each -> each.figure().equals(figure) && each.cost().equals(cost))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void theFactorComparesTheFamilies() throws IOException {
        StudyReport.Result result = report(2, 0.01);

        // The true factor is constant. Between models, interpolation adds a small error.
        assertThat(factor(result, "in-domain", "FLOPs").factor()).isEqualTo(SampleStudy.GAIN, offset(0.01));
        assertThat(factor(result, "in-domain", "time").factor()).isEqualTo(SampleStudy.GAIN / 1.5, offset(0.01));
        assertThat(factor(result, "in-domain", "energy").factor()).isEqualTo(SampleStudy.GAIN / 1.5, offset(0.01));
        assertThat(factor(result, "in-domain", "FLOPs").low())
                .isLessThan(SampleStudy.GAIN)
                .isGreaterThan(1);
        assertThat(factor(result, "in-domain", "FLOPs").high()).isGreaterThan(SampleStudy.GAIN);
        assertThat(factor(result, "in-domain", "FLOPs").verdict()).isEqualTo("mixture_pays");
        assertThat(result.verdict()).startsWith("Mixtures pay in FLOPs: they reach in-domain perplexity");
        assertThat(result.source()).isEqualTo("study");
        assertThat(result.speedup().inDomain()).hasSizeGreaterThanOrEqualTo(100).allSatisfy(sample -> {
            assertThat(sample.speedup()).isEqualTo(SampleStudy.GAIN, offset(0.02));
            assertThat(sample.denseZettaflops()).isBetween(1e-9 * 1.9, 1e-9 * 8.1);
        });
    }

    /** An interval may be missing for a single cost, if the factor is often undefined for it. */
    @Test
    void theHeadlineHasTheAvailableIntervals() throws IOException {
        StudyResults results = StudyResults.read(List.of(SampleStudy.write(folder.resolve("study"), 2, 0.01, "")));

        assertThat(sentence(results)).contains("(95 % intervals over seeds 1.", " to 2.");
        assertThat(sentence(results, CostMeasure.SECONDS))
                .contains(
                        "Mixtures pay in FLOPs",
                        "undecided: no interval",
                        "(95 % interval over seeds 1.",
                        ", none in time; 8 models");
        assertThat(sentence(results, CostMeasure.FLOPS))
                .contains("undecided, as seeds differ too much", "(95 % interval over seeds in time ");
        assertThat(sentence(results, CostMeasure.FLOPS, CostMeasure.SECONDS)).contains("(no interval; 8 models");
    }

    private static String sentence(StudyResults results, CostMeasure... withoutInterval) {
        List<ComparedGroup> groups = ComparedGroup.of(results.trained()).stream()
                .map(group -> new ComparedGroup(
                        group.models(),
                        group.means().stream()
                                .map(mean -> List.of(withoutInterval).contains(mean.cost())
                                        ? new FamilySpeedup(
                                                mean.metric(),
                                                mean.cost(),
                                                mean.dense(),
                                                mean.moe(),
                                                mean.curve(),
                                                mean.target(),
                                                mean.denseCost(),
                                                mean.moeCost(),
                                                mean.seeds(),
                                                Optional.empty())
                                        : mean)
                                .toList(),
                        group.members()))
                .toList();
        return StudyVerdict.sentence(results, groups);
    }

    @Test
    void limitsExplainOneSeedAndAssumedEnergy() throws IOException {
        StudyReport.Result result = report(1, 0);

        assertThat(result.verdict())
                .contains(
                        "is undecided, as one seed shows no variation", "in time on this machine: undecided: one seed");
        assertThat(factor(result, "in-domain", "FLOPs"))
                .extracting(StudyReport.Factor::verdict, StudyReport.Factor::seeds, StudyReport.Factor::low)
                .containsExactly("undecided_one_seed", 1, null);
        assertThat(result.limits())
                .anyMatch(limit -> limit.contains("one seed only"))
                .noneMatch(limit -> limit.contains("±"));
        assertThat(result.limits()).anyMatch(limit -> limit.contains("10.0 W for each run, an assumption"));
        assertThat(result.limits()).anyMatch(limit -> limit.contains("zero-shot results are above chance"));
        assertThat(result.limits())
                .contains("Not all questions fit the models' contexts, at worst: cb, 2 of 302 questions left out,"
                        + " 3 prompts cut.");
    }

    @Test
    void evaluationTextsThatOverlapWithTheTrainingTextAreNamed() throws IOException {
        StudyReport.Result result = report(1, 0);

        assertThat(result.limits())
                .contains(
                        "Parts of evaluation texts occur in the training text, so perplexities on them are too low:"
                                + " news (3.4 %).",
                        "These evaluation texts were not checked for overlap with the training text: plays.");
        JsonNode texts =
                new JsonMapper().readTree(Files.readString(result.json())).at("/groups/0/texts");
        assertThat(texts.valueStream().map(text -> text.path("name").asString() + " " + text.path("training_overlap")))
                .containsExactlyInAnyOrder("news 0.034", "novels 4.0E-4", "law 0.0", "plays null");
        assertThat(Files.readString(result.csv())).contains(",in_domain,news,training_overlap,0.034,,");
        assertThat(Files.readString(result.report())).doesNotContain("unseen documents");
    }

    /** Studies from before the overlap check have no such step. */
    @Test
    void anOlderStudysTextsAreNotChecked() throws IOException {
        Path study = SampleStudy.write(folder.resolve("study"), 1, 0, "");
        Path index = study.resolve(StudyIndex.FILE);
        Files.writeString(index, Files.readString(index).replace("\"overlap\":\"overlap\",", ""));

        StudyReport.Result result = StudyReport.write(List.of(study), false, folder.resolve("report.html"));

        assertThat(result.limits())
                .contains("These evaluation texts were not checked for overlap with the training text:"
                        + " news, novels, law, plays.");
    }

    @Test
    void jsonAndCsvHoldEveryNumber() throws IOException {
        StudyReport.Result result = report(2, 0.01);

        JsonNode json = new JsonMapper().readTree(Files.readString(result.json()));
        JsonNode group = json.at("/groups/0");
        assertThat(group.path("rungs").size()).isEqualTo(8);
        assertThat(group.at("/rungs/0/seeds").size()).isEqualTo(2);
        assertThat(group.path("means").size()).isEqualTo(9);
        assertThat(group.path("texts").size()).isEqualTo(4);
        assertThat(group.at("/zero_shot/0/values").size()).isEqualTo(8);
        assertThat(group.at("/zero_shot/1/values/0/left_out").asInt()).isEqualTo(2);
        assertThat(group.at("/zero_shot/1/values/0/cut_prompts").asInt()).isEqualTo(3);
        assertThat(group.path("few_shot").size()).isZero();
        assertThat(group.path("fine_tuned").size()).isEqualTo(4 + 2 * 4);
        assertThat(group.at("/fine_tuned/0/name").asString()).isEqualTo("cb");
        assertThat(group.at("/fine_tuned/0/fine_tuned/mean").asDouble()).isEqualTo(0.6);
        assertThat(group.at("/fine_tuned/1/name").asString()).isEqualTo("cb");
        assertThat(group.at("/fine_tuned/2/name").asString()).isEqualTo("cb --freeze-experts");
        assertThat(group.at("/fine_tuned/2/fine_tuned/mean").asDouble()).isEqualTo(0.7);
        assertThat(group.at("/experts/0/layers/1/rows").size()).isEqualTo(4);
        List<String> csv = Files.readAllLines(result.csv());
        // Each of 16 runs has a training loss, three values for each of 4 texts, and three for each of 3 tasks: the
        // figure, questions left out, prompts cut. The first seeds are fine-tuned, the mixtures twice.
        assertThat(csv)
                .hasSize(1 + 16 * (1 + 4 * 3 + 3 * 3) + 4 + 2 * 4)
                .anyMatch(line -> line.contains(",fine_tuned,cb,accuracy,0.6,"))
                .anyMatch(line -> line.contains(",fine_tuned,cb --freeze-experts,accuracy,0.7,"));
        assertThat(csv).allMatch(line -> line.split(",", -1).length == 18);
    }

    @Test
    void unfinishedStepsAreOmittedAndCounted() throws IOException {
        Path study = SampleStudy.write(folder.resolve("study"), 1, 0, "");
        Files.delete(study.resolve("steps/train-3-8-1/result.json"));
        Files.delete(study.resolve("steps/zero-0-0-1/result.json"));

        StudyReport.Result result = StudyReport.write(List.of(study), true, folder.resolve("report.html"));

        assertThat(result.limits().getFirst()).startsWith("2 steps of the study are not finished");
        assertThat(result.source()).isEqualTo("published");
        assertThat(result.studies().getFirst().speedup().inDomain()).isNotEmpty();
    }

    /** The models of a study and of a copy with changed configurations. */
    private List<ModelAtBudget> withAnother(int seeds, double noise, String before, String after) throws IOException {
        Path study = SampleStudy.write(folder.resolve("study"), seeds, noise, "");
        Path other = SampleStudy.write(folder.resolve("other"), seeds, noise, "");
        Path index = other.resolve(StudyIndex.FILE);
        String json = Files.readString(index);
        assertThat(json).contains(before);
        Files.writeString(index, json.replace(before, after));
        return ModelAtBudget.of(StudyResults.read(List.of(study, other)).trained());
    }

    @Test
    void aRunInTwoStudiesCountsOnce() throws IOException {
        String withoutEffect = "  width: 64\\nlog:\\n  every: 7\\nseed: 3\\ncheckpoint:\\n  every: 9\\n";
        assertThat(withAnother(2, 0.01, "  width: 64\\n", withoutEffect))
                .hasSize(8)
                .allSatisfy(model -> assertThat(model.seeds()).hasSize(2));
    }

    @Test
    void modelsOfOneNameWithDifferentConfigurationsAreSeparate() throws IOException {
        assertThat(withAnother(1, 0, "width: 64", "width: 96"))
                .hasSize(16)
                .allSatisfy(model -> assertThat(model.seeds()).hasSize(1));
    }

    @Test
    void aSingleFamilyHasNoFactor() throws IOException {
        Path study = SampleStudy.write(folder.resolve("study"), 1, 0, "");
        for (int size = 0; size < 4; size++) {
            Files.delete(study.resolve("steps/train-" + size + "-8-1/result.json"));
        }

        StudyReport.Result result = StudyReport.write(List.of(study), false, folder.resolve("report.html"));

        assertThat(result.verdict()).contains("No verdict on whether mixtures pay", "nothing is extrapolated");
        assertThat(result.speedup().inDomain()).isEmpty();
    }

    @Test
    void aReportThatWouldReplaceStudyJsonIsRejected() throws IOException {
        Path study = SampleStudy.write(folder.resolve("study"), 1, 0, "");
        String index = Files.readString(study.resolve(StudyIndex.FILE));

        assertThatThrownBy(() -> StudyReport.write(List.of(study), false, study.resolve("study.html")))
                .isInstanceOf(StudyException.class)
                .hasMessageContainingAll("study.html", "would replace", "study.json", "give --out another name");

        assertThat(study.resolve(StudyIndex.FILE)).hasContent(index);
        assertThat(study.resolve("study.html")).doesNotExist();
        StudyReport.Result elsewhere = StudyReport.write(List.of(study), false, folder.resolve("study.html"));
        assertThat(elsewhere.json()).isEqualTo(folder.resolve("study.json")).exists();
    }

    @Test
    void aFolderWithoutAStudyIsRejected() {
        assertThatThrownBy(() -> StudyReport.write(List.of(folder), false, folder.resolve("report.html")))
                .isInstanceOf(StudyException.class)
                .hasMessageContaining("study.json");
        assertThatThrownBy(() -> StudyReport.write(List.of(), false, folder.resolve("report.html")))
                .hasMessageContaining("--published");
    }
}
