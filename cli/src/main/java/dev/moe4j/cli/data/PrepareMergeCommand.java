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

/** {@code moe4j prepare merge}: merges the shards that several machines prepared. */
@Command(
        name = "merge",
        description = {
            "Merge the folders that `prepare --shard 1/N` to `--shard N/N` wrote.",
            "Verifies the checksums first. The result is identical, byte for byte, to a single run without "
                    + "--shard."
        })
final class PrepareMergeCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(arity = "1..*", paramLabel = "DIR", description = "The folders of all N parts, in any order.")
    private List<Path> folders;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "The folder to write.")
    private Path out;

    @Option(names = "--overwrite", description = "Replace prepared data in the folder. Deletes nothing else.")
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
