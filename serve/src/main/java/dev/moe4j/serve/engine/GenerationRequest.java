package dev.moe4j.serve.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A text to be made.
 *
 * @param prompt the text to continue; may be empty: the model then begins a text. An end of text is put before its
 *     tokens unless they begin with one
 * @param tokens the most to make; 0 only reads the prompt
 * @param seed the same one gives the same text
 * @param stops texts that end it, themselves left out; none is empty
 * @param alternatives how many of the most likely tokens to report beside each one, with their probabilities; null: no
 *     probabilities at all
 * @param scorePrompt whether to report the prompt's tokens so as well
 */
public record GenerationRequest(
        Prompt prompt,
        int tokens,
        Sampling sampling,
        long seed,
        List<String> stops,
        @Nullable Integer alternatives,
        boolean scorePrompt) {

    public GenerationRequest {
        if (tokens < 0) {
            throw new ServeException("cannot make " + tokens + " tokens; give 0 or more");
        }
        if (stops.contains("")) {
            throw new ServeException("an empty stop text would end every text at once; leave it out");
        }
        if (alternatives != null && alternatives < 0) {
            throw new ServeException("cannot report " + alternatives + " alternatives to a token; give 0 or more");
        }
        if (scorePrompt && alternatives == null) {
            throw new ServeException(
                    "a prompt's tokens cannot be scored without probabilities; say how many alternatives");
        }
        stops = List.copyOf(stops);
    }
}
