-- Lines of the metadata files that are no rows, kept whole with the reason.
-- in:   every metadata file
-- out:  rejected_lines
-- rows: one a line; lines read = items (or joined + orphans) + rejected
CREATE TABLE rejected_lines (
    file        VARCHAR NOT NULL,
    line_number BIGINT NOT NULL,         -- in the file, from 0
    byte_offset BIGINT NOT NULL,         -- where the line starts in the decompressed file
    reason      VARCHAR NOT NULL,
    raw         BLOB NOT NULL            -- without the newline; the first 64 KiB of a line over 4 MiB
);
