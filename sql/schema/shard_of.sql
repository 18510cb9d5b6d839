-- The shard that owns the media directory of an id: a hash of its first six digits.
-- in:   photo_id BIGINT
-- out:  SMALLINT, 0 to 4095
-- rows: a scalar macro
CREATE MACRO shard_of(photo_id) AS (
    ((CASE WHEN photo_id < 1000000 THEN photo_id
           ELSE CAST(left(CAST(photo_id AS VARCHAR), 6) AS BIGINT) END
      * 2654435761) % 4294967296) >> 20
)::SMALLINT;
