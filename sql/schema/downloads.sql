-- What became of every item that was tried, from the ledger of a mirror.
-- in:   the mirror's ledger
-- out:  downloads
-- rows: one an item, its latest outcome
CREATE TABLE downloads (
    photo_id     BIGINT NOT NULL,
    outcome      VARCHAR NOT NULL,       -- 'stored', 'gone', 'placeholder', … 'failed'
    source       VARCHAR,                -- 's3' or 'flickr', the one that decided
    url          VARCHAR,
    path         VARCHAR,                -- below the mirror's root; NULL unless stored
    n_bytes      BIGINT,
    sha256       VARCHAR,
    content_type VARCHAR,                -- of the bytes, not of the reply
    width        INTEGER,                -- pixels
    height       INTEGER,
    http_status  INTEGER,                -- of the last reply
    attempts     INTEGER,
    first_error  VARCHAR,
    fetched_at   TIMESTAMP,              -- UTC
    x_robots_tag VARCHAR,                -- as received
    shard        SMALLINT NOT NULL,
    n_trailing_bytes BIGINT,             -- after the end of what is stored; NULL for none
    has_zero_run BOOLEAN,                -- true: a stretch of the picture is nothing but zeros
    evidence     VARCHAR                 -- how it began, if it was no media; a character a byte
);
