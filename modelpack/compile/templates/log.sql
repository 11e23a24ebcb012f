%# LOG, after an INSERT of a row of the profile: its score, once it is known that the row stays.
%# SCORE itself logs what an UPDATE scores. It cannot log an INSERT: ON CONFLICT may still take the row back.
%# A promotion may have been committed since SCORE ran: the row says which version scored it.
declare
  v_logged bigint;
begin
  % for score in plan.scores
  if new.{{ score.scored_at }} is not null then
    v_logged := {{ score.called("record") }}(new.{{ score.version }}, new.{{ score.scored_at }}, array[
      row({{ plan.key_text("new") }},
          new.{{ score.value }},
          {{ score.called("numbers") }}(new, new.{{ score.scored_at }}, new.{{ score.version }}),
          {{ score.called("texts") }}(new, new.{{ score.scored_at }}, new.{{ score.version }}))::modelpack.scored
    ]);
  end if;
  % endfor
  return null;
end
