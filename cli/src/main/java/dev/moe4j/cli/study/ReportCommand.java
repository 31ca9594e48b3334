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

/** {@code moe4j report}: writes a page with the results of studies. */
@Command(
        name = "report",
        description = {
            "Write the results of studies as an HTML page, with the same numbers as JSON and CSV next to it.",
            "",
            "The page shows costs, perplexity against cost, task scores, bias, expert load by text, and a "
                    + "verdict with its limits. Speedup factors of mixtures over dense models follow the published "
                    + "rule, in FLOPs, time and energy. Nothing is extrapolated. See docs/studies/README.md for the "
                    + "meaning of the numbers."
        })
public final class ReportCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(arity = "0..*", paramLabel = "DIR", description = "Folders written by `study`.")
    private List<Path> folders = List.of();

    @Option(
            names = "--published",
            description = "Show the published study (Artetxe et al. 2021), alone or next to your own studies. With "
                    + "--json, `speedup` is then the published one, and your own are in `studies`.")
    private boolean published;

    @Option(
            names = "--out",
            paramLabel = "FILE.html",
            description = "The page to write (default: report.html in the first DIR, or in the current folder without "
                    + "one).")
    private @Nullable Path out;

    @Override
    public Integer call() {
        if (folders.isEmpty() && !published) {
            throw output.wrongUsage("give a study's folder, or --published");
        }
        new ReportRun(output, folders, published, out).run();
        return 0;
    }
}
