/**
 * SHA-256 digests of strings, bytes and files: {@link Sha256}. Depends only on the JDK.
 */
@NullMarked
package dev.moe4j.base.digest;

import org.jspecify.annotations.NullMarked;
