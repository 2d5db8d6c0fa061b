-- title: Why subscriptions were cancelled
-- group: Subscribers
-- description: Cancellations by the reason that Stripe knows and the feedback that customers gave.
-- param: since = 365 days ago
select coalesce(cancellation_details ->> 'reason', 'not said') as reason,
  coalesce(cancellation_details ->> 'feedback', 'not said') as feedback, count(*) as subscriptions
from subscriptions
where canceled_at >= coalesce(nullif(:since, ''), datetime('now', '-365 days'))
group by 1, 2
order by 3 desc
