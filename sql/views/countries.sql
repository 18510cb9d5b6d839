-- The countries that items were taken in.
-- in:   item_places, items
-- out:  countries(woeid, name, n_items, n_photos, n_videos)
-- rows: one a country, the one with most items first
CREATE VIEW countries AS
SELECT
    country.woeid AS woeid,
    country.name AS name,
    count(*) AS n_items,
    count(*) FILTER (WHERE media_kind = 'photo') AS n_photos,
    count(*) FILTER (WHERE media_kind = 'video') AS n_videos
FROM (
    SELECT media_kind, list_filter(places, lambda place: place.type = 'Country')[1] AS country
    FROM items
    WHERE places IS NOT NULL
)
WHERE country IS NOT NULL
GROUP BY ALL
ORDER BY n_items DESC, name;
