package dev.moe4j.serve.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A request to generate one text.
 *
 * @param prompt the text to continue, possibly empty. The model sees an end-of-text token before it
 * @param tokens the maximum number of tokens to generate. With 0 the model only reads the prompt
 * @param sampling how tokens are drawn
 * @param seed the random seed. The same seed gives the same text
 * @param stops texts that end the generation. They are cut from the result
 * @param alternatives the number of most likely tokens to report for each position. Null turns log-probabilities off
 * @param scorePrompt whether log-probabilities of the prompt's tokens are reported too
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
            throw new ServeException("cannot generate " + tokens + " tokens; give 0 or more");
        }
        if (stops.contains("")) {
            throw new ServeException("an empty stop text would end every text immediately; leave it out");
        }
        if (alternatives != null && alternatives < 0) {
            throw new ServeException("cannot report " + alternatives + " alternatives for a token; give 0 or more");
        }
        if (scorePrompt && alternatives == null) {
            throw new ServeException(
                    "scoring a prompt needs probabilities; give the number of alternatives, 0 or more");
        }
        stops = List.copyOf(stops);
    }
}
