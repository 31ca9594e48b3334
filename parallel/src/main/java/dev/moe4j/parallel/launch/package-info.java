/**
 * {@link Launcher} starts a command as several processes on this machine, ends them together and names the rank at
 * fault. {@link CodeVersion} identifies the program that runs. Depends on {@code parallel.rendezvous}.
 */
@NullMarked
package dev.moe4j.parallel.launch;

import org.jspecify.annotations.NullMarked;
