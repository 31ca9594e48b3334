package dev.moe4j.cli.data;

import dev.moe4j.console.output.Output;
import dev.moe4j.data.prepare.ShardMerge;
import dev.moe4j.data.shard.Manifest;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code moe4j prepare merge}: the shares of several machines to one folder. */
@Command(
        name = "merge",
        description = {
            "Join the folders that `prepare --shard 1/N` to `--shard N/N` have written.",
            "The result is that of one run without --shard, byte for byte. Checksums are compared first."
        })
final class PrepareMergeCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(arity = "1..*", paramLabel = "DIR", description = "The folders of all parts, in any order.")
    private List<Path> folders;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "The folder to write.")
    private Path out;

    @Option(names = "--overwrite", description = "Replace prepared data in the folder, and nothing else.")
    private boolean overwrite;

    PrepareMergeCommand() {}

    @Override
    public Integer call() {
        long start = System.nanoTime();
        Manifest manifest = ShardMerge.merge(folders, out, overwrite);
        PrepareCommand.Prepared merged = PrepareCommand.summary(out, manifest, (System.nanoTime() - start) / 1e9);
        output.print(
                merged, text -> PrepareCommand.print(merged, merged.skipped().toString(), text));
        return 0;
    }
}
