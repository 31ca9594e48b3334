/**
 * The commands {@code moe4j quickstart}, {@code moe4j study} and {@code moe4j report}. Depends on {@code console},
 * {@code quickstart}, {@code report} and {@code study}.
 */
@Internal
@NullMarked
package dev.moe4j.cli.study;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
