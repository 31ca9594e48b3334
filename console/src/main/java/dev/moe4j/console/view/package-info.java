/**
 * What people look at during a command: a line of progress, the curve of losses, figures as SVG. Depends on {@code
 * console.output}.
 */
@NullMarked
package dev.moe4j.console.view;

import org.jspecify.annotations.NullMarked;
