package dev.moe4j.data.prepare;

import dev.moe4j.text.DataException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A part of a preparation that one of several machines does.
 *
 * @param number from 1 to {@code of}
 * @param of how many there are
 */
public record WorkShare(int number, int of) {

    /** The whole. */
    public static final WorkShare ALL = new WorkShare(1, 1);

    private static final Pattern FORM = Pattern.compile("([1-9][0-9]{0,5})/([1-9][0-9]{0,5})");

    /**
     * Checks the numbers.
     *
     * @throws DataException if they do not fit
     */
    public WorkShare {
        if (number < 1 || number > of) {
            throw new DataException(
                    "there is no shard " + number + "/" + of + "; give one from 1/" + of + " to " + of + "/" + of);
        }
    }

    /**
     * Reads {@code i/n}.
     *
     * @throws DataException if it is none
     */
    public static WorkShare parse(String text) {
        Matcher form = FORM.matcher(text);
        if (!form.matches()) {
            throw new DataException(
                    DataException.oneLine(text) + " is no shard; give the number of one and of all, as in 1/4");
        }
        return new WorkShare(Integer.parseInt(form.group(1)), Integer.parseInt(form.group(2)));
    }
}
