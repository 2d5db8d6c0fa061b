-- title: Payments by country of the card
-- group: Revenue
-- description: Successful charges by the country of the card, or of the billing address where there is no card.
-- param: months = 3
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
, paid as materialized (
  select coalesce(c.payment_method_details ->> '$.card.country', c.billing_details ->> '$.address.country') as country, c.currency, c.amount_captured
  from (select min(begin) as begin, max(finish) as finish from months) m
  cross join charges c on c.created >= m.begin and c.created < m.finish and c.status = 'succeeded'
  where (:currency = '' or c.currency = :currency)
)
select coalesce(country, '?') as country, currency, count(*) as payments, money(sum(amount_captured), currency) as taken
from paid
group by 1, 2
order by currency, sum(amount_captured) desc
