package dev.moe4j.data.prepare;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.json.Json;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.text.source.FileList;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;

/** Hashes the input, tokenizer and options of a preparation. docs/data-format.md documents the hashed layout. */
final class PreparationFingerprint {
    private PreparationFingerprint() {}

    /** Hashes the names and sizes of the files, the tokenizer and the options. All shares of one preparation agree. */
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

    /**
     * Hashes the conditions for resuming an interrupted run: the fingerprint {@code plan}, the share, the format version
     * and the modification times of the files.
     */
    static String resumeHash(String plan, WorkShare share, TextInput input) {
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
