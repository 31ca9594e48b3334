#!/usr/bin/env python3
"""Makes a CUDA library small when packed: zeroes its GPU code of all architectures but one, in place.

    thin_fatbin.py FILE --keep 90      zeroes, and prints what it did as one JSON line
    thin_fatbin.py FILE --list         prints bytes by architecture, changes nothing
    thin_fatbin.py --self-check        tests itself on a library that it makes

The file keeps its size and layout, so that nothing else in it moves; zeros take no room in an .xz. On a GPU of the kept
architecture the driver takes that code and never looks at the rest; on any other GPU the library does not work.

A section .nv_fatbin (or __nv_relfatbin) is a row of fat binaries, each with a header (magic 0xBA55ED50, version, size of
the header, size of what follows) and entries (kind: 1 PTX, 2 machine code; version, size of the header, size of the
payload, ..., architecture as 90 for sm_90 and sm_90a). NVIDIA does not document the layout: anything unexpected is an
error, and the file stays as it was.
"""
import argparse
import collections
import json
import mmap
import os
import struct
import sys
import tempfile

MAGIC = 0xBA55ED50
SECTIONS = (b".nv_fatbin", b"__nv_relfatbin")
LEAST_ENTRY_HEADER = 32  # up to and with the architecture


class Unexpected(Exception):
    pass


def sections(elf):
    """Yields (offset, size) of the sections with fat binaries in a 64-bit little-endian ELF file."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise Unexpected("is no 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    entry, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + i * entry) for i in range(count)]
    strings = headers[names][4]
    for name, _, _, _, offset, size in headers:
        start = strings + name
        if elf[start : elf.find(b"\0", start)] in SECTIONS:
            yield offset, size


def entries(elf):
    """Yields (kind, architecture, offset, size) of each entry's payload."""
    for offset, size in sections(elf):
        end = offset + size
        at = offset
        while at + 16 <= end:
            magic, _, header, body = struct.unpack_from("<IHHQ", elf, at)
            if magic == 0 and not any(elf[at : at + 8]):
                at += 8  # between two fat binaries
                continue
            if magic != MAGIC or header < 16 or at + header + body > end:
                raise Unexpected(f"has no fat binary at byte {at} of its section at {offset}")
            entry, stop = at + header, at + header + body
            while entry + LEAST_ENTRY_HEADER <= stop:
                kind, _, skip, payload = struct.unpack_from("<HHIQ", elf, entry)
                (architecture,) = struct.unpack_from("<I", elf, entry + 28)
                if kind not in (1, 2) or skip < LEAST_ENTRY_HEADER or entry + skip + payload > stop:
                    raise Unexpected(f"has an entry of kind {kind} at byte {entry} that does not fit its fat binary")
                yield kind, architecture, entry + skip, payload
                entry += skip + payload
            if entry != stop:
                raise Unexpected(f"has {stop - entry} bytes after the last entry of the fat binary at byte {at}")
            at = stop


def name(kind, architecture):
    return f"{'compute' if kind == 1 else 'sm'}_{architecture}"


def thin(path, keep):
    """Zeroes the payloads of other architectures; returns bytes kept and zeroed, by architecture."""
    sizes = collections.Counter()
    with open(path, "r+b" if keep else "rb") as file:
        access = mmap.ACCESS_WRITE if keep else mmap.ACCESS_READ
        with mmap.mmap(file.fileno(), 0, access=access) as elf:
            found = list(entries(elf))  # all of it is read and understood before anything changes
            if not found:
                raise Unexpected("has no GPU code")
            for kind, architecture, _, size in found:
                sizes[name(kind, architecture)] += size
            if keep:
                if not any(kind == 2 and architecture == keep for kind, architecture, _, _ in found):
                    raise Unexpected(f"has no code for sm_{keep}; it has {', '.join(sorted(sizes))}")
                for kind, architecture, offset, size in found:
                    if (kind, architecture) != (2, keep):
                        elf[offset : offset + size] = bytes(size)
                elf.flush()
    return sizes


def library(fat_binaries):
    """An ELF file with nothing but a section .nv_fatbin of these: lists of (kind, architecture, payload)."""
    section = b""
    for fat_binary in fat_binaries:
        body = b""
        for kind, architecture, payload in fat_binary:
            body += struct.pack("<HHIQ12xI32x", kind, 0x101, 64, len(payload), architecture) + payload
        section += struct.pack("<IHHQ", MAGIC, 1, 16, len(body)) + body + bytes(8)
    names = b"\0.nv_fatbin\0.shstrtab\0"
    offset = 64
    table = offset + len(section) + len(names)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    rows = bytes(64)
    rows += struct.pack("<IIQQQQIIQQ", 1, 1, 0, 0, offset, len(section), 0, 0, 8, 0)
    rows += struct.pack("<IIQQQQIIQQ", 12, 3, 0, 0, offset + len(section), len(names), 0, 0, 1, 0)
    return header + section + names + rows


def self_check():
    old, new, text = b"A" * 40, b"B" * 64, b"PTX." * 8
    whole = library([[(2, 80, old), (2, 90, new), (1, 90, text)], [(2, 90, b"C" * 8), (2, 120, old)]])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "libfake.so")

        def write(data):
            with open(path, "wb") as file:
                file.write(data)

        def read():
            with open(path, "rb") as file:
                return file.read()

        write(whole)
        sizes = thin(path, 0)
        assert sizes == {"sm_80": 40, "sm_90": 72, "compute_90": 32, "sm_120": 40}, sizes
        assert read() == whole, "--list changed the file"
        thin(path, 90)
        assert read() == whole.replace(old, bytes(40)).replace(text, bytes(32)), "other bytes than the payloads changed"
        assert thin(path, 0) == sizes, "a thinned file cannot be read again"
        for what, data in {
            "another architecture": (library([[(2, 80, old)]]), 90),
            "a damaged magic": (whole.replace(struct.pack("<I", MAGIC), b"oops", 1), 90),
            "an unknown kind": (library([[(7, 90, new)]]), 90),
            "no ELF": (b"#!/bin/sh\n" + bytes(80), 90),
            "no GPU code": (whole.replace(b".nv_fatbin", b".no_fatbin"), 90),
        }.items():
            write(data[0])
            try:
                thin(path, data[1])
            except Unexpected:
                assert read() == data[0], f"{what}: the file changed"
            else:
                raise AssertionError(f"{what} was taken")
    print("thin_fatbin: self check passed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--keep", type=int, metavar="ARCH", help="the architecture to keep, such as 90")
    what.add_argument("--list", action="store_true")
    what.add_argument("--self-check", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_check:
        self_check()
        return
    if not arguments.file:
        parser.error("which FILE?")
    try:
        sizes = thin(arguments.file, arguments.keep or 0)
    except (Unexpected, struct.error) as e:
        sys.exit(f"thin_fatbin: {arguments.file} {e}")
    print(json.dumps({"file": arguments.file, "keep": arguments.keep, "bytes": dict(sorted(sizes.items()))}))


if __name__ == "__main__":
    main()
