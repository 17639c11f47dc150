-- What leeway asks of postgresql://host/shop: made by `python tests/dialect_texts.py`

-- cells
WITH predictions AS (
SELECT 'pets' AS model, id, CASE WHEN coalesce(model_version, '') = '' THEN CASE WHEN occurred_at >= CAST('2025-03-02T00:00:00+00:00' AS TIMESTAMPTZ) THEN 2 ELSE 1 END WHEN model_version = 'v1' THEN 1 WHEN model_version = 'it''s "50%" \ $1 :x ?' THEN 2 ELSE 0 END AS version, occurred_at,
  coalesce(image, '') AS image, predicted_class, second_class,
  CASE WHEN confidence BETWEEN -0.000001 AND 1.000001 THEN confidence END AS confidence,
  coalesce("group", id) AS "group", slice, label,
  CASE WHEN draw_probability > 0 AND draw_probability <= 1.000001 THEN draw_probability END AS draw_probability,
  CAST(CAST('x' || substr(md5('it''s secret' || id), 1, 15) AS bit(60)) AS bigint) AS u
FROM (SELECT nullif(CAST("uuid" AS VARCHAR), '') AS id, "occurred_at" AS occurred_at, CASE WHEN lower(CAST("predicted_class" AS VARCHAR)) NOT IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null') THEN CAST("predicted_class" AS VARCHAR) END AS predicted_class, CAST("confidence" AS DOUBLE PRECISION) AS confidence, CAST("second_class" AS VARCHAR) AS second_class, CASE WHEN lower(CAST("truth" AS VARCHAR)) NOT IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null') THEN CAST("truth" AS VARCHAR) END AS label, CAST("chance" AS DOUBLE PRECISION) AS draw_probability, CAST("Camera Name" AS VARCHAR) AS slice, CAST("group" AS VARCHAR) AS "group", CAST("image" AS VARCHAR) AS image, CAST("model_version" AS VARCHAR) AS model_version FROM "serving"."predictions") AS columns_of_log
WHERE id IS NOT NULL AND occurred_at IS NOT NULL AND predicted_class IS NOT NULL
)
SELECT predictions.predicted_class, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END AS bin, predictions.slice, count(*) AS count_1 
FROM predictions 
WHERE predictions.model = $7 AND predictions.version = $8 AND predictions.occurred_at >= $9 AND predictions.occurred_at < $10 GROUP BY predictions.predicted_class, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END, predictions.slice
-- [-1, 0.9, 0.6, 0, 1, 2, 'pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc)];

-- cells with second classes
WITH predictions AS (... as above)
SELECT predictions.predicted_class, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END AS bin, predictions.slice, count(*) AS count_1, CASE WHEN (predictions.second_class IN ($11, $12)) THEN predictions.second_class END AS second 
FROM predictions 
WHERE predictions.model = $7 AND predictions.version = $8 AND predictions.occurred_at >= $9 AND predictions.occurred_at < $10 GROUP BY predictions.predicted_class, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END, predictions.slice, CASE WHEN (predictions.second_class IN ($11, $12)) THEN predictions.second_class END
-- [-1, 0.9, 0.6, 0, 1, 2, 'pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), 'cat', 'it\'s "50%" \\ $1 :x ?'];

-- cells as they were
WITH predictions AS (... as above)
SELECT predictions.predicted_class, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END AS bin, predictions.slice, count(*) AS count_1 
FROM predictions 
WHERE predictions.model = $7 AND predictions.version = $8 AND predictions.occurred_at >= $9 AND predictions.occurred_at < $10 GROUP BY predictions.predicted_class, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END, predictions.slice
-- [-1, 0.9, 0.6, 0, 1, 2, 'pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc)];

-- pick
WITH predictions AS (... as above),
wanted_cells AS 
(SELECT $13 AS said, $14 AS its_bin, $15 AS its_slice, $16 AS its_second, $17 AS most UNION ALL SELECT $18 AS said, $19 AS its_bin, $20 AS its_slice, $21 AS its_second, $22 AS most)
 SELECT night.predicted_class AS key_0, night.bin AS key_1, night.slice AS key_2, night.second AS key_3, night.place AS key_4, night.id, night.version, night.occurred_at, night.image, night.predicted_class, night.second_class, night.confidence, night."group", night.slice 
FROM (SELECT predictions.id AS id, predictions.version AS version, predictions.occurred_at AS occurred_at, predictions.image AS image, predictions.predicted_class AS predicted_class, predictions.second_class AS second_class, predictions.confidence AS confidence, predictions."group" AS "group", predictions.slice AS slice, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END AS bin, NULL AS second, (predictions.u - $7) & $8 AS place 
FROM predictions 
WHERE predictions.model = $9 AND predictions.version = $10 AND predictions.occurred_at >= $11 AND predictions.occurred_at < $12) AS night JOIN wanted_cells ON night.predicted_class = wanted_cells.said AND wanted_cells.its_bin = night.bin AND wanted_cells.its_slice = coalesce($23 || night.slice, $24) AND wanted_cells.its_second = $25 AND night.place < wanted_cells.most 
WHERE night.place < CASE night.predicted_class WHEN $26 THEN $27 WHEN $28 THEN $29 ELSE $30 END AND night.place < CASE night.bin WHEN $31 THEN $32 WHEN $33 THEN $34 ELSE $35 END
-- [-1, 0.9, 0.6, 0, 1, 2, 0, 1152921504606846975, 'pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), 'cat', 1, '', '', 1152921504606846976, 'it\'s "50%" \\ $1 :x ?', 2, '=it\'s "50%" \\ $1 :x ?', '', 1152921504606846976, '=', '', '', 'cat', 1152921504606846976, 'it\'s "50%" \\ $1 :x ?', 1152921504606846976, 0, 1, 1152921504606846976, 2, 1152921504606846976, 0];

-- pick one among second classes
WITH predictions AS (... as above),
wanted_cells AS 
(SELECT $13 AS said, $14 AS its_bin, $15 AS its_slice, $16 AS its_second, $17 AS most)
 SELECT night.predicted_class AS key_0, night.bin AS key_1, night.slice AS key_2, night.second AS key_3, night.place AS key_4, night.id, night.version, night.occurred_at, night.image, night.predicted_class, night.second_class, night.confidence, night."group", night.slice 
FROM (SELECT predictions.id AS id, predictions.version AS version, predictions.occurred_at AS occurred_at, predictions.image AS image, predictions.predicted_class AS predicted_class, predictions.second_class AS second_class, predictions.confidence AS confidence, predictions."group" AS "group", predictions.slice AS slice, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END AS bin, CASE WHEN (predictions.second_class IN ($28)) THEN predictions.second_class END AS second, (predictions.u - $7) & $8 AS place 
FROM predictions 
WHERE predictions.model = $9 AND predictions.version = $10 AND predictions.occurred_at >= $11 AND predictions.occurred_at < $12) AS night JOIN wanted_cells ON night.predicted_class = wanted_cells.said AND wanted_cells.its_bin = night.bin AND wanted_cells.its_slice = coalesce($18 || night.slice, $19) AND wanted_cells.its_second = coalesce($20 || night.second, $21) AND night.place < wanted_cells.most 
WHERE night.place < CASE night.predicted_class WHEN $22 THEN $23 ELSE $24 END AND night.place < CASE night.bin WHEN $25 THEN $26 ELSE $27 END
-- [-1, 0.9, 0.6, 0, 1, 2, 230584300921369395, 1152921504606846975, 'pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), 'cat', 1, '', '=it\'s "50%" \\ $1 :x ?', 1152921504606846976, '=', '', '=', '', 'cat', 1152921504606846976, 0, 1, 1152921504606846976, 0, 'it\'s "50%" \\ $1 :x ?'];

-- sample
WITH predictions AS (... as above)
SELECT predictions.id, predictions.version, predictions.occurred_at, predictions.image, predictions.predicted_class, predictions.second_class, predictions.confidence, predictions."group", predictions.slice 
FROM predictions 
WHERE predictions.model = $1 AND predictions.version = $2 AND predictions.occurred_at >= $3 AND predictions.occurred_at < $4 ORDER BY (predictions.u - $5) & $6, predictions.id 
 LIMIT $7
-- ['pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), 922337203685477580, 1152921504606846975, 20];

-- copies
WITH predictions AS (... as above)
SELECT CASE WHEN (predictions.image IN ($11)) THEN predictions.image ELSE predictions."group" END AS name, predictions.predicted_class, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END AS bin, count(*) AS count_1 
FROM predictions 
WHERE predictions.model = $7 AND predictions.version = $8 AND predictions.occurred_at >= $9 AND predictions.occurred_at < $10 AND (predictions.image IN ($11) OR predictions."group" IN ($12)) GROUP BY CASE WHEN (predictions.image IN ($11)) THEN predictions.image ELSE predictions."group" END, predictions.predicted_class, CASE WHEN (predictions.confidence IS NULL) THEN $1 ELSE CASE WHEN (predictions.confidence < $2) THEN CASE WHEN (predictions.confidence < $3) THEN $4 ELSE $5 END ELSE $6 END END
-- [-1, 0.9, 0.6, 0, 1, 2, 'pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), 'abababababababababababababababababababababababababababababababab', 'it\'s "50%" \\ $1 :x ?'];

-- count
WITH predictions AS (... as above)
SELECT count(*) AS count_1 
FROM predictions 
WHERE predictions.model = $1 AND predictions.version = $2 AND predictions.occurred_at >= $3 AND predictions.occurred_at < $4
-- ['pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc)];

-- first at
WITH predictions AS (... as above)
SELECT min(predictions.occurred_at) AS min_1 
FROM predictions 
WHERE predictions.model = $1 AND predictions.version = $2 AND predictions.occurred_at >= $3
-- ['pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)];

-- last at
WITH predictions AS (... as above)
SELECT max(predictions.occurred_at) AS max_1 
FROM predictions 
WHERE predictions.model = $1 AND predictions.version = $2 AND predictions.occurred_at < $3
-- ['pets', 1, datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc)];

-- rows by version
WITH predictions AS (... as above)
SELECT predictions.version, count(*) AS count_1 
FROM predictions 
WHERE predictions.model = $1 AND predictions.version IN ($4, $5) AND predictions.occurred_at >= $2 AND predictions.occurred_at < $3 GROUP BY predictions.version
-- ['pets', datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), 1, 2];

-- by ids
WITH predictions AS (... as above)
SELECT predictions.id, predictions.version, predictions.occurred_at, predictions.image, predictions.predicted_class, predictions.second_class, predictions.confidence, predictions."group", predictions.slice 
FROM predictions 
WHERE predictions.id IN ($1, $2)
-- ['a', 'it\'s "50%" \\ $1 :x ?'];

-- names of versions
WITH predictions AS (... as above), renamed AS (
SELECT nullif(CAST("uuid" AS VARCHAR), '') AS id, "occurred_at" AS occurred_at, CASE WHEN lower(CAST("predicted_class" AS VARCHAR)) NOT IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null') THEN CAST("predicted_class" AS VARCHAR) END AS predicted_class, CAST("confidence" AS DOUBLE PRECISION) AS confidence, CAST("second_class" AS VARCHAR) AS second_class, CASE WHEN lower(CAST("truth" AS VARCHAR)) NOT IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null') THEN CAST("truth" AS VARCHAR) END AS label, CAST("chance" AS DOUBLE PRECISION) AS draw_probability, CAST("Camera Name" AS VARCHAR) AS slice, CAST("group" AS VARCHAR) AS "group", CAST("image" AS VARCHAR) AS image, CAST("model_version" AS VARCHAR) AS model_version FROM "serving"."predictions"
)
SELECT renamed.model_version, min(renamed.occurred_at) AS min_1, max(renamed.occurred_at) AS max_1, count(*) AS count_1 
FROM renamed 
WHERE renamed.occurred_at >= $1 GROUP BY renamed.model_version
-- [datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)];

-- first given
WITH predictions AS (... as above), given_labels AS (
SELECT model, id, version, occurred_at, predicted_class, slice, label, draw_probability, nullif("group", id) AS "group"
FROM predictions WHERE label IS NOT NULL
)
SELECT given_labels.occurred_at 
FROM given_labels 
WHERE given_labels.model = $1 AND given_labels.version = $2 AND given_labels.occurred_at >= $3 AND given_labels.draw_probability IS NOT NULL ORDER BY given_labels.occurred_at 
 LIMIT $4
-- ['pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), 1];

-- given tallies
WITH predictions AS (... as above), given_labels AS (
SELECT model, id, version, occurred_at, predicted_class, slice, label, draw_probability, nullif("group", id) AS "group"
FROM predictions WHERE label IS NOT NULL
)
SELECT given_labels.predicted_class, given_labels.label, given_labels.slice, given_labels.draw_probability, count(*) AS count 
FROM given_labels 
WHERE given_labels.model = $1 AND given_labels.version = $2 AND given_labels.occurred_at >= $3 AND given_labels.occurred_at < $4 AND given_labels.draw_probability IS NOT NULL GROUP BY given_labels.predicted_class, given_labels.label, given_labels.slice, given_labels.draw_probability ORDER BY given_labels.predicted_class, given_labels.label, given_labels.slice NULLS FIRST, given_labels.draw_probability
-- ['pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc)];

-- given alike
WITH predictions AS (... as above), given_labels AS (
SELECT model, id, version, occurred_at, predicted_class, slice, label, draw_probability, nullif("group", id) AS "group"
FROM predictions WHERE label IS NOT NULL
),
alike AS 
(SELECT given_labels."group" AS "group", given_labels.predicted_class AS predicted_class, given_labels.slice AS slice, sum($2 / CAST(given_labels.draw_probability AS DOUBLE PRECISION)) AS weight, sum(($2 / CAST(given_labels.draw_probability AS DOUBLE PRECISION)) * ($2 / CAST(given_labels.draw_probability AS DOUBLE PRECISION))) AS square 
FROM given_labels 
WHERE given_labels.model = $3 AND given_labels.version = $4 AND given_labels.occurred_at >= $5 AND given_labels.occurred_at < $6 AND given_labels.draw_probability IS NOT NULL AND given_labels."group" IS NOT NULL GROUP BY given_labels."group", given_labels.predicted_class, given_labels.slice)
 SELECT anon_1.part, sum(anon_1.pairs) AS sum_1 
FROM (SELECT anon_2.part AS part, sum(anon_2.weight) * sum(anon_2.weight) - sum(anon_2.square) AS pairs 
FROM (SELECT alike."group" AS "group", $1 AS part, alike.weight AS weight, alike.square AS square 
FROM alike 
WHERE $1 IS NOT NULL) AS anon_2 GROUP BY anon_2."group", anon_2.part) AS anon_1 GROUP BY anon_1.part 
HAVING sum(anon_1.pairs) > $7 UNION ALL SELECT anon_3.part, sum(anon_3.pairs) AS sum_3 
FROM (SELECT anon_4.part AS part, sum(anon_4.weight) * sum(anon_4.weight) - sum(anon_4.square) AS pairs 
FROM (SELECT alike."group" AS "group", $8 || alike.predicted_class AS part, alike.weight AS weight, alike.square AS square 
FROM alike 
WHERE ($8 || alike.predicted_class) IS NOT NULL) AS anon_4 GROUP BY anon_4."group", anon_4.part) AS anon_3 GROUP BY anon_3.part 
HAVING sum(anon_3.pairs) > $9 UNION ALL SELECT anon_5.part, sum(anon_5.pairs) AS sum_5 
FROM (SELECT anon_6.part AS part, sum(anon_6.weight) * sum(anon_6.weight) - sum(anon_6.square) AS pairs 
FROM (SELECT alike."group" AS "group", $10 || alike.slice AS part, alike.weight AS weight, alike.square AS square 
FROM alike 
WHERE ($10 || alike.slice) IS NOT NULL) AS anon_6 GROUP BY anon_6."group", anon_6.part) AS anon_5 GROUP BY anon_5.part 
HAVING sum(anon_5.pairs) > $11
-- ['all', 1, 'pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), 0, 'class ', 0, 'slice ', 0];

-- given
WITH predictions AS (... as above)
SELECT label, predictions.id, predictions.version, predictions.occurred_at, predictions.image, predictions.predicted_class, predictions.second_class, predictions.confidence, predictions."group", predictions.slice 
FROM predictions 
WHERE predictions.model = $1 AND predictions.version = $2 AND predictions.occurred_at >= $3 AND predictions.occurred_at < $4 AND label IS NOT NULL ORDER BY (predictions.u - $5) & $6, predictions.id 
 LIMIT $7
-- ['pets', 1, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), 922337203685477580, 1152921504606846975, 50];

-- given by ids
WITH predictions AS (... as above), given_labels AS (
SELECT model, id, version, occurred_at, predicted_class, slice, label, draw_probability, nullif("group", id) AS "group"
FROM predictions WHERE label IS NOT NULL
)
SELECT given_labels.id, given_labels.label, given_labels.occurred_at 
FROM given_labels 
WHERE given_labels.id IN ($1, $2)
-- ['a', 'it\'s "50%" \\ $1 :x ?'];

-- unusable rows
WITH predictions AS (... as above), renamed AS (
SELECT nullif(CAST("uuid" AS VARCHAR), '') AS id, "occurred_at" AS occurred_at, CASE WHEN lower(CAST("predicted_class" AS VARCHAR)) NOT IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null') THEN CAST("predicted_class" AS VARCHAR) END AS predicted_class, CAST("confidence" AS DOUBLE PRECISION) AS confidence, CAST("second_class" AS VARCHAR) AS second_class, CASE WHEN lower(CAST("truth" AS VARCHAR)) NOT IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null') THEN CAST("truth" AS VARCHAR) END AS label, CAST("chance" AS DOUBLE PRECISION) AS draw_probability, CAST("Camera Name" AS VARCHAR) AS slice, CAST("group" AS VARCHAR) AS "group", CAST("image" AS VARCHAR) AS image, CAST("model_version" AS VARCHAR) AS model_version FROM "serving"."predictions"
)
SELECT count(*) AS count_1, sum(CASE WHEN (renamed.id IS NULL) THEN $1 ELSE $2 END) AS sum_1, sum(CASE WHEN (renamed.predicted_class IS NULL) THEN $3 ELSE $4 END) AS sum_2, sum(CASE WHEN (renamed.confidence NOT BETWEEN $5 AND $6) THEN $7 ELSE $8 END) AS sum_3, sum(CASE WHEN (renamed.draw_probability NOT BETWEEN $9 AND $10) THEN $11 ELSE $12 END) AS sum_4, count(DISTINCT renamed.id) AS count_2 
FROM renamed 
WHERE renamed.occurred_at >= $13 AND renamed.occurred_at < $14
-- [1, 0, 1, 0, -1e-06, 1.000001, 1, 0, -1e-06, 1.000001, 1, 0, datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc)];

-- rows without a time
WITH predictions AS (... as above), renamed AS (
SELECT nullif(CAST("uuid" AS VARCHAR), '') AS id, "occurred_at" AS occurred_at, CASE WHEN lower(CAST("predicted_class" AS VARCHAR)) NOT IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null') THEN CAST("predicted_class" AS VARCHAR) END AS predicted_class, CAST("confidence" AS DOUBLE PRECISION) AS confidence, CAST("second_class" AS VARCHAR) AS second_class, CASE WHEN lower(CAST("truth" AS VARCHAR)) NOT IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null') THEN CAST("truth" AS VARCHAR) END AS label, CAST("chance" AS DOUBLE PRECISION) AS draw_probability, CAST("Camera Name" AS VARCHAR) AS slice, CAST("group" AS VARCHAR) AS "group", CAST("image" AS VARCHAR) AS image, CAST("model_version" AS VARCHAR) AS model_version FROM "serving"."predictions"
)
SELECT count(*) AS count_1 
FROM renamed 
WHERE renamed.occurred_at IS NULL;

-- answers
WITH predictions AS (... as above)
SELECT predictions.predicted_class, count(*) AS count_1 
FROM predictions 
WHERE predictions.occurred_at >= $1 AND predictions.occurred_at < $2 GROUP BY predictions.predicted_class
-- [datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 3, 2, 0, 0, tzinfo=datetime.timezone.utc)];
