create or replace function modelpack.read_requirement(requirement text)
returns table (condition text, figure text, side text, strictly boolean, against_champion boolean, bound double precision, confidence double precision)
language plpgsql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_words text[];
begin
  if coalesce(btrim(requirement), '') = '' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'the requirement is empty',
      hint = 'For example: auc not below champion by 0.01 at 95%.';
  end if;
  perform modelpack.check_text('the requirement', requirement);
  foreach condition in array regexp_split_to_array(lower(btrim(regexp_replace(requirement, '[[:space:]]+', ' ', 'g'))), ' and ')
  loop
    v_words := regexp_match(condition,
      '^(auc|brier|brier score|log loss|mae) (not )?(above|below) (?:(champion)(?: by ([0-9]{1,9}(?:[.][0-9]{1,9})?|[.][0-9]{1,9}))?|([0-9]{1,9}(?:[.][0-9]{1,9})?|[.][0-9]{1,9}))(?: at ([0-9]{2}(?:[.][0-9]{1,4})?) ?%)?$');
    if v_words is null or v_words[7]::double precision < 50 then
      raise exception using
        errcode = 'invalid_parameter_value',
        message = format('the condition %s of the requirement cannot be read', quote_literal(modelpack.shown(condition, 100))),
        detail = 'Expected: FIGURE [not] above|below champion [by NUMBER] [at PERCENT%], or FIGURE [not] above|below NUMBER [at PERCENT%]. Figures: auc, brier score, log loss, mae. Several conditions are joined by "and". The per cent, 50 to 99.9999, are those of the interval; without them 95.',
        hint = 'For example: auc not below champion by 0.01 at 95% and brier score not above 0.2.';
    end if;
    figure := case v_words[1] when 'auc' then 'AUC' when 'log loss' then 'log loss' when 'mae' then 'MAE' else 'Brier score' end;
    strictly := v_words[2] is null;
    -- above, and not below: both say what the interval has to lie above
    side := case when (v_words[3] = 'above') = strictly then 'above' else 'below' end;
    against_champion := v_words[4] is not null;
    bound := coalesce(v_words[5], v_words[6], '0')::double precision;
    if against_champion and (strictly <> (side = 'above')) then
      bound := -bound;
    end if;
    confidence := coalesce(v_words[7]::double precision, 95) / 100;
    if (figure = 'AUC') <> (side = 'above') then
      raise exception using
        errcode = 'invalid_parameter_value',
        message = format('the condition %s of the requirement asks for a worse version', quote_literal(condition)),
        detail = 'More is better of auc, less of brier score, log loss and mae.',
        hint = case when figure = 'AUC' then 'Say above, or not below.' else 'Say below, or not above.' end;
    end if;
    return next;
  end loop;
end
$modelpack$;
comment on function modelpack.read_requirement(text) is
  'The conditions of a requirement, read: the interval of the difference (or of the figure itself) has to lie above or below the bound, strictly or not.';
revoke all on function modelpack.read_requirement(text) from public;
