-- title: How complete the mirror is
-- group: The mirror
-- description: The download and its state, table by table.
select "table", state, rows, error, finished_ts
from td_progress
order by rows desc
