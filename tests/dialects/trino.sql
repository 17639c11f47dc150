-- What leeway asks of trino://leeway@host/shop.serving.predictions: made by `python tests/dialect_texts.py`

-- cells
WITH predictions AS (
  SELECT
    'pets' AS model,
    id,
    CASE
      WHEN COALESCE(model_version, '') = ''
      THEN CASE
        WHEN occurred_at >= CAST('2025-03-02T00:00:00+00:00' AS TIMESTAMP WITH TIME ZONE)
        THEN 2
        ELSE 1
      END
      WHEN model_version = 'v1'
      THEN 1
      WHEN model_version = 'it''s "50%" \ $1 :x ?'
      THEN 2
      ELSE 0
    END AS version,
    occurred_at,
    COALESCE(image, '') AS image,
    predicted_class,
    second_class,
    CASE WHEN confidence BETWEEN -0.000001 AND 1.000001 THEN confidence END AS confidence,
    COALESCE("group", id) AS "group",
    slice,
    label,
    CASE
      WHEN draw_probability > 0 AND draw_probability <= 1.000001
      THEN draw_probability
    END AS draw_probability,
    FROM_BASE(
      SUBSTR(
        LOWER(
          TO_HEX(MD5(TO_UTF8(CONCAT(CAST('it''s secret' AS VARCHAR), CAST(id AS VARCHAR)))))
        ),
        1,
        15
      ),
      16
    ) AS u
  FROM (
    SELECT
      NULLIF(CAST("uuid" AS VARCHAR), '') AS id,
      "occurred_at" AS occurred_at,
      CASE
        WHEN NOT LOWER(CAST("predicted_class" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
        THEN CAST("predicted_class" AS VARCHAR)
      END AS predicted_class,
      CAST("confidence" AS DOUBLE) AS confidence,
      CAST("second_class" AS VARCHAR) AS second_class,
      CASE
        WHEN NOT LOWER(CAST("truth" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
        THEN CAST("truth" AS VARCHAR)
      END AS label,
      CAST("chance" AS DOUBLE) AS draw_probability,
      CAST("Camera Name" AS VARCHAR) AS slice,
      CAST("group" AS VARCHAR) AS "group",
      CAST("image" AS VARCHAR) AS image,
      CAST("model_version" AS VARCHAR) AS model_version
    FROM "shop"."serving"."predictions"
  ) AS columns_of_log
  WHERE
    id IS NOT NULL AND occurred_at IS NOT NULL AND predicted_class IS NOT NULL
)
SELECT
  predictions.predicted_class,
  CASE
    WHEN (
      predictions.confidence IS NULL
    )
    THEN -1
    ELSE CASE
      WHEN (
        predictions.confidence < 0.9
      )
      THEN CASE WHEN (
        predictions.confidence < 0.6
      ) THEN 0 ELSE 1 END
      ELSE 2
    END
  END AS bin,
  predictions.slice,
  COUNT(*) AS count_1
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version = 1
  AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
GROUP BY
  predictions.predicted_class,
  CASE
    WHEN (
      predictions.confidence IS NULL
    )
    THEN -1
    ELSE CASE
      WHEN (
        predictions.confidence < 0.9
      )
      THEN CASE WHEN (
        predictions.confidence < 0.6
      ) THEN 0 ELSE 1 END
      ELSE 2
    END
  END,
  predictions.slice;

-- cells with second classes
WITH predictions AS (... as above)
SELECT
  predictions.predicted_class,
  CASE
    WHEN (
      predictions.confidence IS NULL
    )
    THEN -1
    ELSE CASE
      WHEN (
        predictions.confidence < 0.9
      )
      THEN CASE WHEN (
        predictions.confidence < 0.6
      ) THEN 0 ELSE 1 END
      ELSE 2
    END
  END AS bin,
  predictions.slice,
  COUNT(*) AS count_1,
  CASE
    WHEN (
      predictions.second_class IN ('cat', 'it''s "50%" \ $1 :x ?')
    )
    THEN predictions.second_class
  END AS second
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version = 1
  AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
GROUP BY
  predictions.predicted_class,
  CASE
    WHEN (
      predictions.confidence IS NULL
    )
    THEN -1
    ELSE CASE
      WHEN (
        predictions.confidence < 0.9
      )
      THEN CASE WHEN (
        predictions.confidence < 0.6
      ) THEN 0 ELSE 1 END
      ELSE 2
    END
  END,
  predictions.slice,
  CASE
    WHEN (
      predictions.second_class IN ('cat', 'it''s "50%" \ $1 :x ?')
    )
    THEN predictions.second_class
  END;

-- cells as they were
WITH predictions AS (
  SELECT
    'pets' AS model,
    id,
    CASE
      WHEN COALESCE(model_version, '') = ''
      THEN CASE
        WHEN occurred_at >= CAST('2025-03-02T00:00:00+00:00' AS TIMESTAMP WITH TIME ZONE)
        THEN 2
        ELSE 1
      END
      WHEN model_version = 'v1'
      THEN 1
      WHEN model_version = 'it''s "50%" \ $1 :x ?'
      THEN 2
      ELSE 0
    END AS version,
    occurred_at,
    COALESCE(image, '') AS image,
    predicted_class,
    second_class,
    CASE WHEN confidence BETWEEN -0.000001 AND 1.000001 THEN confidence END AS confidence,
    COALESCE("group", id) AS "group",
    slice,
    label,
    CASE
      WHEN draw_probability > 0 AND draw_probability <= 1.000001
      THEN draw_probability
    END AS draw_probability,
    FROM_BASE(
      SUBSTR(
        LOWER(
          TO_HEX(MD5(TO_UTF8(CONCAT(CAST('it''s secret' AS VARCHAR), CAST(id AS VARCHAR)))))
        ),
        1,
        15
      ),
      16
    ) AS u
  FROM (
    SELECT
      NULLIF(CAST("uuid" AS VARCHAR), '') AS id,
      "occurred_at" AS occurred_at,
      CASE
        WHEN NOT LOWER(CAST("predicted_class" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
        THEN CAST("predicted_class" AS VARCHAR)
      END AS predicted_class,
      CAST("confidence" AS DOUBLE) AS confidence,
      CAST("second_class" AS VARCHAR) AS second_class,
      CASE
        WHEN NOT LOWER(CAST("truth" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
        THEN CAST("truth" AS VARCHAR)
      END AS label,
      CAST("chance" AS DOUBLE) AS draw_probability,
      CAST("Camera Name" AS VARCHAR) AS slice,
      CAST("group" AS VARCHAR) AS "group",
      CAST("image" AS VARCHAR) AS image,
      CAST("model_version" AS VARCHAR) AS model_version
    FROM "shop"."serving"."predictions" FOR VERSION AS OF 8954597067493422955
  ) AS columns_of_log
  WHERE
    id IS NOT NULL AND occurred_at IS NOT NULL AND predicted_class IS NOT NULL
)
SELECT
  predictions.predicted_class,
  CASE
    WHEN (
      predictions.confidence IS NULL
    )
    THEN -1
    ELSE CASE
      WHEN (
        predictions.confidence < 0.9
      )
      THEN CASE WHEN (
        predictions.confidence < 0.6
      ) THEN 0 ELSE 1 END
      ELSE 2
    END
  END AS bin,
  predictions.slice,
  COUNT(*) AS count_1
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version = 1
  AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
GROUP BY
  predictions.predicted_class,
  CASE
    WHEN (
      predictions.confidence IS NULL
    )
    THEN -1
    ELSE CASE
      WHEN (
        predictions.confidence < 0.9
      )
      THEN CASE WHEN (
        predictions.confidence < 0.6
      ) THEN 0 ELSE 1 END
      ELSE 2
    END
  END,
  predictions.slice;

-- pick
WITH predictions AS (... as above), wanted_cells AS (
  SELECT
    'cat' AS said,
    1 AS its_bin,
    '' AS its_slice,
    '' AS its_second,
    1152921504606846976 AS most
  UNION ALL
  SELECT
    'it''s "50%" \ $1 :x ?' AS said,
    2 AS its_bin,
    '=it''s "50%" \ $1 :x ?' AS its_slice,
    '' AS its_second,
    1152921504606846976 AS most
)
SELECT
  night.predicted_class AS key_0,
  night.bin AS key_1,
  night.slice AS key_2,
  night.second AS key_3,
  night.place AS key_4,
  night.id,
  night.version,
  night.occurred_at,
  night.image,
  night.predicted_class,
  night.second_class,
  night.confidence,
  night."group",
  night.slice
FROM (
  SELECT
    predictions.id AS id,
    predictions.version AS version,
    predictions.occurred_at AS occurred_at,
    predictions.image AS image,
    predictions.predicted_class AS predicted_class,
    predictions.second_class AS second_class,
    predictions.confidence AS confidence,
    predictions."group" AS "group",
    predictions.slice AS slice,
    CASE
      WHEN (
        predictions.confidence IS NULL
      )
      THEN -1
      ELSE CASE
        WHEN (
          predictions.confidence < 0.9
        )
        THEN CASE WHEN (
          predictions.confidence < 0.6
        ) THEN 0 ELSE 1 END
        ELSE 2
      END
    END AS bin,
    NULL AS second,
    BITWISE_AND((
      predictions.u - 0
    ), 1152921504606846975) AS place
  FROM predictions
  WHERE
    predictions.model = 'pets'
    AND predictions.version = 1
    AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
    AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
) AS night
JOIN wanted_cells
  ON night.predicted_class = wanted_cells.said
  AND wanted_cells.its_bin = night.bin
  AND wanted_cells.its_slice = COALESCE(CONCAT(CAST('=' AS VARCHAR), CAST(night.slice AS VARCHAR)), '')
  AND wanted_cells.its_second = ''
  AND night.place < wanted_cells.most
WHERE
  night.place < CASE night.predicted_class
    WHEN 'cat'
    THEN 1152921504606846976
    WHEN 'it''s "50%" \ $1 :x ?'
    THEN 1152921504606846976
    ELSE 0
  END
  AND night.place < CASE night.bin
    WHEN 1
    THEN 1152921504606846976
    WHEN 2
    THEN 1152921504606846976
    ELSE 0
  END;

-- pick one among second classes
WITH predictions AS (... as above), wanted_cells AS (
  SELECT
    'cat' AS said,
    1 AS its_bin,
    '' AS its_slice,
    '=it''s "50%" \ $1 :x ?' AS its_second,
    1152921504606846976 AS most
)
SELECT
  night.predicted_class AS key_0,
  night.bin AS key_1,
  night.slice AS key_2,
  night.second AS key_3,
  night.place AS key_4,
  night.id,
  night.version,
  night.occurred_at,
  night.image,
  night.predicted_class,
  night.second_class,
  night.confidence,
  night."group",
  night.slice
FROM (
  SELECT
    predictions.id AS id,
    predictions.version AS version,
    predictions.occurred_at AS occurred_at,
    predictions.image AS image,
    predictions.predicted_class AS predicted_class,
    predictions.second_class AS second_class,
    predictions.confidence AS confidence,
    predictions."group" AS "group",
    predictions.slice AS slice,
    CASE
      WHEN (
        predictions.confidence IS NULL
      )
      THEN -1
      ELSE CASE
        WHEN (
          predictions.confidence < 0.9
        )
        THEN CASE WHEN (
          predictions.confidence < 0.6
        ) THEN 0 ELSE 1 END
        ELSE 2
      END
    END AS bin,
    CASE
      WHEN (
        predictions.second_class IN ('it''s "50%" \ $1 :x ?')
      )
      THEN predictions.second_class
    END AS second,
    BITWISE_AND((
      predictions.u - 230584300921369395
    ), 1152921504606846975) AS place
  FROM predictions
  WHERE
    predictions.model = 'pets'
    AND predictions.version = 1
    AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
    AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
) AS night
JOIN wanted_cells
  ON night.predicted_class = wanted_cells.said
  AND wanted_cells.its_bin = night.bin
  AND wanted_cells.its_slice = COALESCE(CONCAT(CAST('=' AS VARCHAR), CAST(night.slice AS VARCHAR)), '')
  AND wanted_cells.its_second = COALESCE(CONCAT(CAST('=' AS VARCHAR), CAST(night.second AS VARCHAR)), '')
  AND night.place < wanted_cells.most
WHERE
  night.place < CASE night.predicted_class WHEN 'cat' THEN 1152921504606846976 ELSE 0 END
  AND night.place < CASE night.bin WHEN 1 THEN 1152921504606846976 ELSE 0 END;

-- sample
WITH predictions AS (... as above)
SELECT
  predictions.id,
  predictions.version,
  predictions.occurred_at,
  predictions.image,
  predictions.predicted_class,
  predictions.second_class,
  predictions.confidence,
  predictions."group",
  predictions.slice
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version = 1
  AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
ORDER BY
  BITWISE_AND((
    predictions.u - 922337203685477580
  ), 1152921504606846975),
  predictions.id
LIMIT 20;

-- copies
WITH predictions AS (... as above)
SELECT
  CASE
    WHEN (
      predictions.image IN ('abababababababababababababababababababababababababababababababab')
    )
    THEN predictions.image
    ELSE predictions."group"
  END AS name,
  predictions.predicted_class,
  CASE
    WHEN (
      predictions.confidence IS NULL
    )
    THEN -1
    ELSE CASE
      WHEN (
        predictions.confidence < 0.9
      )
      THEN CASE WHEN (
        predictions.confidence < 0.6
      ) THEN 0 ELSE 1 END
      ELSE 2
    END
  END AS bin,
  COUNT(*) AS count_1
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version = 1
  AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND (
    predictions.image IN ('abababababababababababababababababababababababababababababababab')
    OR predictions."group" IN ('it''s "50%" \ $1 :x ?')
  )
GROUP BY
  CASE
    WHEN (
      predictions.image IN ('abababababababababababababababababababababababababababababababab')
    )
    THEN predictions.image
    ELSE predictions."group"
  END,
  predictions.predicted_class,
  CASE
    WHEN (
      predictions.confidence IS NULL
    )
    THEN -1
    ELSE CASE
      WHEN (
        predictions.confidence < 0.9
      )
      THEN CASE WHEN (
        predictions.confidence < 0.6
      ) THEN 0 ELSE 1 END
      ELSE 2
    END
  END;

-- count
WITH predictions AS (... as above)
SELECT
  COUNT(*) AS count_1
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version = 1
  AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE);

-- first at
WITH predictions AS (... as above)
SELECT
  MIN(predictions.occurred_at) AS min_1
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version = 1
  AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE);

-- last at
WITH predictions AS (... as above)
SELECT
  MAX(predictions.occurred_at) AS max_1
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version = 1
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE);

-- rows by version
WITH predictions AS (... as above)
SELECT
  predictions.version,
  COUNT(*) AS count_1
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version IN (1, 2)
  AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
GROUP BY
  predictions.version;

-- by ids
WITH predictions AS (... as above)
SELECT
  predictions.id,
  predictions.version,
  predictions.occurred_at,
  predictions.image,
  predictions.predicted_class,
  predictions.second_class,
  predictions.confidence,
  predictions."group",
  predictions.slice
FROM predictions
WHERE
  predictions.id IN ('a', 'it''s "50%" \ $1 :x ?');

-- names of versions
WITH predictions AS (... as above), renamed AS (
  SELECT
    NULLIF(CAST("uuid" AS VARCHAR), '') AS id,
    "occurred_at" AS occurred_at,
    CASE
      WHEN NOT LOWER(CAST("predicted_class" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
      THEN CAST("predicted_class" AS VARCHAR)
    END AS predicted_class,
    CAST("confidence" AS DOUBLE) AS confidence,
    CAST("second_class" AS VARCHAR) AS second_class,
    CASE
      WHEN NOT LOWER(CAST("truth" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
      THEN CAST("truth" AS VARCHAR)
    END AS label,
    CAST("chance" AS DOUBLE) AS draw_probability,
    CAST("Camera Name" AS VARCHAR) AS slice,
    CAST("group" AS VARCHAR) AS "group",
    CAST("image" AS VARCHAR) AS image,
    CAST("model_version" AS VARCHAR) AS model_version
  FROM "shop"."serving"."predictions"
)
SELECT
  renamed.model_version,
  MIN(renamed.occurred_at) AS min_1,
  MAX(renamed.occurred_at) AS max_1,
  COUNT(*) AS count_1
FROM renamed
WHERE
  renamed.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
GROUP BY
  renamed.model_version;

-- first given
WITH predictions AS (... as above), given_labels AS (
  SELECT
    model,
    id,
    version,
    occurred_at,
    predicted_class,
    slice,
    label,
    draw_probability,
    NULLIF("group", id) AS "group"
  FROM predictions
  WHERE
    label IS NOT NULL
)
SELECT
  given_labels.occurred_at
FROM given_labels
WHERE
  given_labels.model = 'pets'
  AND given_labels.version = 1
  AND given_labels.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND given_labels.draw_probability IS NOT NULL
ORDER BY
  given_labels.occurred_at
LIMIT 1;

-- given tallies
WITH predictions AS (... as above), given_labels AS (
  SELECT
    model,
    id,
    version,
    occurred_at,
    predicted_class,
    slice,
    label,
    draw_probability,
    NULLIF("group", id) AS "group"
  FROM predictions
  WHERE
    label IS NOT NULL
)
SELECT
  given_labels.predicted_class,
  given_labels.label,
  given_labels.slice,
  given_labels.draw_probability,
  COUNT(*) AS count
FROM given_labels
WHERE
  given_labels.model = 'pets'
  AND given_labels.version = 1
  AND given_labels.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND given_labels.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND given_labels.draw_probability IS NOT NULL
GROUP BY
  given_labels.predicted_class,
  given_labels.label,
  given_labels.slice,
  given_labels.draw_probability
ORDER BY
  given_labels.predicted_class,
  given_labels.label,
  given_labels.slice NULLS FIRST,
  given_labels.draw_probability;

-- given alike
WITH predictions AS (... as above), given_labels AS (
  SELECT
    model,
    id,
    version,
    occurred_at,
    predicted_class,
    slice,
    label,
    draw_probability,
    NULLIF("group", id) AS "group"
  FROM predictions
  WHERE
    label IS NOT NULL
), alike AS (
  SELECT
    given_labels."group" AS "group",
    given_labels.predicted_class AS predicted_class,
    given_labels.slice AS slice,
    SUM(1 / CAST(given_labels.draw_probability AS DOUBLE)) AS weight,
    SUM(
      (
        1 / CAST(given_labels.draw_probability AS DOUBLE)
      ) * (
        1 / CAST(given_labels.draw_probability AS DOUBLE)
      )
    ) AS square
  FROM given_labels
  WHERE
    given_labels.model = 'pets'
    AND given_labels.version = 1
    AND given_labels.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
    AND given_labels.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
    AND given_labels.draw_probability IS NOT NULL
    AND given_labels."group" IS NOT NULL
  GROUP BY
    given_labels."group",
    given_labels.predicted_class,
    given_labels.slice
)
SELECT
  anon_1.part,
  SUM(anon_1.pairs) AS sum_1
FROM (
  SELECT
    anon_2.part AS part,
    SUM(anon_2.weight) * SUM(anon_2.weight) - SUM(anon_2.square) AS pairs
  FROM (
    SELECT
      alike."group" AS "group",
      'all' AS part,
      alike.weight AS weight,
      alike.square AS square
    FROM alike
    WHERE
      'all' IS NOT NULL
  ) AS anon_2
  GROUP BY
    anon_2."group",
    anon_2.part
) AS anon_1
GROUP BY
  anon_1.part
HAVING
  SUM(anon_1.pairs) > 0
UNION ALL
SELECT
  anon_3.part,
  SUM(anon_3.pairs) AS sum_3
FROM (
  SELECT
    anon_4.part AS part,
    SUM(anon_4.weight) * SUM(anon_4.weight) - SUM(anon_4.square) AS pairs
  FROM (
    SELECT
      alike."group" AS "group",
      CONCAT(CAST('class ' AS VARCHAR), CAST(alike.predicted_class AS VARCHAR)) AS part,
      alike.weight AS weight,
      alike.square AS square
    FROM alike
    WHERE
      (
        CONCAT(CAST('class ' AS VARCHAR), CAST(alike.predicted_class AS VARCHAR))
      ) IS NOT NULL
  ) AS anon_4
  GROUP BY
    anon_4."group",
    anon_4.part
) AS anon_3
GROUP BY
  anon_3.part
HAVING
  SUM(anon_3.pairs) > 0
UNION ALL
SELECT
  anon_5.part,
  SUM(anon_5.pairs) AS sum_5
FROM (
  SELECT
    anon_6.part AS part,
    SUM(anon_6.weight) * SUM(anon_6.weight) - SUM(anon_6.square) AS pairs
  FROM (
    SELECT
      alike."group" AS "group",
      CONCAT(CAST('slice ' AS VARCHAR), CAST(alike.slice AS VARCHAR)) AS part,
      alike.weight AS weight,
      alike.square AS square
    FROM alike
    WHERE
      (
        CONCAT(CAST('slice ' AS VARCHAR), CAST(alike.slice AS VARCHAR))
      ) IS NOT NULL
  ) AS anon_6
  GROUP BY
    anon_6."group",
    anon_6.part
) AS anon_5
GROUP BY
  anon_5.part
HAVING
  SUM(anon_5.pairs) > 0;

-- given
WITH predictions AS (... as above)
SELECT
  label,
  predictions.id,
  predictions.version,
  predictions.occurred_at,
  predictions.image,
  predictions.predicted_class,
  predictions.second_class,
  predictions.confidence,
  predictions."group",
  predictions.slice
FROM predictions
WHERE
  predictions.model = 'pets'
  AND predictions.version = 1
  AND predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND label IS NOT NULL
ORDER BY
  BITWISE_AND((
    predictions.u - 922337203685477580
  ), 1152921504606846975),
  predictions.id
LIMIT 50;

-- given by ids
WITH predictions AS (... as above), given_labels AS (
  SELECT
    model,
    id,
    version,
    occurred_at,
    predicted_class,
    slice,
    label,
    draw_probability,
    NULLIF("group", id) AS "group"
  FROM predictions
  WHERE
    label IS NOT NULL
)
SELECT
  given_labels.id,
  given_labels.label,
  given_labels.occurred_at
FROM given_labels
WHERE
  given_labels.id IN ('a', 'it''s "50%" \ $1 :x ?');

-- unusable rows
WITH predictions AS (... as above), renamed AS (
  SELECT
    NULLIF(CAST("uuid" AS VARCHAR), '') AS id,
    "occurred_at" AS occurred_at,
    CASE
      WHEN NOT LOWER(CAST("predicted_class" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
      THEN CAST("predicted_class" AS VARCHAR)
    END AS predicted_class,
    CAST("confidence" AS DOUBLE) AS confidence,
    CAST("second_class" AS VARCHAR) AS second_class,
    CASE
      WHEN NOT LOWER(CAST("truth" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
      THEN CAST("truth" AS VARCHAR)
    END AS label,
    CAST("chance" AS DOUBLE) AS draw_probability,
    CAST("Camera Name" AS VARCHAR) AS slice,
    CAST("group" AS VARCHAR) AS "group",
    CAST("image" AS VARCHAR) AS image,
    CAST("model_version" AS VARCHAR) AS model_version
  FROM "shop"."serving"."predictions"
)
SELECT
  COUNT(*) AS count_1,
  SUM(CASE WHEN (
    renamed.id IS NULL
  ) THEN 1 ELSE 0 END) AS sum_1,
  SUM(CASE WHEN (
    renamed.predicted_class IS NULL
  ) THEN 1 ELSE 0 END) AS sum_2,
  SUM(
    CASE
      WHEN (
        NOT renamed.confidence BETWEEN -0.000001 AND 1.000001
      )
      THEN 1
      ELSE 0
    END
  ) AS sum_3,
  SUM(
    CASE
      WHEN (
        NOT renamed.draw_probability BETWEEN -0.000001 AND 1.000001
      )
      THEN 1
      ELSE 0
    END
  ) AS sum_4,
  COUNT(DISTINCT renamed.id) AS count_2
FROM renamed
WHERE
  renamed.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND renamed.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE);

-- rows without a time
WITH predictions AS (... as above), renamed AS (
  SELECT
    NULLIF(CAST("uuid" AS VARCHAR), '') AS id,
    "occurred_at" AS occurred_at,
    CASE
      WHEN NOT LOWER(CAST("predicted_class" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
      THEN CAST("predicted_class" AS VARCHAR)
    END AS predicted_class,
    CAST("confidence" AS DOUBLE) AS confidence,
    CAST("second_class" AS VARCHAR) AS second_class,
    CASE
      WHEN NOT LOWER(CAST("truth" AS VARCHAR)) IN ('', '#n/a', '#na', '-nan', '<na>', 'n/a', 'na', 'nan', 'nat', 'none', 'null')
      THEN CAST("truth" AS VARCHAR)
    END AS label,
    CAST("chance" AS DOUBLE) AS draw_probability,
    CAST("Camera Name" AS VARCHAR) AS slice,
    CAST("group" AS VARCHAR) AS "group",
    CAST("image" AS VARCHAR) AS image,
    CAST("model_version" AS VARCHAR) AS model_version
  FROM "shop"."serving"."predictions"
)
SELECT
  COUNT(*) AS count_1
FROM renamed
WHERE
  renamed.occurred_at IS NULL;

-- answers
WITH predictions AS (... as above)
SELECT
  predictions.predicted_class,
  COUNT(*) AS count_1
FROM predictions
WHERE
  predictions.occurred_at >= CAST('2025-03-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
  AND predictions.occurred_at < CAST('2025-03-02 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)
GROUP BY
  predictions.predicted_class;
