/**
 * Reading and writing JSON files whose keys are record components: {@link Json}. Depends on Jackson.
 */
@NullMarked
package dev.moe4j.base.json;

import org.jspecify.annotations.NullMarked;
