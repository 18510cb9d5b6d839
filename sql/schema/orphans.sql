-- Pack rows whose photo_id is not in the dataset.
-- in:   the packs
-- out:  orphans
-- rows: one a pack line
CREATE TABLE orphans (
    file     VARCHAR NOT NULL,
    photo_id BIGINT NOT NULL,
    raw      BLOB NOT NULL               -- the line without its newline
);
