"""The metadata files as streams: source, decompress, layouts, parse."""
