-- Which licences people chose in each country: what may be published where.
-- in:   items
-- out:  country, license, n_items, share (of the country's items, 0 to 1)
-- rows: one a country and licence, countries with most items first
WITH by_country AS (
    SELECT list_filter(places, lambda place: place.type = 'Country')[1].name AS country, license
    FROM items
    WHERE places IS NOT NULL
),
counted AS (
    SELECT country, license, count(*) AS n_items
    FROM by_country
    WHERE country IS NOT NULL
    GROUP BY country, license
)
SELECT
    country,
    license,
    n_items,
    round(n_items / sum(n_items) OVER (PARTITION BY country), 3) AS share
FROM counted
ORDER BY sum(n_items) OVER (PARTITION BY country) DESC, country, n_items DESC;
