-- title: Events by type
-- group: The mirror
-- description: What happened in the last day, by kind.
-- param: since = a day ago
select type, count(*) as events, max(created) as latest
from events
where created >= coalesce(nullif(:since, ''), datetime('now', '-1 day'))
group by type
order by count(*) desc
