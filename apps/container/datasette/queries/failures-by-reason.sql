-- title: Failed payments by reason
-- group: Failed payments
-- description: Why charges failed, and how many came through later.
-- param: months = 3
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with months as (
  select value ->> 0 as month, value ->> 1 as begin, value ->> 2 as finish, value ->> 3 as instant
  from json_each(months(:tz, :months, :until))
)
select coalesce(c.failure_code, 'no code') as reason, c.currency, count(*) as charges, money(sum(c.amount), c.currency) as amount
from (select min(begin) as begin, max(finish) as finish from months) m
cross join charges c on c.created >= m.begin and c.created < m.finish
where c.status = 'failed' and (:currency = '' or c.currency = :currency)
group by 1, 2
order by count(*) desc
