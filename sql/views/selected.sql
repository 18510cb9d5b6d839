-- The items that the selection flags of `yfcc query` choose; without flags all of them.
-- in:   items
-- out:  selected, with the columns of items
-- rows: one an item
CREATE VIEW selected AS SELECT * FROM items WHERE true;
