-- title: Failed payments
-- group: Failed payments
-- description: Charges that the bank or Stripe refused, newest first, with the reason and whether the payment came through later.
-- param: since = 30 days ago
select c.id, c.created, c.customer, cu.email, c.amount, c.currency, c.failure_code, c.failure_message, c.invoice,
  exists (select 1 from charges o where o.payment_intent = c.payment_intent and +o.status = 'succeeded') as paid_later
from charges c left join customers cu on cu.id = c.customer
where c.status = 'failed' and c.created >= coalesce(nullif(:since, ''), datetime('now', '-30 days'))
order by c.created desc
limit 1000
