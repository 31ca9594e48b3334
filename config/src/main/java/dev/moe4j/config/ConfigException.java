package dev.moe4j.config;

import dev.moe4j.base.UserException;

/**
 * A configuration that cannot be read. The message names the file, the line and the key. It may contain text from hostile
 * files, so control characters are escaped.
 */
public final class ConfigException extends UserException {

    public ConfigException(String message) {
        super(escaped(message));
    }

    public ConfigException(String message, Throwable cause) {
        super(escaped(message), cause);
    }
}
