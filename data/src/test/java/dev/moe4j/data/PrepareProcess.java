package dev.moe4j.data;

import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.Limits;
import dev.moe4j.text.source.OnError;
import dev.moe4j.text.source.TextFormat;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Runs a preparation in a separate process, which a test can kill or give little memory. */
final class PrepareProcess {
    private PrepareProcess() {}

    /** Starts one; its output goes to {@code log}. */
    static Process start(
            Path log,
            List<String> jvm,
            Path out,
            long shardBytes,
            OnError onError,
            DocumentBoundary splitting,
            Path... inputs)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvm);
        command.addAll(List.of("-XX:+UseSerialGC", "-cp", classPath()));
        command.addAll(List.of(
                PrepareProcess.class.getName(),
                out.toString(),
                Long.toString(shardBytes),
                onError.name(),
                splitting.name()));
        Arrays.stream(inputs).map(Path::toString).forEach(command::add);
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    /** Surefire may hide the class path in a jar; what it wanted is then in another property. */
    private static String classPath() {
        return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))
                .replace("\n", File.pathSeparator);
    }

    public static void main(String[] args) {
        List<Path> inputs = Arrays.stream(args).skip(4).map(Path::of).toList();
        TextInput input = TextInput.of(inputs)
                .format(TextFormat.AUTO)
                .onError(OnError.valueOf(args[2]))
                .splitting(DocumentBoundary.valueOf(args[3]))
                .limits(Limits.DEFAULT.documentBytes(1 << 20));
        try {
            Preparation.Result result = new Preparation(Tokenizer.of("bytes"), input, Path.of(args[0]))
                    .shardBytes(Long.parseLong(args[1]))
                    .threads(2)
                    .run();
            System.out.println("left out: " + result.skipped());
        } catch (DataException e) {
            System.out.println(e.getMessage());
            System.exit(1);
        }
    }
}
