"""Decompression of chunks of frames as detectors' files hold them.

bitshuffle, lz4, byte_offset : kernels. words : loads and copies of a few bytes for them.
byte_offset_encode : byte offset for exported CBF files.
chunks : a chunk of any known compression.
"""

from dxdask.storage.codecs.chunks import COMPRESSIONS, decompress

__all__ = ["COMPRESSIONS", "decompress"]
