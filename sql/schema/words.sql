-- The index of words beside the catalog: which items have a word in title, description or tags.
-- in:   items
-- out:  words, in CATALOG.words
-- rows: one for every word of a segment, in the words' order; segments follow one another
CREATE TABLE words (
    segment INTEGER NOT NULL,
    token   VARCHAR NOT NULL,    -- folded; of scripts without blanks a pair of characters, or one
    n_items INTEGER NOT NULL,    -- of the segment that have it
    -- Packed as text_loops.pack says; zstd takes another third off, above all from rare words.
    lines   BLOB NOT NULL USING COMPRESSION zstd, -- line numbers, from the segment's first on
    levels  BLOB NOT NULL USING COMPRESSION zstd  -- how well the word describes each, 0 to 15
);
