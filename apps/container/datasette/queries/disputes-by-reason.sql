-- title: Disputes by reason and outcome
-- group: Refunds and disputes
-- description: What customers' banks claimed, and who won.
-- param: since = 365 days ago
select reason, currency, count(*) as disputes, count(*) filter (where status = 'won') as won, count(*) filter (where status = 'lost') as lost,
  count(*) filter (where status not in ('won', 'lost')) as undecided, money(sum(amount), currency) as amount
from disputes
where created >= coalesce(nullif(:since, ''), datetime('now', '-365 days'))
group by 1, 2
order by count(*) desc
