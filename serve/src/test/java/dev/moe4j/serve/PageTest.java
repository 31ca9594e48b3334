package dev.moe4j.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.serve.RunningServer.Setup;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tests the page in a real browser, with a context smaller than the page's default number of tokens. */
@Timeout(300)
class PageTest {

    @Test
    void theFirstClickContinuesTheText(@TempDir Path folder) throws Exception {
        Optional<String> program = Browser.installed();
        assumeTrue(program.isPresent(), "no Chromium on this machine: the server's page was not tried");
        try (RunningServer server = new RunningServer(Setup.PLAIN);
                Browser browser =
                        Browser.open(program.get(), folder, server.uri().resolve("/"))) {
            browser.await("document.documentElement.dataset.ready === ''");
            browser.evaluate(
                    "document.getElementById('temperature').value = 0; document.getElementById('go').click();");
            browser.await(done());
            assertThat(summary(browser)).startsWith("48 tokens in").endsWith("the context is full");
            assertThat(browser.evaluate("document.getElementById('curl').textContent"))
                    .contains("\"max_tokens\":48");

            // Tokens must match their text even if a character has several UTF-16 units.
            browser.evaluate("""
                    document.getElementById('prompt').value = '😀'.repeat(12);
                    document.getElementById('go').click();""");
            browser.await(done() + " && document.getElementById('answer').textContent.startsWith('😀')");
            assertThat(summary(browser)).startsWith("16 tokens in");

            browser.evaluate("""
                    document.getElementById('prompt').value = 'x'.repeat(64);
                    document.getElementById('go').click();""");
            browser.await("document.getElementById('summary').className === 'note wrong'");
            assertThat(summary(browser)).startsWith("the model sees 64 tokens at a time");
        }
    }

    private static String done() {
        return "document.getElementById('summary').textContent.includes('tokens in')"
                + " && !document.getElementById('go').disabled";
    }

    private static String summary(Browser browser) throws Exception {
        return browser.evaluate("document.getElementById('summary').textContent");
    }
}
