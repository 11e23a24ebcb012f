-- What a promotion writes: the functions between the scripts and the champion (the seam).
-- Written by `make docs`; look at it, do not edit it.
--
-- The profile is that of shop.py. Its model has the inputs complaints, days_quiet and plan, which is a text; version 1
-- was published and promoted. Each body is shown as the server has it; other lines that are long are broken. All stand
-- in the schema modelpack, and only the role that the triggers run as may call them.

CREATE OR REPLACE FUNCTION modelpack.customer_batched()
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_nothing boolean;
begin
  return coalesce(true and modelpack.customer_score_churn_enabled(v_nothing), false);
end
$function$;

comment on function modelpack.customer_batched() is
  'Whether champions score many rows of public.customer in one call. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_meet(keys text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into modelpack.ignored (profile, entity_key)
  select 'public.customer', k.key from unnest(keys) with ordinality as k (key, place) order by k.place
  on conflict (profile, entity_key) do update set entity_key = excluded.entity_key;
end
$function$;

comment on function modelpack.customer_meet(text[]) is
  'Locks keys without a profile of public.customer, for who makes one and who brings events that are ignored or '
  'takes events. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_same(p anyelement, q anyelement)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$select row(p.plan)::pg_catalog.record operator(pg_catalog.*=) row(q.plan)::pg_catalog.record$function$;

comment on function modelpack.customer_same(anyelement, anyelement) is
  'Whether two rows of public.customer agree in what champions read, beside the columns that events keep. '
  '[customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_chosen(p anyelement)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$select (null)::integer$function$;

comment on function modelpack.customer_score_churn_chosen(anyelement) is
  'The version of churn that is chosen for a row, for the score churn; NULL: the champion. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_enabled(nothing boolean)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$select nothing is null$function$;

comment on function modelpack.customer_score_churn_enabled(boolean) is
  'Whether the score churn may be given, asked with NULL: true, or NULL once modelpack.disable has made it STRICT. '
  'No promotion changes it. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_many(version integer, numbers bytea, texts text[])
 RETURNS double precision[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_nothing boolean;
  v_id constant integer := case when modelpack.customer_score_churn_enabled(v_nothing) then case version when 1 then 1 end end;
  v_scores double precision[] := '{}';
begin
  if v_id is null then
    return v_scores;
  end if;
  if current_setting('modelpack.plpython', true) = 'loaded' then
    return modelpack.score_many(v_id, numbers, texts)::double precision[];
  end if;
  -- a server whose PL/Python library is missing costs rows their scores, not events
  begin
    v_scores := modelpack.score_many(v_id, numbers, texts)::double precision[];
    perform set_config('modelpack.plpython', 'loaded', false);
  exception when undefined_file then
    if sqlerrm not like '%plpython%' then
      raise;
    end if;
  end;
  return v_scores;
end
$function$;

comment on function modelpack.customer_score_churn_many(integer, bytea, text[]) is
  'The scores churn of many rows, by the champion of churn; NaN where a row has to be scored by itself. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_numbers(p anyelement, "the moment" timestamp with time zone,
  version integer)
 RETURNS double precision[]
 LANGUAGE sql
 STABLE
AS $function$select case version
       when 1 then array[
         p.complaints::double precision,
         (case when isfinite(p.last_purchase_at) and p.last_purchase_at < date '200000-01-01' then date_part('epoch', "the moment" - p.last_purchase_at::timestamptz) / 86400 end)::double precision]
       end$function$;

comment on function modelpack.customer_score_churn_numbers(anyelement, timestamp with time zone, integer) is
  'The numbers that a version of churn is fed from a profile row. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_predict(version integer, numbers double precision[],
  texts text[], entity_key text, moment timestamp with time zone, logged boolean)
 RETURNS double precision
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
declare
  v_nothing boolean;
  v_started constant timestamptz := clock_timestamp();
  v_score double precision;
  v_microseconds integer;
