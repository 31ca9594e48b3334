/**
 * The HTTP server. {@link ModelServer} offers OpenAI's completions API, Prometheus metrics and a page to try a model. It
 * describes its model as {@link ServedModel}. Depends on {@code serve.engine} and Helidon.
 */
@NullMarked
package dev.moe4j.serve.http;

import org.jspecify.annotations.NullMarked;
