-- title: Payments by day
-- group: Revenue
-- description: What successful charges took on each of the last days.
-- param: days = 30
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with days as (
  select value ->> 0 as day, value ->> 1 as begin, value ->> 2 as finish, value ->> 3 as instant
  from json_each(days(:tz, :days, :until))
)
select d.day, c.currency, count(*) as payments, money(sum(c.amount_captured), c.currency) as taken
from days d cross join charges c on c.created >= d.begin and c.created < d.finish
where c.status = 'succeeded' and (:currency = '' or c.currency = :currency)
group by d.day, c.currency
order by d.day, c.currency
