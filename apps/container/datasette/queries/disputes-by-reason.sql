-- title: Disputes by reason and outcome
-- group: Refunds and disputes
-- description: What customers' banks claimed, and who won.
-- param: since = 365 days ago
select reason, currency, count(*) as disputes, count(*) filter (where status = 'won') as won, count(*) filter (where status = 'lost') as lost,
  count(*) filter (where status in ('needs_response', 'under_review', 'warning_needs_response', 'warning_under_review')) as undecided,
  count(*) filter (where status in ('warning_closed', 'prevented', 'charge_refunded')) as came_to_nothing, money(sum(amount), currency) as amount
from disputes
where created >= coalesce(nullif(:since, ''), datetime('now', '-365 days'))
group by 1, 2
order by count(*) desc
