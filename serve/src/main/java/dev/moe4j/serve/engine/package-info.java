/**
 * Generation for many clients: {@link Engine} does continuous batching of requests, with sampling and text as it
 * comes; {@link Generator} serves one caller. No HTTP. Depends on {@code model.decode}.
 */
@NullMarked
package dev.moe4j.serve.engine;

import org.jspecify.annotations.NullMarked;
