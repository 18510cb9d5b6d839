-- What light a concept is photographed in: median sensitivity, from the camera's own record.
-- in:   items
-- out:  concept, n_items, median_iso
-- rows: one of the 20 concepts with most readings
SELECT concept, count(*) AS n_items, median(iso)::INTEGER AS median_iso
FROM (
    SELECT
        unnest(map_keys(autotags)) AS concept,
        try_cast(exif['Exif SubIFD.ISO Speed Ratings'] AS INTEGER) AS iso
    FROM photos
    WHERE exif IS NOT NULL
)
WHERE iso BETWEEN 1 AND 1000000
GROUP BY concept
ORDER BY n_items DESC, concept
LIMIT 20;
