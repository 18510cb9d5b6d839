-- What the stored bytes are: kinds, sizes and dimensions.
-- in:   downloads
-- out:  content_type, n_items, megabytes, median_bytes, median_width, median_height
-- rows: one a content type
SELECT
    content_type,
    count(*) AS n_items,
    round(sum(n_bytes) / 1e6, 1) AS megabytes,
    median(n_bytes)::BIGINT AS median_bytes,
    median(width)::INTEGER AS median_width,
    median(height)::INTEGER AS median_height
FROM downloads
WHERE outcome = 'stored'
GROUP BY content_type
ORDER BY n_items DESC;
