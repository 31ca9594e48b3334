/**
 * Utilities that all modules share. {@link dev.moe4j.base.UserException} is the base class of errors that a user can
 * correct, and {@link dev.moe4j.base.Internal} marks packages that other modules must not use. The subpackages hold files,
 * text, digests, JSON, processors and lists of primitives. Does not depend on other modules.
 */
@NullMarked
package dev.moe4j.base;

import org.jspecify.annotations.NullMarked;
