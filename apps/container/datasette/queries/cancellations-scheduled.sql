-- title: Cancellations to come
-- group: Subscribers
-- description: Subscriptions that run now and are set to end.
select s.id, s.customer, cu.name, cu.email, s.status, coalesce(s.cancel_at, s.current_period_end) as ends, s.canceled_at as asked
from subscriptions s left join customers cu on cu.id = s.customer
where s.status in ('active', 'trialing', 'past_due') and (s.cancel_at_period_end = 1 or s.cancel_at is not null)
order by ends
limit 1000
