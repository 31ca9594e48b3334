package dev.moe4j.study;

import dev.moe4j.base.machine.Processors;
import dev.moe4j.study.ladder.Ladder;
import dev.moe4j.study.ladder.StudyPlan;
import dev.moe4j.study.steps.EnergyMeter;
import dev.moe4j.study.steps.RunningStep;
import dev.moe4j.study.steps.Step;
import dev.moe4j.study.steps.StepRates;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.study.steps.StudyFolder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs a ladder's steps, each as a process of its own: those that are missing, as many side by side as there are places.
 * What is finished is never done again, whichever ladder asked for it. However this process ends, its children end with
 * it, and the same command goes on from their checkpoints and finished parts.
 */
public final class Study {

    private static final Duration TICK = Duration.ofMillis(200);

    private final Settings settings;
    private final Consumer<String> log;
    private final Consumer<Progress> progress;

    /**
     * What a user decides.
     *
     * @param ladder the YAML file
     * @param data folder that the ladder's paths are relative to
     * @param out the study's folder
     * @param parallel steps side by side; null for the processors, divided by the ladder's threads, or one on a GPU
     * @param program what starts {@code moe4j} as a process
     * @param environment of the processes, over this one's
     */
    public record Settings(
            Path ladder,
            Path data,
            Path out,
            @Nullable Integer parallel,
            List<String> program,
            Map<String, String> environment) {}

    /**
     * How far a study is.
     *
     * @param left as far as it can be told from steps of the kinds that have run; null where none has
     */
    public record Progress(
            int finished,
            int total,
            List<Running> running,
            @Nullable Duration left) {}

    /**
     * A step that runs.
     *
     * @param share done, from 0 to 1; NaN where it is not known
     * @param text what it says of itself
     * @param left by what it has done since it was started; null where that is not known
     */
    public record Running(
            String title,
            double share,
            String text,
            @Nullable Duration left) {}

    /**
     * What a study leaves.
     *
     * @param steps that the ladder asks for
     * @param ran of these now
     * @param reused of these that were finished before
     * @param missing of these that still are
     */
    public record Result(Path folder, int steps, int ran, int reused, int missing, double seconds) {}

    /** A step as the ladder asks for it. */
    public record Listed(String name, String title, boolean finished) {}

    public Study(Settings settings, Consumer<String> log, Consumer<Progress> progress) {
        this.settings = settings;
        this.log = log;
        this.progress = progress;
    }

    /** The steps, without running any. */
    public List<Listed> list() {
        return plan(Ladder.read(settings.ladder())).steps().stream()
                .map(step -> new Listed(
                        step.name(),
                        step.title(),
                        StudyFolder.result(step.folder()).isPresent()))
                .toList();
    }

    private StudyPlan plan(Ladder ladder) {
        return StudyPlan.of(ladder, settings.ladder(), settings.data(), settings.out());
    }

    // Two runs on one GPU would share its time and its memory.
    private static int placesFor(Ladder ladder) {
        return ladder.onProcessors() ? Math.max(1, Processors.cores() / ladder.threads()) : 1;
    }

    /**
     * Runs what is missing.
     *
     * @param stop asked all the time; where true, the running steps are asked to end
     * @throws StudyException if a step fails; the others run nevertheless
     */
    public Result run(BooleanSupplier stop) {
        long began = System.nanoTime();
        Ladder ladder = Ladder.read(settings.ladder());
        StudyPlan plan = plan(ladder);
        try (StudyFolder folder = StudyFolder.lock(settings.out())) {
            folder.writeIndex(plan.index(machine(ladder)));
            int places = settings.parallel() != null ? settings.parallel() : placesFor(ladder);
            Execution execution = new Execution(folder, plan.steps(), ladder, places);
            int reused = execution.finished.size();
            log.accept("%d steps, of which %d are finished; %d side by side, %d thread(s) each"
                    .formatted(plan.steps().size(), reused, places, ladder.threads()));
            execution.run(stop);
            if (!execution.failures.isEmpty()) {
                throw new StudyException(execution.failures.size() + " of the study's steps failed, first: "
                        + execution.failures.getFirst());
            }
            return new Result(
                    settings.out(),
                    plan.steps().size(),
                    execution.finished.size() - reused,
                    reused,
                    plan.steps().size() - execution.finished.size(),
                    (System.nanoTime() - began) / 1e9);
        }
    }

