/**
 * JSON files whose keys are the names of record components: {@link Json}. Depends on Jackson.
 */
@NullMarked
package dev.moe4j.base.json;

import org.jspecify.annotations.NullMarked;
