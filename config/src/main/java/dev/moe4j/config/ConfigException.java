package dev.moe4j.config;

import dev.moe4j.base.UserException;

/** A configuration cannot be read: its message names the file, the line and the key. Names from hostile files may be part of the message, so control characters are escaped. */
public final class ConfigException extends UserException {

    public ConfigException(String message) {
        super(escaped(message));
    }

    public ConfigException(String message, Throwable cause) {
        super(escaped(message), cause);
    }
}
