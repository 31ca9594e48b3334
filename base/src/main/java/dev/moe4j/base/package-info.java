/**
 * Basics without a subject of their own module. {@link dev.moe4j.base.UserException} is the base of all failures
 * that a user can correct, and {@link dev.moe4j.base.Internal} marks packages that other modules must not use. The
 * packages below hold files, text, digests, JSON and lists of primitives. Depends on no other module.
 */
@NullMarked
package dev.moe4j.base;

import org.jspecify.annotations.NullMarked;
