/**
 * The HTTP server: {@link ModelServer} offers OpenAI completions, metrics and a page to try a model. Depends on
 * {@code serve.engine} and Helidon.
 */
@NullMarked
package dev.moe4j.serve.http;

import org.jspecify.annotations.NullMarked;
