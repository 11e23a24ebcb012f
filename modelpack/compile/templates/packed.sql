%# PACKED: what a version is fed from a row `p`, where an input may be impossible.
begin
  -- 1 / 0 costs a row its score, not a statement
  return row(null, null, {{ score.called("numbers") }}(p, moment, version), {{ score.called("texts") }}(p, moment, version))::modelpack.scored;
exception when data_exception then
  return null;
end
