package dev.moe4j.data.prepare;

import dev.moe4j.text.DataException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The share of a preparation that one of several machines does.
 *
 * @param number the number of the share, from 1 to {@code of}
 * @param of the number of shares
 */
public record WorkShare(int number, int of) {

    /** The complete preparation, on one machine. */
    public static final WorkShare ALL = new WorkShare(1, 1);

    private static final Pattern FORM = Pattern.compile("([1-9][0-9]{0,5})/([1-9][0-9]{0,5})");

    /**
     * Checks the numbers.
     *
     * @throws DataException if {@code number} is not from 1 to {@code of}
     */
    public WorkShare {
        if (number < 1 || number > of) {
            throw new DataException(
                    "there is no shard " + number + "/" + of + "; give one from 1/" + of + " to " + of + "/" + of);
        }
    }

    /**
     * Parses a share in the form {@code i/n}, for example {@code 1/4}.
     *
     * @throws DataException if the text has another form or the numbers are out of range
     */
    public static WorkShare parse(String text) {
        Matcher form = FORM.matcher(text);
        if (!form.matches()) {
            throw new DataException(
                    DataException.oneLine(text) + " is not a shard; give its number and the total, as in 1/4");
        }
        return new WorkShare(Integer.parseInt(form.group(1)), Integer.parseInt(form.group(2)));
    }
}