    private static String machine(Ladder ladder) {
        return "%s %s, %d cores, %d thread(s) for each run; Java %d"
                .formatted(
                        System.getProperty("os.name"),
                        System.getProperty("os.arch"),
                        Processors.cores(),
                        ladder.threads(),
                        Runtime.version().feature());
    }

    /** One go through the steps. */
    private final class Execution {
        private final StudyFolder folder;
        private final List<Step> steps;
        private final int places;
        private final Map<String, String> environment;
        private final Set<Step> finished = new LinkedHashSet<>();
        private final Set<Step> begun = new LinkedHashSet<>();
        private final List<RunningStep> running = new ArrayList<>();
        private final List<String> failures = new ArrayList<>();
        private final StepRates rates = new StepRates();
        private final EnergyMeter energy;

        Execution(StudyFolder folder, List<Step> steps, Ladder ladder, int places) {
            this.folder = folder;
            this.steps = steps;
            this.places = places;
            this.environment = new HashMap<>(settings.environment());
            environment.put("OMP_NUM_THREADS", Integer.toString(ladder.threads()));
            environment.put("OPENBLAS_NUM_THREADS", Integer.toString(ladder.threads()));
            this.energy = ladder.onProcessors() ? EnergyMeter.start() : EnergyMeter.none();
            for (Step step : steps) {
                StudyFolder.result(step.folder()).ifPresent(result -> {
                    finished.add(step);
                    rates.add(step, result.seconds());
                });
            }
        }

        void run(BooleanSupplier stop) {
            try {
                while (!stop.getAsBoolean() && (startMore() || !running.isEmpty())) {
                    TimeUnit.NANOSECONDS.sleep(TICK.toNanos());
                    meter();
                    reap(stop.getAsBoolean());
                    progress.accept(progressNow());
                }
                running.forEach(RunningStep::stop);
                while (!running.isEmpty()) {
                    TimeUnit.NANOSECONDS.sleep(TICK.toNanos());
                    running.removeIf(each -> !each.alive());
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new StudyException("the study was interrupted", e);
            } finally {
                running.forEach(RunningStep::kill);
            }
        }

        /** Fills free places with steps that can start; whether any step is running then. */
        private boolean startMore() {
            for (Step step : steps) {
                if (running.size() >= places) {
                    break;
                }
                if (!finished.contains(step) && !begun.contains(step) && finished.containsAll(step.needs())) {
                    begun.add(step);
                    folder.begin(step);
                    log.accept(step.title() + " (" + step.name() + ")");
                    running.add(RunningStep.start(step, settings.program(), environment));
                }
            }
            return !running.isEmpty();
        }

        /** Those side by side share what was drawn. */
        private void meter() {
            OptionalDouble joules = energy.joules();
            if (joules.isPresent()) {
                running.forEach(each -> each.addJoules(joules.getAsDouble() / running.size()));
            }
        }

        /**
         * Takes in steps that have ended.
         *
         * @param stopped whether they may have been ended by what ends the study, as Ctrl-C does, and not by themselves
         */
        private void reap(boolean stopped) {
            for (RunningStep each : List.copyOf(running)) {
                if (each.alive()) {
                    continue;
                }
                running.remove(each);
                Step step = each.step();
                if (each.code() == 0) {
                    StudyFolder.Result result = each.result();
                    folder.finish(step, result);
                    finished.add(step);
                    rates.add(step, result.seconds());
                    log.accept("finished: " + step.title());
                } else if (!stopped) {
                    String failure = "%s ended with exit code %d: %s; see %s"
                            .formatted(
                                    step.title(),
                                    each.code(),
                                    RunningStep.lastLine(RunningStep.log(step)),
                                    RunningStep.log(step));
                    failures.add(failure);
                    log.accept("failed: " + failure);
                }
            }
        }

        private Progress progressNow() {
            List<Running> lines = new ArrayList<>();
            for (RunningStep each : running) {
                lines.add(new Running(each.step().title(), each.share(), each.text(), each.left()));
            }
            List<Step> waiting = steps.stream()
                    .filter(step -> !finished.contains(step) && !begun.contains(step))
                    .toList();
            return new Progress(finished.size(), steps.size(), lines, rates.left(waiting, running, places));
        }
    }
}
