/**
 * Document selection: {@link Selector} finds exact duplicates, near duplicates (MinHash), low-quality documents and
 * documents that contain text of evaluation sets. It writes a file, which {@link Selection} reads as a filter for
 * preparation. Depends on {@code text.source}.
 */
@NullMarked
package dev.moe4j.text.select;

import org.jspecify.annotations.NullMarked;
