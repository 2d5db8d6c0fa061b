-- title: New customers by month
-- group: Customers
-- description: Customers by the month they came, and how many of them have paid.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
with
-- include: months
select m.month, count(*) as customers,
  count(*) filter (where exists (select 1 from charges c where c.customer = cu.id and +c.status = 'succeeded')) as have_paid
from months m cross join customers cu on cu.created >= m.begin and cu.created < m.finish
group by m.month
order by m.month
