"""An answer written down but for the moment of its request, which differs each time; compressed but for it, too."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

#: RFC 1952: deflate, no name, no time, an unknown system.
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
#: RFC 1951: a last block that holds nothing.
_END = b"\x03\x00"


@dataclass(frozen=True, slots=True)
class Written:
    """Hold the parts of an answer, between which one and the same text is to stand.

    :param segments: each part compressed on its own, ending on a whole byte.
    """

    parts: Sequence[bytes]
    segments: Sequence[bytes]

    @classmethod
    def of(cls, parts: Sequence[bytes]) -> Written:
        """Compress the parts. It takes milliseconds: not to be called where an event loop runs."""
        return cls(tuple(parts), tuple(map(_segment, parts)))

    @property
    def size(self) -> int:
        """What it takes in memory [bytes]."""
        return sum(map(len, self.parts)) + sum(map(len, self.segments))

    def plain(self, between: bytes) -> bytes:
        """Give the whole, with a text between the parts."""
        return between.join(self.parts)

    def packed(self, between: bytes) -> bytes:
        """Give the same as one gzip member, of which the text alone is new."""
        whole = between.join(self.parts)
        # RFC 1951, 3.2.4: a block that is not compressed.
        stored = struct.pack("<BHH", 0, len(between), len(between) ^ 0xFFFF) + between
        tail = struct.pack("<II", zlib.crc32(whole), len(whole) & 0xFFFFFFFF)
        return b"".join((_HEAD, stored.join(self.segments), _END, tail))


def _segment(part: bytes) -> bytes:
    # Compressed alone and flushed, it refers to nothing before it and the next block may follow at once.
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
