"""Frames of a store: chunks copied or linked, read by slices.

slices : the base of readers. stored : readers and lazy frames of a run.
chunk_codec : chunks and shards of copied frames. checksum : of chunks.
linked, linked_array, linked_references, linked_codec, linked_reader : frames linked to raw files.
chunk_reading, source_files : chunks read from raw files by a manifest.
"""
