-- The segments of the index of words: so many items one after another.
-- in:   items
-- out:  word_segments, in CATALOG.words
-- rows: one for every 500,000 items, in the dataset's order
CREATE TABLE word_segments (
    segment    INTEGER NOT NULL,
    first_line BIGINT NOT NULL,
    n_items    BIGINT NOT NULL,
    n_words    BIGINT NOT NULL,    -- different ones
    n_postings BIGINT NOT NULL     -- pairs of a word and an item
);
