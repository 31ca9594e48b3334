package dev.moe4j.cli.data;

import dev.moe4j.console.output.Output;
import dev.moe4j.data.prepare.Adoption;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code moe4j prepare adopt}: writes a manifest for shards of another program. */
@Command(
        name = "adopt",
        description = {
            "Create prepared data from .bin and .idx files that fairseq or Megatron wrote.",
            "Checks the files and their token ids, and writes a manifest next to them. The files are not "
                    + "changed. Files named valid* become the split `valid`, files named test* are ignored, all "
                    + "others become the split `train`."
        })
final class PrepareAdoptCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--tokenizer",
            paramLabel = "NAME",
            required = true,
            description = "The tokenizer that produced the token ids: gpt2, gpt2:N, bytes, or the path of a "
                    + "tokenizer.json.")
    private String tokenizer;

    @Parameters(paramLabel = "DIR", description = "The folder that holds the files.")
    private Path folder;

    PrepareAdoptCommand() {}

    /** The result that {@code --json} prints. */
    record Adopted(Path folder, String tokenizer, long documents, long tokens, long textBytes) {}

    @Override
    public Integer call() {
        Manifest manifest = Adoption.adopt(Tokenizer.of(tokenizer), folder);
        long documents = 0;
        long tokens = 0;
        long bytes = 0;
        for (Manifest.Split split : manifest.splits().values()) {
            documents += split.documents();
            tokens += split.tokens();
            bytes += split.textBytes();
        }
        Adopted adopted = new Adopted(folder, manifest.tokenizer().spec(), documents, tokens, bytes);
        output.print(
                adopted,
                text -> text.printf(
                        "%s: %,d documents, %,d tokens, %,d bytes of text%n",
                        folder, adopted.documents(), adopted.tokens(), adopted.textBytes()));
        return 0;
    }
}
