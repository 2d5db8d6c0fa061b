-- title: Newest events
-- group: The mirror
-- description: What happened last.
select id, created, type, object_id
from events
order by created desc
limit 500
