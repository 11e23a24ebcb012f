%# What stands between the dollar quotes of a function.
% for text in remarks
{{ text | remark }}
% endfor
%# Generated SQL names the row of every column, so a bare name is a variable, also beside a column called so.
#variable_conflict use_variable
{{ body }}
