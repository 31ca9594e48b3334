package dev.moe4j.data.prepare;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.json.Json;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.text.source.FileList;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;

/** What a preparation is to do, as a hash: the layout is in docs/data-format.md. */
final class PreparationFingerprint {
    private PreparationFingerprint() {}

    /** The same on all machines that share the work: the files by name and length, the tokenizer and the options. */
    static String hash(TextInput input, Tokenizer tokenizer, Manifest.Options options) {
        MessageDigest digest = Sha256.digest();
        add(digest, Json.indented(options));
        add(digest, tokenizer.hash());
        for (FileList.Item item : input.items()) {
            add(digest, item.file().source());
            add(digest, item.file().path());
            add(digest, Long.toString(item.bytes()));
        }
        return Sha256.hex(digest);
    }

    /** What an interrupted run goes on with: the same share of the same plan and format, of files that were not touched. */
    static String resume(String plan, WorkShare share, TextInput input) {
        MessageDigest digest = Sha256.digest();
        add(digest, plan);
        add(digest, Integer.toString(Manifest.VERSION));
        add(digest, share.toString());
        for (FileList.Item item : input.items()) {
            add(digest, Long.toString(item.modified()));
        }
        return Sha256.hex(digest);
    }

    private static void add(MessageDigest digest, String text) {
        digest.update(text.getBytes(StandardCharsets.UTF_8));
        digest.update((byte) '\n');
    }
}
