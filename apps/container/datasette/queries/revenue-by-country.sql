-- title: Payments by country of the card
-- group: Revenue
-- description: Successful charges by the country of the card, or of the billing address where there is no card.
-- param: months = 3
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select coalesce(c.payment_method_details ->> '$.card.country', c.billing_details ->> '$.address.country', '?') as country,
  c.currency, count(*) as payments, money(sum(c.amount_captured), c.currency) as taken
from (select min(begin) as begin, max(finish) as finish from months) m
cross join charges c on c.created >= m.begin and c.created < m.finish and c.status = 'succeeded'
where (:currency = '' or c.currency = :currency)
group by 1, 2
order by c.currency, sum(c.amount_captured) desc
