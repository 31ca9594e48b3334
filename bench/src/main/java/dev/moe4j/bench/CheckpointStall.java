package dev.moe4j.bench;

import dev.moe4j.model.checkpoint.CheckpointReader;
import dev.moe4j.tensor.Device;
import dev.moe4j.train.TrainingRun;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.metrics.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.stream.Stream;

/**
 * Measures the cost of checkpoints: the extra time of steps during which a checkpoint is copied or written, as a share of
 * the total time. Steps of the same process without a checkpoint are the reference.
 */
public final class CheckpointStall {

    /** Largest allowed share of the time at one checkpoint per hundred steps. */
    public static final double BOUND = 0.02;

    /** Steps that are not counted, because libraries warm up. */
    public static final int WARM_UP = 5;

    private final RunConfig config;
    private final SampleText text;
    private final int every;

    /**
     * The measurements.
     *
     * @param bytes size of one checkpoint
     * @param touchedSteps number of steps during which a checkpoint was copied or written
     * @param freeStepSeconds mean time of the other steps
     * @param stallSeconds extra time of the touched steps over the same number of free steps
     * @param share {@code stallSeconds} as a share of the time of all steps
     */
    public record Result(
            int checkpoints, long bytes, int touchedSteps, double freeStepSeconds, double stallSeconds, double share) {

        public boolean holds() {
            return share < BOUND;
        }
    }

    private record Step(double seconds, boolean touched) {}

    /**
     * A benchmark of one preset.
     *
     * @param every steps between two checkpoints
     */
    public CheckpointStall(String preset, int every, SampleText text) {
        int vocabulary = RunConfig.preset(preset).architecture().model().vocabulary();
        this.config = RunConfig.read(
                preset, List.of("checkpoint.every=" + every, "checkpoint.keep=1", "model.vocabulary=" + vocabulary));
        this.text = text;
        this.every = every;
    }

    /** The number of steps. Some follow the last checkpoint, so that its writing is measured to the end. */
    public static long steps(int every, int checkpoints) {
        return (long) every * checkpoints + every / 2;
    }

    /**
     * Trains in a folder, which becomes a run's folder.
     *
     * @param checkpoints number of checkpoints, enough for more than {@link #WARM_UP} {@linkplain #steps steps}
     */
    public Result run(Path folder, int checkpoints, LongConsumer progress) {
        List<Step> steps = new ArrayList<>();
        long[] last = {System.nanoTime()};
        boolean[] writing = new boolean[1];
        long count = steps(every, checkpoints);
        TrainingRun.Outcome outcome = new TrainingRun(config, text.shards(), folder, count, Device.CPU)
                .listen(TrainingListener.ofSteps(step -> {
                    long now = System.nanoTime();
                    long number = step.result().step();
                    // A checkpoint is saved after its step was reported, so it falls into the next step's time.
                    boolean saved = number > 1 && (number - 1) % every == 0;
                    boolean stillWriting = isWriting(folder);
                    steps.add(new Step((now - last[0]) / 1e9, saved || writing[0] || stillWriting));
                    writing[0] = stillWriting;
                    last[0] = System.nanoTime();
                    progress.accept(number);
                }))
                .run();
        return result(steps.subList(WARM_UP, steps.size()), checkpoints, bytes(outcome.checkpoint()));
    }

    private static Result result(List<Step> steps, int checkpoints, long bytes) {
        double free = steps.stream()
                .filter(step -> !step.touched())
                .mapToDouble(Step::seconds)
                .average()
                .orElseThrow(() -> new BenchException(
                        "no step ran without a checkpoint being written: give a larger --every, or a faster disk"));
        int touched = (int) steps.stream().filter(Step::touched).count();
        double stall =
                steps.stream().filter(Step::touched).mapToDouble(Step::seconds).sum() - touched * free;
        double total = steps.stream().mapToDouble(Step::seconds).sum();
        return new Result(checkpoints, bytes, touched, free, stall, stall / total);
    }

    private static boolean isWriting(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.anyMatch(file -> file.getFileName().toString().endsWith(".tmp"));
        } catch (IOException e) {
            throw new BenchException("cannot read " + folder + ": " + e.getMessage(), e);
        }
    }

    private static long bytes(Path checkpoint) {
        try (CheckpointReader _ = CheckpointReader.open(checkpoint);
                Stream<Path> files = Files.list(checkpoint)) {
            long sum = 0;
            for (Path file : files.toList()) {
                sum += Files.size(file);
            }
            return sum;
        } catch (IOException e) {
            throw new BenchException("cannot read " + checkpoint + ": " + e.getMessage(), e);
        }
    }
}
