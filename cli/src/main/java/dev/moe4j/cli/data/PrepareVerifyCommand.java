package dev.moe4j.cli.data;

import dev.moe4j.console.output.Output;
import dev.moe4j.data.shard.Manifest;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code moe4j prepare verify}: the checksums of prepared data. */
@Command(name = "verify", description = "Compare the files of prepared data with the checksums in their manifest.")
final class PrepareVerifyCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(paramLabel = "DIR", description = "A folder that `prepare` has written.")
    private Path folder;

    PrepareVerifyCommand() {}

    /** What {@code --json} prints. */
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
                        "%s: %,d files of %,d bytes are as written%n", folder, verified.files(), verified.bytes()));
        return 0;
    }
}
