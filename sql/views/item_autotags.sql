-- The visual concepts of every item.
-- in:   items
-- out:  item_autotags(photo_id, concept, score)
-- rows: one an item and concept
CREATE VIEW item_autotags AS
SELECT photo_id, tag.key AS concept, tag.value AS score
FROM (SELECT photo_id, unnest(map_entries(autotags)) AS tag FROM items);
