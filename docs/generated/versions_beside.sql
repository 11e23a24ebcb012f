-- What an experiment and a shadow add to the shop, and what they write anew: functions and triggers.
-- Written by `make docs`; look at it, do not edit it.
--
-- The profile and version 1 of its model are those of promoted.sql. Half of the customers get the arm `champion`, which
-- is version 1, the others the arm `challenger`, which is version 2. Version 3 is a shadow: it also takes the input
-- `spend`, which the log lacks. Each body stands here as the server has it; other lines that are long are broken.
-- When both have ended, the functions of promoted.sql are back and the rest is gone.

CREATE OR REPLACE FUNCTION modelpack.customer_batched()
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_nothing boolean;
begin
  return coalesce(false and modelpack.customer_score_churn_enabled(v_nothing), false);
end
$function$;

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_arms()
 RETURNS TABLE(arm text, rows bigint, stale bigint)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  return query select p.churn_arm, count(*), count(p.churn_stale) from public.customer as p where p.churn_arm is not null group by p.churn_arm;
end
$function$;

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_assign()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET extra_float_digits TO '1'
 SET "DateStyle" TO 'ISO, MDY'
 SET "IntervalStyle" TO 'postgres'
 SET bytea_output TO 'hex'
 SET enable_seqscan TO 'off'
AS $function$
-- enable_seqscan: off, since the plan is made once a session, and before the first arm the table is empty.
declare
  v_key constant text := modelpack.key_value(new.customer_id)::text;
  v_arm text;
  v_drawn double precision;
begin
  select s.arm into v_arm from modelpack.assignment as s where s.experiment_id = 1 and s.entity_key = v_key;
  if v_arm is null then
    v_drawn := modelpack.draw('1 winter', v_key);
    v_arm := case when v_drawn < 0.5 then 'champion'
                 when v_drawn < 1 then 'challenger' end;
    insert into modelpack.assignment (experiment_id, entity_key, arm, weight, weighting_id)
    values (1, v_key, v_arm, ('{"champion": 0.5, "challenger": 0.5}'::jsonb ->> v_arm)::double precision, 1)
    on conflict (experiment_id, entity_key) do nothing;
    if not found then  -- another session was first
      select s.arm into strict v_arm from modelpack.assignment as s where s.experiment_id = 1 and s.entity_key = v_key;
    end if;
  end if;
  new.churn_arm := 'winter/' || v_arm;
  return new;
