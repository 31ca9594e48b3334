package dev.moe4j.serve.http;

import java.util.Locale;
import java.util.regex.Pattern;

/**
 * The Host headers that a loopback server accepts: its own name and the names of the loopback interface. This prevents DNS
 * rebinding, where another site resolves its name to 127.0.0.1 and reads the server through a browser on this machine.
 *
 * @param own the name or address that the server listens on
 */
record HostNames(String own) {
    private static final Pattern LOOPBACK = Pattern.compile("localhost|.+\\.localhost|127(\\.\\d{1,3}){3}|::1");

    /** Whether a Host header, which may have a port, names this server. */
    boolean include(String header) {
        String name = name(header.strip().toLowerCase(Locale.ROOT));
        return name.equals(own.toLowerCase(Locale.ROOT))
                || LOOPBACK.matcher(name).matches();
    }

    private static String name(String header) {
        if (header.startsWith("[")) {
            int end = header.indexOf(']');
            return end < 0 ? header : header.substring(1, end);
        }
        int port = header.lastIndexOf(':');
        return port < 0 ? header : header.substring(0, port);
    }
}
