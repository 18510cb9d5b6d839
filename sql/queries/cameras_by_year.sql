-- The cameras people used, year by year.
-- in:   items
-- out:  year, capture_device, n_items
-- rows: up to 10 a year, the most used first
SELECT year(date_taken) AS year, capture_device, count(*) AS n_items
FROM items
WHERE capture_device IS NOT NULL
  AND date_taken BETWEEN TIMESTAMP '1990-01-01' AND TIMESTAMP '2015-01-01'
GROUP BY year, capture_device
QUALIFY row_number() OVER (PARTITION BY year ORDER BY n_items DESC, capture_device) <= 10
ORDER BY year, n_items DESC, capture_device;
