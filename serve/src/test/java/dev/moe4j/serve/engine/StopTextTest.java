package dev.moe4j.serve.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class StopTextTest {

    @Test
    void holdsBackWhatMayBecomeAStopText() {
        StopText stop = new StopText(List.of("END", "\n\n"));

        assertThat(stop.add("one E")).isEqualTo("one ");
        assertThat(stop.add("N")).isEmpty();
        assertThat(stop.add("E")).as("the stop text may start again").isEqualTo("EN");
        assertThat(stop.add("x\n")).isEqualTo("Ex");
        assertThat(stop.met()).isFalse();
        assertThat(stop.end()).isEqualTo("\n");
    }

    @Test
    void cutsAtTheFirstStopText() {
        StopText stop = new StopText(List.of("##", "END"));

        assertThat(stop.add("a E")).isEqualTo("a ");
        assertThat(stop.add("ND b ## c")).isEmpty();
        assertThat(stop.met()).isTrue();
        assertThat(stop.end()).isEmpty();

        StopText other = new StopText(List.of("##", "END"));
        assertThat(other.add("a ## END")).isEqualTo("a ");
        assertThat(other.met()).isTrue();
    }

    @Test
    void withoutStopTextsNothingWaits() {
        StopText none = new StopText(List.of());
        assertThat(none.add("END")).isEqualTo("END");
        assertThat(none.met()).isFalse();
    }
}
