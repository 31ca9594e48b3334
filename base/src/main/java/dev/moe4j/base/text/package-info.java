/**
 * Small functions on text: UTF-8 with exact offsets ({@link Utf8}), the nearest of several names ({@link
 * NearestName}), numbers for people ({@link Numbers}), first lines of messages ({@link FirstLine}). Depends on the
 * JDK alone.
 */
@NullMarked
package dev.moe4j.base.text;

import org.jspecify.annotations.NullMarked;