begin
  -- the first call of a session, when nobody knows yet whether the server has PL/Python, is made more carefully
  if current_setting('modelpack.plpython', true) = 'loaded' then
    v_score := case when numbers is not null and modelpack.customer_score_churn_enabled(v_nothing) then case version
                 when 1 then modelpack.score(1, numbers, texts)
               end end;
  else
    v_score := case when numbers is not null and modelpack.customer_score_churn_enabled(v_nothing) then case version
                 when 1 then modelpack.score_first(1, numbers, texts)
               end end;
  end if;
  if v_score is not null and logged then
    -- the clock may have been set, either way, while the model ran; in the query it would be prepared for each event
    v_microseconds := greatest(0, least(date_part('epoch', clock_timestamp() - v_started) * 1000000, 2147483647));
    insert into modelpack.prediction
           (scored_at, profile, entity_key, score, model, version, prediction, inputs, text_inputs, microseconds)
    values (moment, 'public.customer', entity_key, 'churn', 'churn', version, v_score, numbers, texts, v_microseconds);
  end if;
  return v_score;
end
$function$;

comment on function modelpack.customer_score_churn_predict(integer, double precision[], text[], text,
  timestamp with time zone, boolean) is
  'The score churn of packed inputs, by the champion of churn (or the one before, for a statement that began with '
  'it), and its row in the log. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_reason(version integer, failure text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return modelpack.no_score(1, 'churn', version, failure);
end
$function$;

comment on function modelpack.customer_score_churn_reason(integer, text) is
  'Why there is no score churn. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_record(version integer, moment timestamp with time zone,
  scored modelpack.scored[])
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
declare
  v_rows bigint;
begin
  insert into modelpack.prediction
         (scored_at, profile, entity_key, score, model, version, prediction, inputs, text_inputs)
  select moment, 'public.customer', r.entity_key, 'churn', 'churn', version, r.prediction, coalesce(r.inputs, '{}'), r.text_inputs
    from unnest(scored) as r;
  get diagnostics v_rows = row_count;
  return v_rows;
end
$function$;

comment on function modelpack.customer_score_churn_record(integer, timestamp with time zone, modelpack.scored[]) is
  'Writes rows of the prediction log for the score churn. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_texts(p anyelement, "the moment" timestamp with time zone,
  version integer)
 RETURNS text[]
 LANGUAGE sql
 STABLE
AS $function$select case version
       when 1 then array[
         p.plan::text]
       end$function$;

comment on function modelpack.customer_score_churn_texts(anyelement, timestamp with time zone, integer) is
  'The texts that a version of churn is fed from a profile row. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_version()
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$select 1::integer$function$;

comment on function modelpack.customer_score_churn_version() is
  'The champion of churn, for the score churn. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_seen()
 RETURNS void
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (select from modelpack.profile as p where p.profile_id = 1 and p.since = modelpack.customer_since()) then
    raise exception using
      errcode = 'serialization_failure',
      message = 'could not serialize access: the transaction began before the declaration of public.customer was applied',
      detail = 'Its snapshot may miss events that came before the triggers.',
      hint = 'Run the transaction again.';
  end if;
end
$function$;

comment on function modelpack.customer_seen() is
  'Refuses a transaction whose snapshot is older than the triggers of public.customer. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_shaped()
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$select true$function$;

comment on function modelpack.customer_shaped() is
  'Whether the columns of public.customer have the types that features have, so that many rows can be scored '
  'together. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_since()
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
AS $function$select '-infinity'::timestamptz$function$;

comment on function modelpack.customer_since() is
  'Rows of public.customer that were last read from the events before are not counted yet. [customer]';

CREATE OR REPLACE FUNCTION modelpack.customer_with(p anyelement, f1 bigint, f2 bigint, f3 numeric, f4 double precision,
  f5 bigint, f6 numeric, f7 timestamp with time zone, f8 bigint, f9 double precision, f10 timestamp with time zone)
 RETURNS anyelement
 LANGUAGE sql
 STABLE
AS $function$select row(p.customer_id, p.plan, p.joined_at, p.features_at, p.features_read_at,
  p.features_reread_at, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, p.churn,
  p.churn_version, p.churn_scored_at, p.churn_stale)::public.customer$function$;

comment on function modelpack.customer_with(anyelement, bigint, bigint, numeric, double precision, bigint, numeric,
  timestamp with time zone, bigint, double precision, timestamp with time zone) is
  'A row of public.customer with other features: purchases, purchases_90d, spend, basket, basket_n, basket_sum, '
  'last_purchase_at, complaints, complaint_heat, complaint_heat_ahead. [customer]';
