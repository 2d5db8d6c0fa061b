-- title: Payments by payment method
-- group: Revenue
-- description: Successful charges by kind of payment method and card brand.
-- param: months = 3
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select c.payment_method_details ->> '$.type' as method, c.payment_method_details ->> '$.card.brand' as brand,
  c.payment_method_details ->> '$.card.wallet.type' as wallet, c.currency, count(*) as payments,
  money(sum(c.amount_captured), c.currency) as taken
from (select min(begin) as begin, max(finish) as finish from months) m
cross join charges c on c.created >= m.begin and c.created < m.finish and c.status = 'succeeded'
where (:currency = '' or c.currency = :currency)
group by 1, 2, 3, 4
order by c.currency, sum(c.amount_captured) desc
