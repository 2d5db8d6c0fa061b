-- title: Top customers
-- group: Revenue
-- description: Who paid most in the period, refunds taken off.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with months as (
  select value ->> 0 as month, value ->> 1 as begin, value ->> 2 as finish, value ->> 3 as instant
  from json_each(months(:tz, :months, :until))
)
select c.customer, cu.name, cu.email, c.currency, count(*) as payments,
  money(sum(c.amount_captured - c.amount_refunded), c.currency) as paid
from (select min(begin) as begin, max(finish) as finish from months) m
cross join charges c on c.created >= m.begin and c.created < m.finish and c.status = 'succeeded'
left join customers cu on cu.id = c.customer
where c.customer is not null and (:currency = '' or c.currency = :currency)
group by c.customer, c.currency
order by c.currency, sum(c.amount_captured - c.amount_refunded) desc
limit 100
