-- The countries that items were taken in: --country is looked up here, not in all items.
-- in:   items
-- out:  country_names
-- rows: one a country, by name; no such table in catalogs of earlier versions
CREATE TABLE country_names (
    woeid   BIGINT,                      -- of Yahoo's list of places
    "name"  VARCHAR                      -- as the places of items have it
);
