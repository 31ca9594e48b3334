/**
 * Starting a run on one machine. {@link Launcher} starts a command as several ranks, stops them together and names the
 * rank at fault. {@link LauncherWatch} ends a rank whose launcher is gone. {@link CodeVersion} identifies the build.
 * Depends on {@code parallel.rendezvous} and {@code parallel.layout}.
 */
@NullMarked
package dev.moe4j.parallel.launch;

import org.jspecify.annotations.NullMarked;
