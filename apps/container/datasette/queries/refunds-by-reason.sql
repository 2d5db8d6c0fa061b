-- title: Refunds by reason
-- group: Refunds and disputes
-- description: Why money was given back.
-- param: since = 365 days ago
select coalesce(reason, 'not said') as reason, status, currency, count(*) as refunds, money(sum(amount), currency) as amount
from refunds
where created >= coalesce(nullif(:since, ''), datetime('now', '-365 days'))
group by 1, 2, 3
order by count(*) desc
