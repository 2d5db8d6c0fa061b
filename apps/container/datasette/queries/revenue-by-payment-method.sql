-- title: Payments by payment method
-- group: Revenue
-- description: Successful charges by kind of payment method and card brand.
-- param: months = 3
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
, paid as materialized (
  select c.payment_method_details ->> '$.type' as method, c.payment_method_details ->> '$.card.brand' as brand,
    c.payment_method_details ->> '$.card.wallet.type' as wallet, c.currency, c.amount_captured
  from (select min(begin) as begin, max(finish) as finish from months) m
  cross join charges c on c.created >= m.begin and c.created < m.finish and c.status = 'succeeded'
  where (:currency = '' or c.currency = :currency)
)
select method, brand, wallet, currency, count(*) as payments, money(sum(amount_captured), currency) as taken
from paid
group by method, brand, wallet, currency
order by currency, sum(amount_captured) desc
