package dev.moe4j.serve.http;

import java.util.Locale;
import java.util.regex.Pattern;

/**
 * The Host headers that a loopback server answers to: its own name and those of the loopback. A page of another site
 * could otherwise read the server through a browser on this machine, by a name that it resolves to 127.0.0.1 (DNS
 * rebinding).
 *
 * @param own the name or address that the server listens at
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
