-- Where the catalog comes from: every file read, its version, and counts that add up.
-- in:   the run that built the catalog
-- out:  ingests
-- rows: one a metadata file
CREATE TABLE ingests (
    file         VARCHAR NOT NULL,
    pack         VARCHAR NOT NULL,       -- 'dataset', 'autotags', 'exif', 'places' or 'hash'
    edition      VARCHAR NOT NULL,       -- 'v2' or 'v1'
    source       VARCHAR NOT NULL,
    etag         VARCHAR NOT NULL,
    n_bytes      BIGINT NOT NULL,        -- compressed
    n_raw_bytes  BIGINT NOT NULL,        -- decompressed
    n_lines      BIGINT NOT NULL,        -- = n_joined + n_orphans + n_rejected
    n_joined     BIGINT NOT NULL,        -- items, for the dataset
    n_orphans    BIGINT NOT NULL,
    n_rejected   BIGINT NOT NULL,        -- and rows of removed items, with reason 'forgotten'
    n_hash_mismatches BIGINT NOT NULL,   -- hashes that are not the hash of their download URL
    row_limit    BIGINT,                 -- --limit, if one was given
    n_shards     INTEGER NOT NULL,
    started_at   TIMESTAMP NOT NULL,     -- UTC
    finished_at  TIMESTAMP NOT NULL,     -- UTC
    yfcc_version VARCHAR NOT NULL
);
