/** libtorch made safe: tensors, scopes, the tape, parameters, random keys, devices. */
@NullMarked
package dev.moe4j.tensor;

import org.jspecify.annotations.NullMarked;
