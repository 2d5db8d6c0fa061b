-- title: Deleted objects
-- group: The mirror
-- description: What Stripe no longer has: the last state is kept here.
select "table", id, deleted_ts, object
from td_deleted
order by deleted_ts desc
limit 500
