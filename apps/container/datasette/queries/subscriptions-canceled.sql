-- title: Cancelled subscriptions
-- group: Subscribers
-- description: Subscriptions that were cancelled, newest first, with the reason that Stripe or the customer gave.
-- param: since = 90 days ago
select s.id, s.customer, cu.name, s.canceled_at, s.ended_at, s.cancellation_details ->> 'reason' as reason,
  s.cancellation_details ->> 'feedback' as feedback, s.cancellation_details ->> 'comment' as comment,
  round(julianday(coalesce(s.ended_at, s.canceled_at)) - julianday(s.created)) as days_subscribed
from subscriptions s left join customers cu on cu.id = s.customer
where s.canceled_at >= coalesce(nullif(:since, ''), datetime('now', '-90 days'))
order by s.canceled_at desc
limit 1000
