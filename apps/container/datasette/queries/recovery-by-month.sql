-- title: Recovery of failed payments
-- group: Failed payments
-- description: Payments whose first charge failed, by month, and how many of them were paid in the end.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select month, currency, count(*) as failed_payments, sum(recovered) as recovered,
  round(100.0 * sum(recovered) / count(*), 1) as percent,
  money(sum(amount), currency) as amount, money(sum(amount * recovered), currency) as amount_recovered,
  money(sum(amount * (1 - recovered)), currency) as amount_lost
from (
  select m.month, c.currency, c.payment_intent, max(c.amount) as amount,
    exists (select 1 from charges o where o.payment_intent = c.payment_intent and +o.status = 'succeeded') as recovered
  from months m cross join charges c on c.created >= m.begin and c.created < m.finish
  where c.status = 'failed' and c.payment_intent is not null and (:currency = '' or c.currency = :currency)
    and not exists (select 1 from charges e where e.payment_intent = c.payment_intent and +e.status = 'failed' and e.created < c.created)
  group by m.month, c.currency, c.payment_intent
)
group by month, currency
order by month, currency
