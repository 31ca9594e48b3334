/**
 * Which documents to train on: {@link Selector} finds exact and near duplicates, low quality and text of
 * evaluation sets; {@link Selection} is its result, a filter for reading. Depends on {@code text.source}.
 */
@NullMarked
package dev.moe4j.text.select;

import org.jspecify.annotations.NullMarked;
