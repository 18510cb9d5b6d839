-- How precisely items are located, and how much of a country is covered.
-- in:   items
-- out:  accuracy (1 world to 16 street), n_items, share (of the geotagged, 0 to 1)
-- rows: one an accuracy
SELECT
    accuracy,
    count(*) AS n_items,
    round(count(*) / sum(count(*)) OVER (), 4) AS share
FROM items
WHERE accuracy IS NOT NULL
GROUP BY accuracy
ORDER BY accuracy;
