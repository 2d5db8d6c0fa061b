-- title: Subscriptions by status
-- group: Subscribers
-- description: How many subscriptions are in each state.
select status, count(*) as subscriptions, count(distinct customer) as customers
from subscriptions
group by status
order by count(*) desc
