create or replace function modelpack.check_unseen(caller name, model text, version integer) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
-- Codes that were numbers in training, lost their leading zeros or are padded: nearly every row is then a stranger.
declare
  v_limit constant integer := (select s.value::integer from modelpack.setting as s where s.name = 'unseen_percent');
  v_worst record;
begin
  if current_setting('modelpack.allow_unseen', true) = 'on' then
    return;
  end if;
  select u.*, s.exact into v_worst
    from modelpack.look_unseen(check_unseen.model, check_unseen.version) as u
   cross join lateral modelpack.sees(check_unseen.caller, u.relation, u.columns) as s (exact)
   where u.unseen * 100 > u.rows * v_limit
     -- a refusal tells of the rows, too
     and modelpack.coarse(u.unseen, u.rows, s.exact) is not null
   order by u.unseen::double precision / u.rows desc
   limit 1;
  if found then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s has never seen the text of its input "%s" in %s rows of %s that were looked at',
                       check_unseen.model, check_unseen.version, v_worst.input,
                       case when v_worst.exact then format('%s of %s', v_worst.unseen, v_worst.rows)
                            else modelpack.coarse(v_worst.unseen, v_worst.rows, false) || ' of the' end, v_worst.profile),
      detail = format('It knows %s (%s in all). Expected: at most %s %% of the rows with another (unseen_percent in modelpack.setting).',
                      (select string_agg(quote_literal(e.text), ', ') from unnest(v_worst.examples) as e (text)), v_worst.categories, v_limit),
      hint = format('Where the profile writes the values otherwise than the training data did (1 for 1.0, without leading zeros, in other case), '
                    'declare the input as an expression, or fit the model on modelpack training-set. To promote it all the same: '
                    'modelpack promote %s %s --allow-unseen, or before the call: set modelpack.allow_unseen = on.',
                    check_unseen.model, check_unseen.version);
  end if;
end
$modelpack$;
comment on function modelpack.check_unseen(name, text, integer) is
  'Refuses to promote a version that has never seen the texts of more rows than unseen_percent allows, unless the session says modelpack.allow_unseen = on. Of fewer than 50 rows that the caller may not read nothing is said.';
revoke all on function modelpack.check_unseen(name, text, integer) from public;
