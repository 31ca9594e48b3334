/**
 * SHA-256 digests of texts, bytes and files: {@link Sha256}. Depends on the JDK alone.
 */
@NullMarked
package dev.moe4j.base.digest;

import org.jspecify.annotations.NullMarked;
