package dev.moe4j.serve.http;

import io.helidon.http.HeaderNames;
import io.helidon.webserver.http.HttpRouting;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import org.webjars.WebJarVersionLocator;

/** Serves the page to try a model and watch its server. Its files are resources of this package and of the chart library. */
final class Dashboard {
    private static final String POLICY =
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
                    + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private Dashboard() {}

    static void route(HttpRouting.Builder routing) {
        file(routing, "/", "dashboard.html", "text/html; charset=utf-8");
        file(routing, "/dashboard.css", "dashboard.css", "text/css; charset=utf-8");
        file(routing, "/dashboard.js", "dashboard.js", "text/javascript; charset=utf-8");
        file(routing, "/uplot.css", uplot("dist/uPlot.min.css"), "text/css; charset=utf-8");
        file(routing, "/uplot.js", uplot("dist/uPlot.iife.min.js"), "text/javascript; charset=utf-8");
    }

    private static String uplot(String file) {
        return "/" + new WebJarVersionLocator().fullPath("uplot", file);
    }

    private static void file(HttpRouting.Builder routing, String path, String resource, String type) {
        byte[] content = read(resource);
        HttpResponses.get(routing, path, (request, response) -> {
            response.header(HeaderNames.create("Content-Security-Policy"), POLICY)
                    .header(HeaderNames.create("X-Content-Type-Options"), "nosniff")
                    .header(HeaderNames.CACHE_CONTROL, "no-cache");
            HttpResponses.send(request, response, type, content);
        });
    }

    private static byte[] read(String resource) {
        try (InputStream in = Dashboard.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("the page's resource " + resource + " is not on the class path");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the page's resource " + resource, e);
        }
    }
}
