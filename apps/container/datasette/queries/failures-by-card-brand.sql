-- title: Failed payments by card brand
-- group: Failed payments
-- description: Failed charges by brand and reason (Sigma's template).
-- param: since = 90 days ago
select c.payment_method_details ->> '$.card.brand' as brand, c.failure_code, c.currency, count(*) as charges, money(sum(c.amount), c.currency) as amount
from charges c
where c.status = 'failed' and c.created >= coalesce(nullif(:since, ''), datetime('now', '-90 days'))
group by 1, 2, 3
order by count(*) desc
