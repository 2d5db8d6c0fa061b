-- title: Failed payments of the last 30 days
-- group: Failed payments
-- description: Charges that the bank or Stripe refused, newest first, with the reason.
select id, created, customer, amount, currency, failure_code, failure_message, invoice
from charges
where status = 'failed' and created >= datetime('now', '-30 days')
order by created desc
limit 1000
