package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Checks the rules of {@link Architecture} on all modules, and that the fixture packages break each rule. */
class ArchitectureTest {
    private static final String ROOT = "dev.moe4j";
    private static final String FIXTURES = "dev.moe4j.cli.fixture";
    private static final int MAX_FILES = 25;

    private static final JavaClasses ALL = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages(ROOT);
    private static final JavaClasses FIXTURE_CLASSES = new ClassFileImporter().importPackages(FIXTURES);

    @Test
    void everyModuleOfTheBuildIsChecked() throws IOException {
        List<String> built = Pattern.compile("<module>(.*)</module>")
                .matcher(Files.readString(Path.of("../pom.xml")))
                .results()
                .map((MatchResult m) -> m.group(1))
                .toList();

        assertThat(built).isNotEmpty().containsExactlyInAnyOrderElementsOf(Architecture.MODULES.keySet());
        assertThat(ALL.stream().map(type -> type.getPackageName().split("\\.", -1)[2]))
                .containsAll(built);
    }

    @Test
    void modulesPointDown() {
        Architecture.modulesPointDown(ROOT).check(ALL);
        assertBrokenBy(Architecture.modulesPointDown(FIXTURES), "data.KnowsTensor", "serve.Serve", "tensor.LooksUp");
    }

    @Test
    void packagesFormNoCycle() {
        assertThat(Architecture.packagesInCycles(ROOT, ALL)).isEmpty();
        assertThat(Architecture.packagesInCycles(FIXTURES, FIXTURE_CLASSES))
                .containsExactly("model", "model.egg", "model.hen", "tensor");
    }

    @Test
    void packagesLieInModules() {
        Architecture.packagesLieInModules(ROOT).check(ALL);
        assertBrokenBy(
                Architecture.packagesLieInModules(FIXTURES),
                "attic.Forgotten",
                "model.deep.deeper.Nested",
                "model.deep.deeper.package-info");
    }

    @Test
    void internalPackagesStayInternal() {
        Architecture.internalPackagesStayInternal(ROOT).check(ALL);
        assertBrokenBy(Architecture.internalPackagesStayInternal(FIXTURES), "serve.UsesInternal");
    }

    @Test
    void libtorchStaysInTensor() {
        Architecture.libtorchStaysInTensor(ROOT).check(ALL);
        assertBrokenBy(Architecture.libtorchStaysInTensor(FIXTURES), "model.UsesLibtorch", "parallel.Computes");
    }

    @Test
    void noPointerCasts() {
        Architecture.noPointerCasts().check(ALL);
        assertBrokenBy(Architecture.noPointerCasts(), "tensor.Casts");
        assertThat(Architecture.noPointerCasts()
                        .evaluate(FIXTURE_CLASSES)
                        .getFailureReport()
                        .getDetails())
                .as("a call and a method reference")
                .hasSize(2);
    }

    @Test
    void timeIsMonotonic() {
        Architecture.timeIsMonotonic(ROOT).check(ALL);
        assertBrokenBy(Architecture.timeIsMonotonic(FIXTURES), "study.AsksTheClock");
    }

    @Test
    void renamesStayInBase() {
        Architecture.renamesStayInBase(ROOT).check(ALL);
        assertBrokenBy(Architecture.renamesStayInBase(FIXTURES), "data.Renames");
    }

    @Test
    void everyPackageIsNullMarked() {
        Architecture.everyPackageIsNullMarked().check(ALL);
        assertBrokenBy(Architecture.everyPackageIsNullMarked(), "attic.Forgotten");
    }

    @Test
    void oneNameMeansOneType() {
        assertThat(Architecture.sharedNames(ALL)).isEmpty();
        assertThat(Architecture.sharedNames(FIXTURE_CLASSES))
                .isEqualTo(Map.of("Twin", Set.of(FIXTURES + ".model.egg", FIXTURES + ".model.hen")));
    }

    @Test
    void foldersStaySmall() throws IOException {
        Map<String, Long> files = new TreeMap<>();
        for (String module : Architecture.MODULES.keySet()) {
            try (Stream<Path> folders = Files.walk(Path.of("..", module, "src/main/java"))) {
                folders.filter(Files::isDirectory).forEach(folder -> files.put(folder.toString(), sources(folder)));
            }
        }

        assertThat(files).hasSizeGreaterThan(Architecture.MODULES.size());
        files.values().removeIf(count -> count <= MAX_FILES);
        assertThat(files).as("folders of more than " + MAX_FILES + " files").isEmpty();
    }

    @Test
    void theArchitecturePageNamesClassesThatExist() throws IOException {
        Set<String> named = Pattern.compile("`((?:[a-z]\\w*\\.)+[A-Z]\\w*)`")
                .matcher(Files.readString(Path.of("../docs/architecture.md")))
                .results()
                .map(match -> ROOT + "." + match.group(1))
                .collect(Collectors.toSet());

        assertThat(named).hasSizeGreaterThan(20);
        assertThat(ALL.stream().map(JavaClass::getName)).containsAll(named);
    }

    private static long sources(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".java") && !file.endsWith("package-info.java"))
                    .count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Asserts that exactly these fixture classes break a rule. */
    private static void assertBrokenBy(ArchRule rule, String... names) {
        assertThat(rule.evaluate(FIXTURE_CLASSES).getFailureReport().getDetails())
                .extracting(detail -> detail.substring(FIXTURES.length() + 1, detail.indexOf(':')))
                .containsOnly(names);
    }
}
