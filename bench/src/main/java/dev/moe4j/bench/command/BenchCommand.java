package dev.moe4j.bench.command;

import picocli.CommandLine.Command;

/** {@code moe4j bench}: the benchmarks of docs/performance.md. */
@Command(
        name = "bench",
        description = "The benchmarks of docs/performance.md.",
        subcommands = {
            BenchTrainCommand.class,
            BenchParallelCommand.class,
            BenchDecodeCommand.class,
            BenchServeCommand.class,
            BenchGrowthCommand.class,
            BenchGemmCommand.class,
            BenchPrecisionCommand.class,
            BenchMemoryCommand.class,
            BenchCheckpointCommand.class,
            BenchDataCommand.class,
            BenchTasksCommand.class
        })
public final class BenchCommand {
    BenchCommand() {}
}
