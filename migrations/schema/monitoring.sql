-- Roll-ups of the prediction log, drift and response. A room around the core: events know nothing of it.

create view modelpack.response as
select null::text as profile, null::text as score, null::text as model, null::integer as version, null::text as arm, null::date as day,
       null::bigint as predictions, null::bigint as entities, null::double precision as mean, null::double precision as deviation,
       null::double precision as p05, null::double precision as p25, null::double precision as p50, null::double precision as p75, null::double precision as p95,
       null::double precision as uncertain_share, null::double precision as entropy, null::double precision as largest_share, null::bigint as distinct_scores
 where false;
create view modelpack.drift as
select null::text as profile, null::text as score, null::text as model, null::integer as version, null::date as day, null::text as segment, null::text as input, null::text as against,
       null::bigint as rows, null::bigint as rows_before, null::double precision as effective_rows,
       null::double precision as psi, null::double precision as jensen_shannon, null::double precision as wasserstein,
       null::double precision as missing, null::double precision as missing_before, null::double precision as unseen, null::double precision as unseen_before,
       null::double precision as critical, null::boolean as drifted
 where false;
-- the same for each hour: what began today
create view modelpack.drift_by_hour as
select null::text as profile, null::text as score, null::text as model, null::integer as version, null::timestamptz as hour, null::text as segment, null::text as input, null::text as against,
       null::bigint as rows, null::bigint as rows_before, null::double precision as effective_rows,
       null::double precision as psi, null::double precision as jensen_shannon, null::double precision as wasserstein,
       null::double precision as missing, null::double precision as missing_before, null::double precision as unseen, null::double precision as unseen_before,
       null::double precision as critical, null::boolean as drifted
 where false;
create view modelpack.latency as
select null::text as profile, null::text as score, null::text as model, null::integer as version, null::timestamptz as hour, null::bigint as measured,
       null::double precision as p50, null::double precision as p95, null::double precision as p99
 where false;
create view modelpack.staleness as
select null::text as profile, null::text as score, null::text as model, null::timestamptz as hour, null::bigint as rows, null::bigint as stale, null::jsonb as reasons
 where false;
-- failures of the hour, by version and kind
create view modelpack.failures_by_hour as
select null::text as profile, null::text as model, null::integer as version, null::timestamptz as hour, null::text as kind, null::bigint as failures
 where false;
create view modelpack.timeline as
select null::timestamptz as at, null::text as kind, null::text as model, null::text as what
 where false;
create view modelpack.features as
select null::text as profile, null::text as feature, null::text as meaning, null::text as source, null::text as type, null::text as fresh,
       null::double precision as missing, null::double precision as minimum, null::double precision as maximum, null::text[] as versions
 where false;

grant select on modelpack.response, modelpack.drift, modelpack.drift_by_hour, modelpack.latency, modelpack.staleness, modelpack.failures_by_hour, modelpack.timeline, modelpack.features
   to modelpack_publisher, modelpack_approver, modelpack_monitor;
grant select, insert, update, delete on modelpack.response, modelpack.drift, modelpack.drift_by_hour, modelpack.latency, modelpack.staleness, modelpack.failures_by_hour,
      modelpack.timeline, modelpack.features
   to modelpack_owner;
