-- title: Failed payments by card brand
-- group: Failed payments
-- description: Failed charges by brand and reason (Sigma's template).
-- param: since = 90 days ago
with failed as materialized (
  select c.payment_method_details ->> '$.card.brand' as brand, c.failure_code, c.currency, c.amount
  from charges c
  where c.status = 'failed' and c.created >= coalesce(nullif(:since, ''), datetime('now', '-90 days'))
)
select brand, failure_code, currency, count(*) as charges, money(sum(amount), currency) as amount
from failed
group by brand, failure_code, currency
order by count(*) desc
