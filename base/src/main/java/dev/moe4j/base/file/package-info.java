/**
 * Files and folders that are complete or absent: {@link AtomicFile} and {@link AtomicFolder} write next to the
 * target, force the content to the disk and rename. {@link ProcessLock} is a lock between processes. No other
 * package renames files. Depends on the JDK alone.
 */
@NullMarked
package dev.moe4j.base.file;

import org.jspecify.annotations.NullMarked;
