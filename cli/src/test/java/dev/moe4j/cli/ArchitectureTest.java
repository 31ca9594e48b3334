package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Holds all modules to the rules of {@link Architecture}, and shows on the rotten packages that each rule can fail. */
class ArchitectureTest {
    private static final String ROOT = "dev.moe4j";
    private static final String ROTTEN = "dev.moe4j.cli.rotten";

    private static final JavaClasses ALL = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages(ROOT);
    private static final JavaClasses ROTTEN_ONES = new ClassFileImporter().importPackages(ROTTEN);

    @Test
    void everyModuleOfTheBuildIsSeen() throws IOException {
        Set<String> built = Pattern.compile("<module>(.*)</module>")
                .matcher(Files.readString(Path.of("../pom.xml")))
                .results()
                .map((MatchResult m) -> ROOT + "." + m.group(1))
                .collect(Collectors.toCollection(TreeSet::new));

        assertThat(built).isNotEmpty();
        assertThat(packages(ALL)).isEqualTo(built);
    }

    @Test
    void arrowsPointDown() {
        Architecture.arrowsPointDown(ROOT).check(ALL);
        assertBrokenBy(Architecture.arrowsPointDown(ROTTEN), "data.KnowsTensor", "serve.Serve", "tensor.LooksUp");
    }

    @Test
    void onePackagePerModule() {
        Architecture.onePackagePerModule(ROOT).check(ALL);
        assertBrokenBy(
                Architecture.onePackagePerModule(ROTTEN),
                "attic.Forgotten",
                "model.deep.Nested",
                "model.deep.package-info");
    }

    @Test
    void libtorchStaysInTensor() {
        Architecture.libtorchStaysInTensor(ROOT).check(ALL);
        assertBrokenBy(Architecture.libtorchStaysInTensor(ROTTEN), "model.UsesLibtorch", "parallel.Computes");
    }

    @Test
    void noPointerCasts() {
        Architecture.noPointerCasts().check(ALL);
        assertBrokenBy(Architecture.noPointerCasts(), "tensor.Casts");
        assertThat(Architecture.noPointerCasts()
                        .evaluate(ROTTEN_ONES)
                        .getFailureReport()
                        .getDetails())
                .as("a call and a method reference")
                .hasSize(2);
    }

    @Test
    void timeIsMonotonic() {
        Architecture.timeIsMonotonic(ROOT).check(ALL);
        assertBrokenBy(Architecture.timeIsMonotonic(ROTTEN), "study.AsksTheClock");
    }

    @Test
    void renamesStayInBase() {
        Architecture.renamesStayInBase(ROOT).check(ALL);
        assertBrokenBy(Architecture.renamesStayInBase(ROTTEN), "data.Renames");
    }

    @Test
    void everyPackageIsNullMarked() {
        Architecture.everyPackageIsNullMarked().check(ALL);
        assertBrokenBy(Architecture.everyPackageIsNullMarked(), "attic.Forgotten");
    }

    /** Asserts that exactly these classes break a rule. */
    private static void assertBrokenBy(ArchRule rule, String... names) {
        assertThat(rule.evaluate(ROTTEN_ONES).getFailureReport().getDetails())
                .extracting(detail -> detail.substring(ROTTEN.length() + 1, detail.indexOf(':')))
                .containsOnly(names);
    }

    private static Set<String> packages(JavaClasses classes) {
        return classes.stream().map(JavaClass::getPackageName).collect(Collectors.toCollection(TreeSet::new));
    }
}
