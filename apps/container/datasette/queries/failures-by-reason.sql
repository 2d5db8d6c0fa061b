-- title: Failed payments by reason
-- group: Failed payments
-- description: Why charges failed. Each attempt counts.
-- param: months = 3
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select coalesce(c.failure_code, 'no code') as reason, c.currency, count(*) as charges, money(sum(c.amount), c.currency) as amount
from (select min(begin) as begin, max(finish) as finish from months) m
cross join charges c on c.created >= m.begin and c.created < m.finish
where c.status = 'failed' and (:currency = '' or c.currency = :currency)
group by 1, 2
order by count(*) desc
