/**
 * Atomic files and folders. {@link AtomicFile} and {@link AtomicFolder} write next to the target, force the content to the
 * disk and rename it. {@link ProcessLock} is a lock between processes. No other package renames files. Depends only on
 * the JDK.
 */
@NullMarked
package dev.moe4j.base.file;

import org.jspecify.annotations.NullMarked;
