-- How the collection grew: uploads a month, and how long after the shot.
-- in:   items
-- out:  month, n_photos, n_videos, median_days_after (the shot)
-- rows: one a month
SELECT
    date_trunc('month', date_uploaded)::DATE AS month,
    count(*) FILTER (WHERE media_kind = 'photo') AS n_photos,
    count(*) FILTER (WHERE media_kind = 'video') AS n_videos,
    median(date_diff('day', date_taken, date_uploaded))::INTEGER AS median_days_after
FROM items
WHERE date_uploaded > TIMESTAMP '2004-01-01'
GROUP BY month
ORDER BY month;
