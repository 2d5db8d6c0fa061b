-- title: Top customers
-- group: Revenue
-- description: Who paid most in the period, refunds taken off: the 100 largest of each currency.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
, ranked as (
  select c.customer, c.currency, count(*) as payments, sum(c.amount_captured - c.amount_refunded) as paid,
    row_number() over (partition by c.currency order by sum(c.amount_captured - c.amount_refunded) desc) as place
  from (select min(begin) as begin, max(finish) as finish from months) m
  cross join charges c on c.created >= m.begin and c.created < m.finish and c.status = 'succeeded'
  where c.customer is not null and (:currency = '' or c.currency = :currency)
  group by c.customer, c.currency
)
select r.customer, cu.name, cu.email, r.currency, r.payments, money(r.paid, r.currency) as paid
from ranked r left join customers cu on cu.id = r.customer
where r.place <= 100
order by r.currency, r.place
