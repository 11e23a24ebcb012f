%# What a version is fed as texts from a sample of the rows: read as the owner of the table, for `modelpack.unseen`.
%# A row whose inputs cannot be computed has none.
declare
  v_place tid;
  v_part oid;
begin
  % for score in plan.scores
  if score = {{ score.name | literal }} then
    % if score.may_fail
    for v_place, v_part in select p.ctid, p.tableoid from {{ plan.table }} as p tablesample system (percent) loop
      begin  -- row by row: one that cannot be computed must not hide the others
        return query select {{ score.called("texts") }}(p, now(), version) from {{ plan.table }} as p where p.ctid = v_place and p.tableoid = v_part;
      exception when data_exception then
        null;
      end;
    end loop;
    % else
    return query select {{ score.called("texts") }}(p, now(), version) from {{ plan.table }} as p tablesample system (percent);
    % endif
  end if;
  % endfor
  return;
end
