%# Notes a row that a statement moves to another partition: deleted where it was updated a moment ago.
%# Rows that UPDATE moves are in its transition tables; those that MERGE moves are in none.
%#
%# `moving`, `moved`    settings of the transaction: the row that is being updated, one that has been moved
begin
  if tg_op = 'UPDATE' then
    perform set_config({{ moving | literal }}, md5(to_jsonb(old)::text), true);
    return new;
  end if;
  if current_setting({{ moving | literal }}, true) <> '' then
    if current_setting({{ moving | literal }}, true) = md5(to_jsonb(old)::text) then
      perform set_config({{ moved | literal }}, md5(to_jsonb(old)::text), true);
    end if;
    perform set_config({{ moving | literal }}, '', true);
  end if;
  return old;
end
