package dev.moe4j.data;

import dev.moe4j.data.shard.DocumentStream;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * A document stream in memory.
 *
 * @param starts the position of each document in the ids, followed by the end
 */
record Documents(int[] ids, int... starts) implements DocumentStream {

    static final int END = 7;

    /** Documents of these lengths, whose ids count from 100 through all of them, but for the ends. */
    static Documents of(int... lengths) {
        int[] starts = new int[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            starts[i + 1] = starts[i] + lengths[i];
        }
        int[] ids = IntStream.range(100, 100 + starts[lengths.length]).toArray();
        for (int i = 0; i < lengths.length; i++) {
            if (lengths[i] > 0) {
                ids[starts[i + 1] - 1] = END;
            }
        }
        return new Documents(ids, starts);
    }

    /** So many documents of 0 to {@code longest} ids, most of them short. */
    static Documents random(long seed, int count, int longest) {
        SplittableRandom random = new SplittableRandom(seed);
        return of(random.doubles(count).mapToInt(x -> (int) (x * x * longest)).toArray());
    }

    @Override
    public long tokens() {
        return ids.length;
    }

    @Override
    public void copyTokens(long offset, int[] out, int at, int count) {
        System.arraycopy(ids, (int) offset, out, at, count);
    }

    @Override
    public long documents() {
        return starts.length - 1L;
    }

    @Override
    public long documentStart(long document) {
        return starts[(int) document];
    }
}
