-- What each run of `yfcc download` was asked, and what came of it, from the mirror's ledger.
-- in:   the mirror's ledger
-- out:  runs
-- rows: one a run, the earliest first; what its processes did is added up
-- n_selected = sum of outcomes + not_yet_tried, in every row.
CREATE TABLE runs (
    run_id         VARCHAR NOT NULL,         -- sorts by time
    started        TIMESTAMP NOT NULL,       -- UTC
    ended          TIMESTAMP,                -- UTC; NULL while it lasts, and if it was killed
    state          VARCHAR NOT NULL,         -- 'running', 'finished', 'interrupted' or 'stopped'
    exit_code      INTEGER,                  -- NULL while it lasts, and if it was killed
    n_selected     BIGINT NOT NULL,
    outcomes       MAP(VARCHAR, BIGINT) NOT NULL,
    not_yet_tried  BIGINT NOT NULL,
    n_bytes        BIGINT NOT NULL,          -- stored by this run
    n_adopted      BIGINT NOT NULL,          -- found whole on disk without a record
    selection_sql  VARCHAR NOT NULL,
    sources        VARCHAR[] NOT NULL,       -- 's3', 'flickr', in the order of asking
    shards         VARCHAR NOT NULL,         -- ranges, such as '0-63,70'
    catalog        VARCHAR NOT NULL,         -- fingerprint of the catalog
    tool_version   VARCHAR NOT NULL,
    ignore_opt_out BOOLEAN NOT NULL,
    command        VARCHAR NOT NULL,
    error          VARCHAR,                  -- what stopped it
    errors         MAP(VARCHAR, BIGINT) NOT NULL, -- items by kind of their first error
    licenses       MAP(VARCHAR, BIGINT) NOT NULL -- selected items by licence
);
