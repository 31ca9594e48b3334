/**
 * The command line: {@code Main} lists the commands. Packages group the commands by subject. A command class
 * parses the options; a class next to it ({@code XRun}) does the work. Depends on all other modules.
 */
@Internal
@NullMarked
package dev.moe4j.cli;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
