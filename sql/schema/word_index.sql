-- What the index of words was made of.
-- in:   the catalog
-- out:  word_index, in CATALOG.words
-- rows: one
CREATE TABLE word_index (
    catalog      VARCHAR NOT NULL,    -- its identity: a digest; of another one the index is no use
    definition   VARCHAR NOT NULL,    -- of words, and the version of Unicode
    n_items      BIGINT NOT NULL,
    yfcc_version VARCHAR NOT NULL
);
