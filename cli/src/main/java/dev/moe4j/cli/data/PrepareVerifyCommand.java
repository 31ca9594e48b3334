package dev.moe4j.cli.data;

import dev.moe4j.console.output.Output;
import dev.moe4j.data.shard.Manifest;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code moe4j prepare verify}: verifies the checksums of prepared data. */
@Command(name = "verify", description = "Verify the files of prepared data against the checksums in their manifest.")
final class PrepareVerifyCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(paramLabel = "DIR", description = "A folder written by `prepare`.")
    private Path folder;

    PrepareVerifyCommand() {}

    /** The result that {@code --json} prints. */
    record Verified(Path folder, int files, long bytes) {}

    @Override
    public Integer call() {
        Manifest manifest = Manifest.read(folder);
        manifest.verify(folder);
        Verified verified = new Verified(
                folder,
                manifest.files().size(),
                manifest.files().stream().mapToLong(Manifest.Stored::bytes).sum());
        output.print(
                verified,
                text -> text.printf(
                        "%s: all checksums match (%,d files, %,d bytes)%n",
                        folder, verified.files(), verified.bytes()));
        return 0;
    }
}
