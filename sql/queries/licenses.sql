-- How many photos and videos each licence covers, and what it permits.
-- in:   items
-- out:  license, license_name, n_photos, n_videos, is_commercial, allows_changes
-- rows: one a licence
SELECT
    license,
    any_value(license_name) AS license_name,
    count(*) FILTER (WHERE media_kind = 'photo') AS n_photos,
    count(*) FILTER (WHERE media_kind = 'video') AS n_videos,
    NOT contains(license, 'nc') AS is_commercial,
    NOT contains(license, 'nd') AS allows_changes
FROM items
GROUP BY license
ORDER BY n_photos + n_videos DESC;
