-- The places of every geotagged item, fine to coarse.
-- in:   items
-- out:  item_places(photo_id, woeid, name, type)
-- rows: one an item and place
CREATE VIEW item_places AS
SELECT photo_id, place.woeid AS woeid, place.name AS name, place.type AS type
FROM (SELECT photo_id, unnest(places) AS place FROM items);
