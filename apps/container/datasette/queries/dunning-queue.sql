-- title: Dunning queue
-- group: Failed payments
-- description: Open invoices whose payment has failed or is overdue: whom to write to, how much, when Stripe tries again.
select i.id, i.number, i.customer, cu.name, coalesce(i.customer_email, cu.email) as email, i.amount_remaining, i.currency,
  i.attempt_count, i.next_payment_attempt, i.due_date, i.created,
  (select c.failure_code from charges c where c.invoice = i.id and +c.status = 'failed' order by c.created desc limit 1) as last_failure,
  i.subscription, s.status as subscription_status, i.hosted_invoice_url
from invoices i
left join customers cu on cu.id = i.customer
left join subscriptions s on s.id = i.subscription
where i.status = 'open' and i.amount_remaining > 0 and (i.attempt_count > 0 or i.due_date < datetime('now'))
order by i.created
limit 1000
