-- Lines of items that their columns in items do not tell byte for byte: how a number, an escape or
-- a date was spelt, values of a recurring key in their places. `yfcc export tsv` writes these as
-- they were, and all others anew.
-- in:   the dataset file and the packs
-- out:  originals
-- rows: one a line that was written in an unusual way; one an item that a pack has no line of
CREATE TABLE originals (
    pack        VARCHAR NOT NULL,        -- 'dataset', 'autotags', 'exif', 'places' or 'hash'
    line_number BIGINT NOT NULL,         -- of the item
    photo_id    BIGINT NOT NULL,
    raw         BLOB USING COMPRESSION zstd -- without the newline; NULL: the pack has no such line
);
