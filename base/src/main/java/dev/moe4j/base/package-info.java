/** Atomic files and folders, locks between processes. */
@NullMarked
package dev.moe4j.base;

import org.jspecify.annotations.NullMarked;
