package dev.moe4j.parallel.rendezvous;

import dev.moe4j.parallel.layout.ParallelException;
import dev.moe4j.tensor.Device;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * This process's rank and rendezvous point, read from environment variables. It understands the variables of
 * {@code launch} and torchrun, of Slurm's {@code srun}, and of a Kubernetes Indexed Job. docs/parallel.md lists them.
 *
 * @param rank this process's rank, from 0
 * @param world the number of processes
 * @param localRank this process's number on its machine, from 0. It selects the GPU
 * @param localWorld the number of processes on this machine
 * @param meeting the rendezvous point: {@code tcp://host:port} or {@code file:///path}. In {@code tcp://host:port/path} the
 *     path is a prefix of the store's keys. It separates runs and attempts that use the same port
 * @param agentStore whether torchrun's agent hosts the store instead of rank 0
 * @param networkInterface the name or an address of the network interface for collectives; empty to use the interface
 *     that leads to rank 0
 * @param timeout how long a rank waits for the others
 */
public record RankEnvironment(
        int rank,
        int world,
        int localRank,
        int localWorld,
        URI meeting,
        boolean agentStore,
        String networkInterface,
        Duration timeout) {

    /** The variable that sets {@link #timeout}, in seconds. */
    public static final String TIMEOUT = "MOE4J_TIMEOUT";

    /**
     * Parses a device name. In a distributed run {@code cuda} without a number means the GPU of this process's local rank.
     *
     * @throws dev.moe4j.tensor.TensorException if the text is not a device name, or this machine lacks the device
     */
    public Device device(String text) {
        return Device.parse(ownDevice(text));
    }

    String ownDevice(String text) {
        return text.equals("cuda") && isDistributed() ? "cuda:" + localRank : text;
    }

    public static final String MEETING = "MOE4J_MEETING";
    public static final String AGENT_STORE = "TORCHELASTIC_USE_AGENT_STORE";
    public static final String INTERFACE = "GLOO_SOCKET_IFNAME";

    /** The timeout if {@link #TIMEOUT} is not set. */
    public static final Duration DEFAULT_TIMEOUT = Duration.ofMinutes(5);

    /** The first port for Slurm jobs. The range lies below the system's ephemeral ports. */
    private static final int FIRST_PORT = 20_000;

    private static final int PORTS = 10_000;
    /** A prime, so that the steps of a job rarely use the ports of the next jobs. */
    private static final long PORTS_BETWEEN_STEPS = 7_919;

    private static final URI NOWHERE = URI.create("tcp://127.0.0.1:0");
    /** A Slurm node list such as {@code node[03-07,9],gpu1}: the first name, and its first number in brackets if any. */
    private static final Pattern NODES = Pattern.compile("([^\\[,]+)(?:\\[([^],-]+)[^]]*])?([^\\[,]*).*");

    public RankEnvironment {
        check("RANK", rank, world, "the number of processes");
        check("LOCAL_RANK", localRank, localWorld, "the number of processes on this machine");
    }

    private static void check(String name, int rank, int count, String what) {
        if (rank < 0 || rank >= count) {
            throw new ParallelException("%s is %d, but %s is %d: ranks count from 0; check the environment"
                    .formatted(name, rank, what, count));
        }
    }

    /**
     * Reads environment variables. Without any of the known variables, the process is the only one.
     *
     * @throws ParallelException if a variable is missing or malformed, or variables contradict each other
     */
    public static RankEnvironment of(Map<String, String> variables) {
        if (variables.containsKey("RANK")) {
            return new Reader(variables, "RANK", "RANK").read("WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE");
        }
        // An allocation's own shell has SLURM_PROCID too, but only a step that srun started has a number of tasks.
        if (variables.containsKey("SLURM_PROCID") && variables.containsKey("SLURM_STEP_NUM_TASKS")) {
            return new Reader(variables, "SLURM_PROCID", "SLURM_PROCID")
                    .read("SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE");
        }
        if (variables.containsKey("JOB_COMPLETION_INDEX") && variables.containsKey("WORLD_SIZE")) {
            return new Reader(variables, "JOB_COMPLETION_INDEX", "JOB_COMPLETION_INDEX")
                    .read("WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE");
        }
        if (variables.containsKey("WORLD_SIZE")) {
            throw new ParallelException("WORLD_SIZE is set, but RANK is not: set both, or neither for one process");
        }
        return new RankEnvironment(0, 1, 0, 1, NOWHERE, false, "", timeout(variables));
    }

    /** Returns the name of the process that hosts the TCP store, for messages. */
    String storeKeeper() {
        return agentStore ? "torchrun's agent" : "rank 0";
    }

    /** Whether the run has more than one process. */
    public boolean isDistributed() {
        return world > 1;
    }

    private static Duration timeout(Map<String, String> variables) {
        String text = variables.get(TIMEOUT);
        if (text == null) {
            return DEFAULT_TIMEOUT;
        }
        if (!text.matches("[1-9]\\d{0,6}")) {
            throw new ParallelException(TIMEOUT + " is '" + text + "': give whole seconds, at least 1");
        }
        return Duration.ofSeconds(Long.parseLong(text));
    }

    /** Reads the variables of one launcher, such as Slurm. */
    private record Reader(Map<String, String> variables, String family, String rankName) {

        RankEnvironment read(String worldName, String localRankName, String localWorldName) {
            int rank = number(rankName, required(rankName));
            int world = number(worldName, required(worldName));
            int localRank = number(localRankName, variables.getOrDefault(localRankName, "0"));
            // Slurm writes 4(x2),3 for nodes with 4, 4 and 3 tasks. It does not say which entry is this node's.
            String localWorld = variables
                    .getOrDefault(localWorldName, String.valueOf(localRank + 1))
                    .replaceFirst("[(,].*", "");
            return new RankEnvironment(
                    rank,
                    world,
                    localRank,
                    Math.max(localRank + 1, number(localWorldName, localWorld)),
                    meeting(world),
                    world > 1 && !variables.containsKey(MEETING) && hasAgent(),
                    variables.getOrDefault(INTERFACE, ""),
                    timeout(variables));
        }

        private URI meeting(int world) {
            String given = variables.get(MEETING);
            if (given != null) {
                if (!given.matches("file:///.+|tcp://[^:/]+:\\d+")) {
                    throw new ParallelException(MEETING + " is '" + given
                            + "': give file:///path or tcp://host:port, the same on all ranks");
                }
                return checked(MEETING, given);
            }
            if (world == 1) {
                return NOWHERE;
            }
            String host = variables.get("MASTER_ADDR");
            String port = variables.get("MASTER_PORT");
            if (isSlurm()) {
                host = host != null ? host : firstNode();
                port = port != null ? port : String.valueOf(slurmPort());
            }
            if (host == null || port == null) {
                throw missing(host == null ? "MASTER_ADDR" : "MASTER_PORT");
            }
            int number = number("MASTER_PORT", port);
            if (number < 1 || number > 65_535) {
                throw new ParallelException("MASTER_PORT is " + port + ": give a port from 1 to 65535");
            }
            return checked(
                    "MASTER_ADDR", "tcp://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + number + path());
        }

        private boolean isSlurm() {
            return family.startsWith("SLURM");
        }

        private boolean hasAgent() {
            return family.equals("RANK")
                    && variables.getOrDefault(AGENT_STORE, "").equals("True");
        }

        /**
         * Returns the prefix of this run's keys in the store. The store of torchrun's agent may outlive an attempt, and
         * ranks of different attempts must not meet. A Slurm job may find another job's store at its port.
         */
        private String path() {
            if (isSlurm()) {
                return "/job-" + required("SLURM_JOB_ID") + "." + slurmStep();
            }
            return hasAgent() ? "/attempt_" + variables.getOrDefault("TORCHELASTIC_RESTART_COUNT", "0") : "";
        }

        private String slurmStep() {
            return variables.getOrDefault("SLURM_STEP_ID", "0");
        }

        /** Jobs that share a machine get different ports, and so do the steps of a job. */
        private long slurmPort() {
            long job = number("SLURM_JOB_ID", required("SLURM_JOB_ID"));
            long step = number("SLURM_STEP_ID", slurmStep());
            return FIRST_PORT + (job + PORTS_BETWEEN_STEPS * step) % PORTS;
        }

        /** Java rejects host names with underscores, and host names whose last label starts with a digit. */
        private static URI checked(String variable, String text) {
            try {
                return new URI(text).parseServerAuthority();
            } catch (URISyntaxException e) {
                throw new ParallelException(variable + " leads to " + text + ", which is not a valid host ("
                        + e.getReason() + "): give rank 0's address instead of its name");
            }
        }

        /** Returns the step's first node, on which rank 0 runs. */
        private String firstNode() {
            Matcher nodes = NODES.matcher(required("SLURM_STEP_NODELIST"));
            if (!nodes.matches()) {
                throw new ParallelException("SLURM_STEP_NODELIST is '" + variables.get("SLURM_STEP_NODELIST")
                        + "', which does not name a node: set MASTER_ADDR to the host of rank 0");
            }
            return nodes.group(1) + (nodes.group(2) == null ? "" : nodes.group(2)) + nodes.group(3);
        }

        private String required(String name) {
            String value = variables.get(name);
            if (value == null) {
                throw missing(name);
            }
            return value;
        }

        private ParallelException missing(String name) {
            return new ParallelException(family + " is set, but " + name
                    + " is not: set it for all ranks, or start them with ./moe4j launch");
        }

        private static int number(String name, String text) {
            try {
                return Integer.parseInt(text);
            } catch (NumberFormatException e) {
                throw new ParallelException(
                        name + " is '" + text + "', which is not a number: check the environment", e);
            }
        }
    }
}