end
$function$;

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_chosen(p anyelement)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$select (case p.churn_arm when 'winter/champion' then 1 when 'winter/challenger' then 2 end)::integer$function$;

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_many(version integer, numbers bytea, texts text[])
 RETURNS double precision[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_nothing boolean;
  v_id constant integer := case when modelpack.customer_score_churn_enabled(v_nothing) then case version when 1 then 1 when 2 then 2 end end;
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

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_numbers(p anyelement, "the moment" timestamp with time zone,
  version integer)
 RETURNS double precision[]
 LANGUAGE sql
 STABLE
AS $function$select case version
       when 1 then array[
         p.complaints::double precision,
         (case when isfinite(p.last_purchase_at) and p.last_purchase_at < date '200000-01-01' then date_part('epoch', "the moment" - p.last_purchase_at::timestamptz) / 86400 end)::double precision]
       when 2 then array[
         p.complaints::double precision,
         (case when isfinite(p.last_purchase_at) and p.last_purchase_at < date '200000-01-01' then date_part('epoch', "the moment" - p.last_purchase_at::timestamptz) / 86400 end)::double precision]
       end$function$;

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
                 when 2 then modelpack.score(2, numbers, texts)
               end end;
  else
    v_score := case when numbers is not null and modelpack.customer_score_churn_enabled(v_nothing) then case version
                 when 1 then modelpack.score_first(1, numbers, texts)
                 when 2 then modelpack.score_first(2, numbers, texts)
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

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_texts(p anyelement, "the moment" timestamp with time zone,
  version integer)
 RETURNS text[]
 LANGUAGE sql
 STABLE
AS $function$select case version
       when 1 then array[
         p.plan::text]
       when 2 then array[
         p.plan::text]
       end$function$;

CREATE OR REPLACE FUNCTION modelpack.customer_with(p anyelement, f1 bigint, f2 bigint, f3 numeric, f4 double precision,
  f5 bigint, f6 numeric, f7 timestamp with time zone, f8 bigint, f9 double precision, f10 timestamp with time zone)
 RETURNS anyelement
 LANGUAGE sql
 STABLE
AS $function$select row(p.customer_id, p.plan, p.joined_at, p.features_at, p.features_read_at,
  p.features_reread_at, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, p.churn,
  p.churn_version, p.churn_scored_at, p.churn_stale, p.churn_arm)::public.customer$function$;

CREATE OR REPLACE FUNCTION modelpack.shadow_1_1_1()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET extra_float_digits TO '1'
AS $function$
declare
  v_key constant text := modelpack.key_value(new.customer_id)::text;
  v_numbers double precision[];
  v_texts text[];
begin
  begin
    v_numbers := modelpack.shadow_1_1_1_numbers(new, new.churn_scored_at);
    v_texts := modelpack.shadow_1_1_1_texts(new, new.churn_scored_at);
  exception when others then
    if sqlstate ~ '^(40|53|57|25006)' then
      raise;
    end if;
    v_numbers := null;
  end;
  if v_numbers is not null then
    perform modelpack.shadow_1_1_1_keep(new.churn_version, new.churn_scored_at, v_key, v_numbers, v_texts);
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION modelpack.shadow_1_1_1_keep(version integer, moment timestamp with time zone,
  entity_key text, numbers double precision[], texts text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
begin
  -- to read the sequence as a table would be a scan that COUNT has turned off, and so be compiled for each event
  insert into modelpack.shadow_input (shadow_id, profile, score, entity_key, scored_at, version, inputs, text_inputs)
  select s.shadow_id, 'public.customer', 'churn', entity_key, moment, version, numbers, texts
    from modelpack.shadow as s
   where s.shadow_id = 1 and s.input_limit > coalesce(pg_sequence_last_value('modelpack.shadow_input_input_id_seq'), 0);
end
$function$;

CREATE OR REPLACE FUNCTION modelpack.shadow_1_1_1_numbers(p anyelement, "the moment" timestamp with time zone)
 RETURNS double precision[]
 LANGUAGE sql
 STABLE
AS $function$select array[
         p.complaints::double precision,
         (case when isfinite(p.last_purchase_at) and p.last_purchase_at < date '200000-01-01' then date_part('epoch', "the moment" - p.last_purchase_at::timestamptz) / 86400 end)::double precision,
         p.spend::double precision]$function$;

CREATE OR REPLACE FUNCTION modelpack.shadow_1_1_1_texts(p anyelement, "the moment" timestamp with time zone)
 RETURNS text[]
 LANGUAGE sql
 STABLE
AS $function$select array[
         p.plan::text]$function$;

CREATE TRIGGER model_arm_churn BEFORE UPDATE ON public.customer FOR EACH ROW
  WHEN (
    ((new.churn_arm IS NULL) OR (new.churn_arm <> ALL ('{winter/champion,winter/challenger}'::text[]))
      OR (new.churn_arm IS DISTINCT FROM old.churn_arm)
      OR (new.customer_id IS DISTINCT FROM old.customer_id))) EXECUTE FUNCTION modelpack.customer_score_churn_assign();

CREATE TRIGGER model_shadow_1_1 AFTER UPDATE ON public.customer FOR EACH ROW
  WHEN (
    ((new.churn_scored_at IS DISTINCT FROM old.churn_scored_at)
      AND (new.churn_version <> 3))) EXECUTE FUNCTION modelpack.shadow_1_1_1();

CREATE TRIGGER model_shadow_1_1_new AFTER INSERT ON public.customer FOR EACH ROW
  WHEN (((new.churn_scored_at IS NOT NULL) AND (new.churn_version <> 3))) EXECUTE FUNCTION modelpack.shadow_1_1_1();

CREATE TRIGGER zz_model_arm_churn BEFORE INSERT ON public.customer
  FOR EACH ROW EXECUTE FUNCTION modelpack.customer_score_churn_assign();
