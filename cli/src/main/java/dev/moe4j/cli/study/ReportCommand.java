package dev.moe4j.cli.study;

import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code report}: what studies show. */
@Command(
        name = "report",
        description = {
            "Write what studies have measured so far as one HTML page, with the same numbers as JSON and CSV beside it.",
            "",
            "Costs, perplexity against cost, speedup factors of mixtures over dense models by the published rule in FLOPs, "
                    + "time and energy, tasks, bias, experts by text, and a verdict with its limits. Nothing is "
                    + "extrapolated. docs/studies/README.md says what the numbers mean."
        })
public final class ReportCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(arity = "0..*", paramLabel = "DIR", description = "Folders that `study` wrote.")
    private List<Path> folders = List.of();

    @Option(
            names = "--published",
            description = "Show the published study (Artetxe et al. 2021), alone or beside one's own; with --json "
                    + "`speedup` is then the published one, and `studies` has one's own.")
    private boolean published;

    @Option(
            names = "--out",
            paramLabel = "FILE.html",
            description = "The page (default: report.html in the first DIR, or here without one).")
    private @Nullable Path out;

    @Override
    public Integer call() {
        if (folders.isEmpty() && !published) {
            throw output.wrongUsage("name a study's folder, or give --published");
        }
        new ReportRun(output, folders, published, out).run();
        return 0;
    }
}
