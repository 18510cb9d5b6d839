-- What the camera wrote into every item.
-- in:   items
-- out:  item_exif(photo_id, category, tag, value); categories hold no dot, tags may
-- rows: one an item and tag
CREATE VIEW item_exif AS
SELECT
    photo_id,
    CASE WHEN contains(entry.key, '.') THEN split_part(entry.key, '.', 1) END AS category,
    CASE WHEN contains(entry.key, '.') THEN substr(entry.key, strpos(entry.key, '.') + 1)
         ELSE entry.key END AS tag,
    entry.value AS value
FROM (SELECT photo_id, unnest(map_entries(exif)) AS entry FROM items);
