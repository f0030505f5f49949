"""Raw file formats: their interface, their registry, and runs as formats return them.

chunk_manifest : file, offset and length of each chunk of frames.
file_bytes : bytes of raw files, decompressed.
file_group : raw files grouped by template.
format : the interface of a format.
missing : values that a file lacks.
registry : formats by entry points, and the format of a file.
run_source : a run in its raw files.
"""

from dxdask.storage.formats.chunk_manifest import REFERENCE, WHOLE_FILE, ChunkManifest
from dxdask.storage.formats.file_group import FileGroup, NumberedFile
from dxdask.storage.formats.format import Format, Supplement
from dxdask.storage.formats.missing import Missing
from dxdask.storage.formats.registry import format_named, format_of, formats
from dxdask.storage.formats.run_source import (
    ImportedResult,
    RawReader,
    RunSource,
    without_frames,
)

__all__ = [
    "REFERENCE",
    "WHOLE_FILE",
    "ChunkManifest",
    "FileGroup",
    "Format",
    "ImportedResult",
    "Missing",
    "NumberedFile",
    "RawReader",
    "RunSource",
    "Supplement",
    "format_named",
    "format_of",
    "formats",
    "without_frames",
]
