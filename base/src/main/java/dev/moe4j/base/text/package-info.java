/**
 * Small functions on strings: UTF-8 ({@link Utf8}), similar names for suggestions ({@link NearestName}), formatted numbers
 * ({@link Numbers}) and first lines of messages ({@link FirstLine}). Depends only on the JDK.
 */
@NullMarked
package dev.moe4j.base.text;

import org.jspecify.annotations.NullMarked;
