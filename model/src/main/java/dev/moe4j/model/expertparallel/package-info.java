/**
 * Expert parallel execution: the all-to-all exchange of token rows between processes that hold different experts, and
 * its overlap with computation. Depends on {@code model.expert} and {@code parallel}.
 */
@Internal
@NullMarked
package dev.moe4j.model.expertparallel;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
