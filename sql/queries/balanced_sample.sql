-- A balanced sample for two concepts: the same number of items that have one and not the other.
-- in:   items
-- out:  label, photo_id, score, license, download_url
-- rows: up to 1,000 a concept, as many of each; the same ones every time
WITH labelled AS (
    SELECT
        photo_id,
        license,
        download_url,
        CASE WHEN autotags['beach'] >= 0.7 THEN 'beach' ELSE 'mountain' END AS label,
        coalesce(autotags['beach'], autotags['mountain']) AS score
    FROM photos
    WHERE (autotags['beach'] >= 0.7 AND autotags['mountain'] IS NULL)
       OR (autotags['mountain'] >= 0.7 AND autotags['beach'] IS NULL)
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY label ORDER BY hash(photo_id)) AS place
    FROM labelled
),
smaller AS (
    SELECT min(n_items) AS n_items
    FROM (SELECT count(*) AS n_items FROM labelled GROUP BY label)
)
SELECT label, photo_id, score, license, download_url
FROM ranked, smaller
WHERE place <= least(1000, smaller.n_items)
ORDER BY label, place;
