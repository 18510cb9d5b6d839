-- The items that have the words of --text, and how well these describe them.
-- in:   items, the index of words
-- out:  found
-- rows: one an item; none without --text
CREATE VIEW found AS
SELECT
    photo_id,
    score                        -- the higher the better, among the items of one query
FROM items JOIN found_items USING (line_number);
